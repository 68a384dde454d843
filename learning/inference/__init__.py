"""Test and predict with trained weights."""
