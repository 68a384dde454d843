"""The same networks in PyTorch and Keras."""
