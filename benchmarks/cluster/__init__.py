"""Speed of several workers."""
