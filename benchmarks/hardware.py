"""On what is measured: this processor, or an older one that it plays, and with which kernels of TensorFlow.

Imports none of the libraries: what is set here must stand in the environment before they are imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from learning.kernels import EIGEN, SWITCH, bfloat16_lack, kernel_variables, kernels_taken
from learning.processor import (
    instructions,
    onednn_limit,
    processor_name,
    usable_cores,
    usable_instructions,
)

# How a processor with more plays one with less: oneDNN in each library, PyTorch's own kernels, its matrix products.
# NumPy, Pillow and what the compilers left in the libraries stay as they are.
PLAYED = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
}
PRECISIONS = ("float32", "bfloat16")


def play(isa: str) -> None:
    """Let all that is started from now on leave alone what a processor with `isa` does not have."""
    os.environ.update(PLAYED[isa])


def played() -> str | None:
    """The instruction set that is played; None where the processor has no more than that, or nothing is set."""
    for isa, variables in PLAYED.items():
        if variables.items() <= os.environ.items() and instructions() != usable_instructions(os.environ):
            return isa
    return None


def project_kernels() -> str:
    """What the scripts compute with."""
    has = instructions()
    return kernels_taken({**os.environ, **kernel_variables(os.environ, has)}, has)


def leaves_onednn_off() -> bool:
    """Whether TensorFlow as it is installed computes without oneDNN on the processor, or the played one."""
    return kernels_taken(os.environ, usable_instructions(os.environ)) == EIGEN


def peer_variables(*, onednn: bool = False) -> dict[str, str]:
    """The variables of a peer on TensorFlow: as installed, or with oneDNN on.

    A played processor would leave oneDNN off, the real one switches it on: so it has to be said. What the user
    has decided stays.
    """
    if SWITCH in os.environ or not instructions():
        return {}
    return {SWITCH: "0" if leaves_onednn_off() and not onednn else "1"}


@contextmanager
def as_peer(*, onednn: bool = False) -> Iterator[None]:
    """For the import of TensorFlow by a peer."""
    variables = peer_variables(onednn=onednn)
    os.environ.update(variables)
    try:
        yield
    finally:
        for variable in variables:
            del os.environ[variable]


def emulation() -> str:
    """Why bfloat16 is not worth measuring on this processor; "" where it is."""
    return bfloat16_lack(os.environ, project_kernels())


def facts() -> dict[str, Any]:
    """What the figures say of the processor and the kernels, ready for JSON.

    `flags` are those of the processor, `played` says what they were held to.
    """
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "flags": instructions(),
        "played": played(),
        "onednn_limit": onednn_limit(os.environ),
        "kernels": project_kernels(),
    }
