"""Benchmarks of accuracy: what recipes reach."""
