"""The project against its peers, measured in one run."""
