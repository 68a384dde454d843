"""What must be the same when a run is resumed: in every checkpoint, compared before anything is restored."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.dataset import DataSet
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
    """What decides the result of training beside the variables' values, in plain values that JSON keeps exactly.

    Options of a model that are no plain values, such as a function, are left out. Of the images their number and
    their labels stand for them.

    :param total_steps: updates of the whole run.
    :param optimizer: name of the optimizer's class.
    """
    options = {key: value for key, value in config.flat().items() if key not in config.changeable}
    options |= {f"model.{key}": value for key, value in model.options.items()}
    plain = {key: _as_saved(value) for key, value in options.items()}
    return {
        **{key: value for key, value in plain.items() if _is_plain(value)},
        "warm-up (updates)": warmup_of(config.schedule, total_steps),
        "optimizer": optimizer,
        "training images": list(train_set.images.shape),
        "training labels": _digest(train_set),
        "crops": dataclasses.asdict(train_set.crops) | {"seed": train_set.seed},
        "validation images": None if val_set is None else list(val_set.images.shape),
        "validation labels": None if val_set is None else _digest(val_set),
        "evaluator": type(evaluator).__name__,
    }


def _digest(dataset: DataSet) -> str:
    """Of the labels."""
    labels = b"" if dataset.labels is None else np.ascontiguousarray(dataset.labels).tobytes()
    return hashlib.sha256(labels).hexdigest()[:12]


def differences(fixed: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
    """Describe the values that differ from the saved ones.

    Values that only one of the two records has, including fields of the crops, are ignored, since versions differ.
    """
    found = []
    for key in (key for key in saved if key in fixed):
        now, was = fixed[key], saved[key]
        if key == "crops":
            shared = [name for name in now if name in was]
            now, was = {name: now[name] for name in shared}, {name: was[name] for name in shared}
        if now != was:
            found.append(f"{key} is {now!r}, was {was!r}")
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _as_saved(value: Any) -> Any:
    """Tuples as lists, NumPy's numbers as Python's: what JSON makes of them, or can take."""
    if isinstance(value, list | tuple):
        return [_as_saved(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_saved(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value
