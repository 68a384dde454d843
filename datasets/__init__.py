"""Data sets: decode files once and cut batches out of a memory map, without TensorFlow."""
