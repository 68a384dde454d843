"""On what is measured: this processor, or an older one that it plays, and with which kernels of TensorFlow.

Imports none of the libraries: what is set here must stand in the environment before they are imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from learning.machine.cpu import instructions, onednn_limit, processor_name, usable_cores, usable_instructions
from learning.machine.kernels import EIGEN, SWITCH, bfloat16_lack, kernel_variables, kernels_taken

# How a processor with more plays one with less: oneDNN in each library, PyTorch's own kernels and the vector code
# of torch.compile, its matrix products, and what the C++ compiler makes of the rest of torch.compile's code, for
# which PyTorch 2.13 reads the last variable and would let it take all that the processor has. NumPy, Pillow and
# what the compilers left in the libraries stay as they are.
PLAYED = {
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3",
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
    return kernels_taken({}, usable_instructions(os.environ)) == EIGEN


def peer_environment(*, onednn: bool = False) -> dict[str, str]:
    """The environment of a peer on TensorFlow: as installed, or with oneDNN on.

    The user's own switch is the project's and is left out here. TensorFlow decides by the real processor, so where
    another is played, what it would decide there has to be said.
    """
    found = {name: value for name, value in os.environ.items() if name != SWITCH}
    if onednn:
        found[SWITCH] = "1"
    elif instructions() != usable_instructions(os.environ):
        found[SWITCH] = "0" if leaves_onednn_off() else "1"
    return found


def peer_kernels() -> str:
    """What a peer on TensorFlow computes with, as installed."""
    return kernels_taken(peer_environment(), instructions())


@contextmanager
def as_peer(*, onednn: bool = False) -> Iterator[None]:
    """For the import of TensorFlow by a peer. Afterwards the switch is as before."""
    before, switch = os.environ.get(SWITCH), peer_environment(onednn=onednn).get(SWITCH)
    _set_switch(switch)
    try:
        yield
    finally:
        _set_switch(before)


def _set_switch(value: str | None) -> None:
    os.environ.pop(SWITCH, None)
    if value is not None:
        os.environ[SWITCH] = value


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
        "peer_kernels": peer_kernels(),
    }
