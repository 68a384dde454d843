"""Choose the precision that is fast on this machine, for `--precision auto`."""

import dataclasses
import functools
import logging
import os
from typing import Literal

import tensorflow as tf

from learning.config.run_config import RunConfig
from learning.errors import UsageError
from learning.machine.kernels import BFLOAT16_INSTRUCTIONS, EIGEN, bfloat16_lack, kernels
from models.runtime.cpu import instructions, onednn_limit, usable_instructions

logger = logging.getLogger(__name__)

BFLOAT16_CAPABILITY = (8, 0)  # of a GPU: Ampere and later


def with_precision(config: RunConfig) -> tuple[RunConfig, str]:
    """Return the configuration with a precision instead of `auto`, and the reason, "" if it was not `auto`.

    A run keeps this precision when it is resumed on another machine; a warning says if it is slow there.

    :raises UsageError: bfloat16 is configured and cannot be computed here.
    """
    if config.model.precision != "auto":
        check_precision(config.model.precision)
        return config, ""
    precision, reason = fast_precision()
    model = dataclasses.replace(config.model, precision=precision)
    return dataclasses.replace(config, model=model), f"precision auto: {precision}, {reason}"


def fast_precision() -> tuple[Literal["float32", "bfloat16"], str]:
    """Return bfloat16 if the hardware has units for it that TensorFlow uses, else float32; and the reason."""
    if gpus := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = tuple(details.get("compute_capability", (0, 0)))
        name = f"the GPU has compute capability {'.'.join(map(str, capability))}"
        return ("bfloat16" if capability >= BFLOAT16_CAPABILITY else "float32"), name
    if lack := bfloat16_lack(os.environ, kernels()):
        return "float32", lack
    found = [name for name in BFLOAT16_INSTRUCTIONS if name in instructions()]
    return "bfloat16", f"the processor has {' and '.join(found)}"


def for_prediction(config: RunConfig) -> RunConfig:
    """Return the configuration that a trained run predicts with: in float32 if bfloat16 is slow on this machine.

    The variables are float32 anyway. The probabilities differ by some thousandths, the rounding of bfloat16.
    """
    if config.model.precision != "bfloat16" or tf.config.list_physical_devices("GPU"):
        return config
    lack = bfloat16_lack(os.environ, kernels())
    if not lack:
        return config
    logger.warning("this run was trained in bfloat16 and is computed in float32 here, because %s", lack)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, precision="float32"))


def check_precision(precision: str) -> None:
    """Warn once in a process if `precision` is emulated. UsageError if it cannot be computed at all."""
    if precision == "bfloat16" and not tf.config.list_physical_devices("GPU"):
        if bfloat16_fails():
            raise UsageError(
                f"bfloat16 cannot be computed here: ONEDNN_MAX_CPU_ISA is {onednn_limit(os.environ)}, which "
                "excludes it; unset the variable, or train with --precision float32"
            )
        if lack := bfloat16_lack(os.environ, kernels()):
            _warn_of_emulation(lack)


def bfloat16_fails() -> bool:
    """Return whether TensorFlow gives oneDNN bfloat16 for its AVX-512 although a limit forbids AVX-512."""
    has_avx512 = "avx512f" in instructions()
    return has_avx512 and "avx512f" not in usable_instructions(os.environ) and kernels() != EIGEN


@functools.cache
def _warn_of_emulation(lack: str) -> None:
    logger.warning(
        "bfloat16 is emulated here and takes several times as long as float32 (resnet-asirra with AVX2 alone: 12 "
        "against 44 images/s): %s; a new run with --precision auto computes in the faster precision", lack,
    )  # fmt: skip
