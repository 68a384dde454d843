"""Download and verify the official files of data sets."""
