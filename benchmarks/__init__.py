"""The project against its peers, measured in one run."""

import contextlib

# PyTorch's builds for CUDA bring Triton. Both that and TensorFlow hold an LLVM, and loaded after TensorFlow's,
# Triton's ends the process ("Option ... registered more than once!"); loaded before, it does not.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401
