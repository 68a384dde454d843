"""The machine that computes a run: processor, kernels, precision and sessions."""
