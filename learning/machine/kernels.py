"""TensorFlow's kernels on a processor: oneDNN's, or its own, which are based on Eigen.

TensorFlow decides when it is imported, by the variable TF_ENABLE_ONEDNN_OPTS or else by the processor. With AVX2
and nothing newer, it leaves oneDNN off, although convolutions are up to twice as fast with it.

Imports TensorFlow only in `kernels`.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from models.runtime.cpu import instructions, onednn_limit, usable_instructions

SWITCH = "TF_ENABLE_ONEDNN_OPTS"
ONEDNN, EIGEN, UNKNOWN = "oneDNN", "Eigen", "unknown"
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")  # of processors that multiply in bfloat16
# With one of these, TensorFlow 2.21 chooses oneDNN by itself: IsMKLEnabled in tensorflow/core/util/util.cc.
NEWER = frozenset({"avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "amx_tile"})


def kernel_variables(environment: Mapping[str, str], has: Collection[str]) -> dict[str, str]:
    """Return the variables to set before TensorFlow is imported, for the faster kernels.

    There are none if the user has set the variable or the processor lacks AVX2: then TensorFlow chooses.

    :param environment: the variables that are set.
    :param has: instructions of the processor, as `models.runtime.cpu.INSTRUCTIONS` names them.
    """
    return {SWITCH: "1"} if "avx2" in has and SWITCH not in environment else {}


def kernels_taken(environment: Mapping[str, str], has: Collection[str]) -> str:
    """Return TensorFlow's choice for these variables and instructions; without any, as on an ARM, it is unknown."""
    decided = {"1": ONEDNN, "true": ONEDNN, "0": EIGEN, "false": EIGEN}
    by_itself = EIGEN if NEWER.isdisjoint(has) else ONEDNN
    return decided.get(environment.get(SWITCH, "").lower(), by_itself if has else UNKNOWN)


def bfloat16_lack(environment: Mapping[str, str], computes_by: str) -> str:
    """Return why products in bfloat16 are not fast on this processor, or "" if they are.

    :param computes_by: TensorFlow's kernels.
    """
    if not set(BFLOAT16_INSTRUCTIONS) & set(instructions()):
        return f"the processor has neither {' nor '.join(BFLOAT16_INSTRUCTIONS)}"
    if not set(BFLOAT16_INSTRUCTIONS) & set(usable_instructions(environment)):
        return f"oneDNN is limited to {onednn_limit(environment)}"
    if computes_by == EIGEN:
        return "TensorFlow's oneDNN kernels are off, and its own have no fast bfloat16"
    return ""


@contextmanager
def choosing_kernels() -> Iterator[None]:
    """Set the variables of the faster kernels during the first import of TensorFlow."""
    chosen = kernel_variables(os.environ, instructions())
    os.environ.update(chosen)
    try:
        yield
    finally:
        for variable in chosen:
            del os.environ[variable]


def kernels() -> str:
    """Return the kernels that TensorFlow has chosen in this process."""
    try:
        from tensorflow.python.util import _pywrap_util_port  # it has no public name

        return ONEDNN if _pywrap_util_port.IsMklEnabled() else EIGEN
    except (ImportError, AttributeError):
        return UNKNOWN
