"""TensorFlow on this machine: its quiet import, and the processor under it."""
