"""Augmentation: pure functions on image arrays, and the crops of a batch that are made of them."""
