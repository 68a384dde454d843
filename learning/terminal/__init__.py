"""What the command-line programs share: errors as exit codes, and output that may fail."""
