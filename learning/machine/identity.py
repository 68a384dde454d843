"""The machine that computes a run: besides options and data, it decides the last bits of the numbers."""

import functools
import logging
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.checkpoints.resume_rules import differences
from learning.machine.kernels import EIGEN, SWITCH, kernel_variables, kernels
from models.runtime.cpu import instructions, onednn_limit, processor_name, usable_cores

logger = logging.getLogger(__name__)


def machine(sess: v1.Session) -> dict[str, Any]:
    """Describe the machine by plain values; None if not available.

    `onednn_limit` is the instruction set that environment variables restrict oneDNN to.
    """
    config = getattr(sess, "_config", None)  # a session has no public way to its options
    return {
        "processor": processor_name(),
        "instructions": instructions(),
        "gpu": _gpu(),
        "kernels": kernels(),
        "onednn_limit": onednn_limit(os.environ),
        "threads": getattr(config, "intra_op_parallelism_threads", 0) or usable_cores(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "sessionnet": own_version(),
    }


def own_version() -> str | None:
    """Return the version of this project, or None if it is not installed."""
    try:
        return version("sessionnet")
    except PackageNotFoundError:  # the project runs from its folder without being installed
        return None


def _gpu() -> str | None:
    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name")) if gpus else None


def note_machine(machines: list[dict[str, Any]], now: Mapping[str, Any], step: int) -> list[str]:
    """Append `now`, the machine of the updates after `step`, to a run's machines if it differs from the last one.

    :param machines: what `machine` returned, each with its `from_step`; empty in a run of an earlier version.
    :return: the differences in words; none if the last machine is not known.
    """
    differing = differences(now, machines[-1]) if machines else []
    if differing or not machines:
        machines.append({"from_step": step, **now})
    return differing


@functools.cache
def advise_kernels() -> None:
    """Advise once in a process how a program that imports TensorFlow itself gets the scripts' faster kernels."""
    asked = kernel_variables(os.environ, instructions())
    if asked and kernels() == EIGEN and _gpu() is None:
        logger.warning(
            "TensorFlow has not enabled its oneDNN kernels, which make convolutions up to twice as fast on this "
            "processor; set %s=1 in the environment before TensorFlow is imported", SWITCH,
        )  # fmt: skip
