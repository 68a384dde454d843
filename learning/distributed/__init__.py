"""Training by several workers: one process for each device, on TensorFlow's distributed runtime."""
