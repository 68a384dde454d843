"""Decode images, convert their depth and colour, find duplicates, and check pixel values."""
