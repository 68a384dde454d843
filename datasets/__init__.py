"""Data sets: files are decoded once, batches are cut from a memory map, nothing here needs TensorFlow."""
