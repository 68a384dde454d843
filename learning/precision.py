"""Which precision of the computation is fast on this machine: what `--precision auto` takes."""

import dataclasses
from typing import Literal

import tensorflow as tf

from learning.config import RunConfig
from learning.processor import processor_facts

BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")  # processors that multiply in bfloat16
BFLOAT16_CAPABILITY = (8, 0)  # of a GPU: Ampere and later


def with_precision(config: RunConfig) -> tuple[RunConfig, str]:
    """The configuration with a precision in the place of `auto`, and why that one; "" where it was no `auto`.

    A run keeps what was chosen: resumed on another machine it computes as before.
    """
    if config.model.precision != "auto":
        return config, ""
    precision, reason = fast_precision()
    model = dataclasses.replace(config.model, precision=precision)
    return dataclasses.replace(config, model=model), f"precision auto: {precision}, {reason}"


def fast_precision() -> tuple[Literal["float32", "bfloat16"], str]:
    """bfloat16 where the hardware has units for it, else float32; and the reason."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = tuple(details.get("compute_capability", (0, 0)))
        name = f"the GPU has compute capability {'.'.join(map(str, capability))}"
        return ("bfloat16" if capability >= BFLOAT16_CAPABILITY else "float32"), name
    flags = " ".join(processor_facts("flags")).split()
    found = [flag for flag in BFLOAT16_FLAGS if flag in flags]
    if found:
        return "bfloat16", f"the processor has {' and '.join(found)}"
    return "float32", f"the processor has neither {' nor '.join(BFLOAT16_FLAGS)}"
