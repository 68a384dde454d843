"""Checkpoints: variables and training state, saved and restored as one unit."""
