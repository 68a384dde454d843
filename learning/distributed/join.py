"""Join the other workers of a run, and see that they are about to train the same."""

import contextlib
import logging
import platform
from collections.abc import Iterator
from typing import Any

import numpy as np

from learning.machine.session import tf  # before any other module imports TensorFlow

# isort: split
from learning.config.run_config import PLACES, RunConfig
from learning.distributed.alone import ALONE, Alone
from learning.distributed.cluster import Cluster
from learning.distributed.workers import Workers
from learning.machine.identity import own_version

PACKAGES = ("datasets", "models", "learning")


@contextlib.contextmanager
def joined(cluster: Cluster | None, config: RunConfig) -> Iterator[Alone]:
    """Yield this process's part in a cluster or, without a cluster, as a process that trains alone.

    Workers other than the chief log no warnings in the block, since the chief has the same ones.

    :raises ClusterError: a worker is missing or lost, or has another version or another configuration.
    """
    if cluster is None:
        yield ALONE
        return
    workers = Workers(cluster, config.train.threads)
    with workers.together(), contextlib.nullcontext() if cluster.is_chief else _silent():
        workers.agree("versions", versions())
        workers.agree("options", options(config))
        workers.loading()
        yield workers


def versions() -> dict[str, Any]:
    """Return the versions of the software that computes."""
    return {
        "sessionnet": own_version(),
        "TensorFlow": tf.__version__,
        "NumPy": np.__version__,
        "Python": platform.python_version_tuple()[:2],
    }


def options(config: RunConfig) -> dict[str, Any]:
    """Return the options by their names, except for those that may differ between workers."""
    sections = {key: value for key, value in config.as_dict().items() if isinstance(value, dict)}
    names = {f"{key}.{name}": value for key, values in sections.items() for name, value in values.items()}
    return {name: value for name, value in names.items() if name not in (*PLACES, "train.threads")}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Log only errors."""
    loggers = [logging.getLogger(name) for name in PACKAGES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
