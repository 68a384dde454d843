"""Accuracy of training, and how long it takes."""
