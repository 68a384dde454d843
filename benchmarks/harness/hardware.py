"""Describe the hardware of a measurement, including the limit set by --isa, and TensorFlow's kernels.

This module imports none of the libraries: they read its settings from the environment while they are imported.
"""

import os
from typing import Any

from learning.machine.kernels import EIGEN, SWITCH, bfloat16_lack, kernel_variables, kernels_taken
from models.runtime.cpu import instructions, onednn_limit, processor_name, usable_cores, usable_instructions
from models.runtime.gpu import gpu_name

# Variables with which a processor stands in for an older one. In this order, they limit oneDNN in each library;
# PyTorch's own kernels and the vector code of torch.compile; PyTorch's matrix products; and the C++ compiler behind
# torch.compile, which would otherwise use every instruction of the processor (PyTorch 2.13). NumPy, Pillow and the
# compiled code of the libraries are not limited.
LIMITS = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3",
    }
}
PRECISIONS = ("float32", "bfloat16")


def limit_to(isa: str) -> None:
    """Limit the libraries to an instruction set, in this process and in those that it starts from now on."""
    os.environ.update(LIMITS[isa])


def limit() -> str | None:
    """Return the limit set by `limit_to`; None if there is none, or if the processor has nothing newer."""
    for isa, variables in LIMITS.items():
        if variables.items() <= os.environ.items() and instructions() != usable_instructions(os.environ):
            return isa
    return None


def project_kernels() -> str:
    """Return the kernels that the project's scripts use."""
    has = instructions()
    return kernels_taken({**os.environ, **kernel_variables(os.environ, has)}, has)


def leaves_onednn_off() -> bool:
    """Return whether TensorFlow has oneDNN off by default on this processor, given the limit."""
    return kernels_taken({}, usable_instructions(os.environ)) == EIGEN


def peer_environment(*, onednn: bool = False) -> dict[str, str]:
    """Return the environment of a peer that runs on TensorFlow, by default or with oneDNN on.

    The user's own switch concerns the project alone, so it is removed. TensorFlow's default depends on the real
    processor; under a limit, the switch is set to the default on the older one.
    """
    found = {name: value for name, value in os.environ.items() if name != SWITCH}
    if onednn:
        found[SWITCH] = "1"
    elif instructions() != usable_instructions(os.environ):
        found[SWITCH] = "0" if leaves_onednn_off() else "1"
    return found


def emulation() -> str:
    """Return why bfloat16 is not worth measuring on this processor; "" if it is."""
    return bfloat16_lack(os.environ, project_kernels())


def facts() -> dict[str, Any]:
    """Return the GPU, the processor and the kernels, ready for JSON.

    `flags` are the processor's instruction sets; `played` is the one that --isa limits the libraries to.
    """
    return {
        "gpu": gpu_name(),
        "processor": processor_name(),
        "cores": usable_cores(),
        "flags": instructions(),
        "played": limit(),
        "onednn_limit": onednn_limit(os.environ),
        "kernels": project_kernels(),
        "peer_kernels": kernels_taken(peer_environment(), instructions()),
    }
