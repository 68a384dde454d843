"""Describe what must be the same when a run is resumed, for every checkpoint, and compare it before a restore."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.dataset import DataSet
from datasets.options.loading import Crops
from learning.config.run_config import RunConfig
from learning.evaluators import Evaluator
from learning.schedules import warmup_of
from models.convnet import ConvNet


def fixed_of(
    config: RunConfig,
    total_steps: int,
    *,
    optimizer: str,
    model: ConvNet,
    train_set: DataSet,
    val_set: DataSet | None,
    evaluator: Evaluator,
) -> dict[str, Any]:
    """Return what determines the result of training besides the variables, as plain values that JSON keeps exactly.

    Options of a model that are not plain values, such as functions, are left out. The shape and the labels
    stand for the images.

    :param total_steps: updates of the whole run.
    :param optimizer: name of the optimizer's class.
    """
    options = {key: value for key, value in config.flat().items() if key not in config.changeable}
    options |= {f"model.{key}": value for key, value in model.options.items()}
    return {
        **_plain(options),
        "warm-up (updates)": warmup_of(config.schedule, total_steps),
        "optimizer": optimizer,
        "training images": list(train_set.images.shape),
        "training labels": _digest(train_set),
        "crops": _plain(dataclasses.asdict(train_set.crops)) | {"seed": train_set.seed},
        "validation images": None if val_set is None else list(val_set.images.shape),
        "validation labels": None if val_set is None else _digest(val_set),
        "evaluator": type(evaluator).__name__,
    }


def _digest(dataset: DataSet) -> str:
    """Return a digest of the labels."""
    labels = b"" if dataset.labels is None else np.ascontiguousarray(dataset.labels).tobytes()
    return hashlib.sha256(labels).hexdigest()[:12]


def differences(fixed: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
    """Describe the values that differ from the saved ones.

    Values that only one of the two records has are ignored, since versions differ. Options of the crops that an
    earlier version did not save have their defaults.
    """
    found = []
    defaults = _plain(dataclasses.asdict(Crops()))
    for key in (key for key in saved if key in fixed):
        now, was = fixed[key], saved[key]
        if key == "crops":
            was = {name: was.get(name, defaults.get(name)) for name in now}
        if now != was:
            found.append(f"{key} is {now!r}, was {was!r}")
    return found


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that JSON can hold, as JSON returns them: tuples as lists, NumPy's numbers as Python's."""
    plain = {}
    for key, value in options.items():
        with contextlib.suppress(TypeError, ValueError):  # of a value such as a function
            plain[key] = json.loads(json.dumps(value, default=np.generic.item))
    return plain
