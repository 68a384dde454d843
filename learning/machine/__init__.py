"""The machine a run is computed on: processor, kernels, precision."""
