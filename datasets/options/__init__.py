"""What may be asked of a loader, as typed options that are defined here and nowhere else."""
