"""What all command-line programs need: errors as exit codes, output that may fail, progress."""
