"""Measuring side by side: contestants, hardware, figures and their tables."""
