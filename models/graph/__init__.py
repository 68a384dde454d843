"""The TensorFlow graph under a network: what is built in it, copied from it, and what goes wrong."""
