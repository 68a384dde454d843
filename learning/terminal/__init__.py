"""The command-line programs: errors as exit codes, and output that may fail."""
