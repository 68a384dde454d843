"""Describe the hardware of a measurement: this processor, or the part that --isa leaves, and TensorFlow's kernels.

This module imports none of the libraries: its settings must be in the environment before they are imported.
"""

import os
import subprocess
from typing import Any

from learning.machine.kernels import EIGEN, SWITCH, bfloat16_lack, kernel_variables, kernels_taken
from models.runtime.cpu import instructions, onednn_limit, processor_name, usable_cores, usable_instructions

# How a processor stands in for an older one: limits of oneDNN in each library, of PyTorch's own kernels and the
# vector code of torch.compile, of its matrix products, and of the C++ compiler behind torch.compile, for which
# PyTorch 2.13 reads the last variable and would otherwise use all that the processor has. NumPy, Pillow and the
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
    """Limit the libraries in this process and in those started from now on to an instruction set."""
    os.environ.update(LIMITS[isa])


def limit() -> str | None:
    """Return the instruction set of `limit_to`; None without a limit, or where the processor has no more."""
    for isa, variables in LIMITS.items():
        if variables.items() <= os.environ.items() and instructions() != usable_instructions(os.environ):
            return isa
    return None


def project_kernels() -> str:
    """Return what the scripts compute with."""
    has = instructions()
    return kernels_taken({**os.environ, **kernel_variables(os.environ, has)}, has)


def leaves_onednn_off() -> bool:
    """Tell whether TensorFlow as installed computes without oneDNN on the processor, within its limit."""
    return kernels_taken({}, usable_instructions(os.environ)) == EIGEN


def peer_environment(*, onednn: bool = False) -> dict[str, str]:
    """Return the environment of a peer on TensorFlow: as installed, or with oneDNN on.

    The user's own switch is the project's and is removed. TensorFlow decides by the real processor, so under a
    limit its decision on the older processor is set explicitly.
    """
    found = {name: value for name, value in os.environ.items() if name != SWITCH}
    if onednn:
        found[SWITCH] = "1"
    elif instructions() != usable_instructions(os.environ):
        found[SWITCH] = "0" if leaves_onednn_off() else "1"
    return found


def emulation() -> str:
    """Return why bfloat16 is not worth measuring on this processor; "" where it is."""
    return bfloat16_lack(os.environ, project_kernels())


def gpu() -> str | None:
    """Return the name of the GPU that the libraries will take, or None."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return next(iter(listed.stdout.splitlines()), None)


def facts() -> dict[str, Any]:
    """Return what the figures say of the GPU, the processor and the kernels, ready for JSON.

    `flags` are those of the processor, `played` is the instruction set that --isa limited the libraries to.
    """
    return {
        "gpu": gpu(),
        "processor": processor_name(),
        "cores": usable_cores(),
        "flags": instructions(),
        "played": limit(),
        "onednn_limit": onednn_limit(os.environ),
        "kernels": project_kernels(),
        "peer_kernels": kernels_taken(peer_environment(), instructions()),
    }
