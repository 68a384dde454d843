"""Benchmarks of the project and of its peers."""

import contextlib

# PyTorch's CUDA builds include Triton. Triton and TensorFlow each contain LLVM: if Triton's is loaded second, it
# ends the process ("Option ... registered more than once!"); loaded first, it does no harm.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401
