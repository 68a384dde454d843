"""Speed of training with several workers."""
