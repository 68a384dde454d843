"""Use the temperature that calibrates the probabilities of a run, and keep it in calibration.json.

`learning.evaluation.calibration` fits it.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

from datasets.storage.atomic import write_text
from datasets.storage.untrusted import MAX_JSON_BYTES, parse_json, read_text
from learning.errors import CheckpointError
from learning.machine.session import tf
from learning.runs.directory import CALIBRATION_FILE, RunDirectory, default_results
from models.convnet import ConvNet


class Temperature(NamedTuple):
    """A temperature, or the reason why there is none; both NLLs are means per image, in nats."""

    temperature: float | None
    reason: str = ""
    num_images: int = 0  # that it was fitted to
    nll: float | None = None  # of the probabilities as they are
    nll_calibrated: float | None = None


def has_softmax(model: ConvNet) -> bool:
    """Return whether `model.pred` is the softmax of `model.logits`, and not something of a subclass."""
    op = model.pred.op
    return op.type == "Softmax" and op.inputs[0].name == model.logits.name


def use_temperature(model: ConvNet, temperature: float) -> None:
    """Let `model.pred` be softmax(logits / temperature) from now on, also in ten-crop predictions."""
    with model.graph.as_default():
        model.pred = model.d["pred"] = tf.nn.softmax(model.logits / temperature)


def write_temperature(folder: Path, fitted: Temperature, epoch: int) -> str:
    """Write calibration.json, even if there is no temperature, and return its name.

    :param epoch: whose weights it was fitted for.
    """
    write_text(folder / CALIBRATION_FILE, json.dumps({**fitted._asdict(), "epoch": epoch}, indent=1))
    return CALIBRATION_FILE


def calibration_folder(run: RunDirectory) -> Path:
    """Return the folder of calibration.json: the run's own if it has one, else that of its test results."""
    return run.path if (run.path / CALIBRATION_FILE).is_file() else default_results(run)


def read_temperature(run: RunDirectory, epoch: int | None = None) -> float:
    """Return the temperature that test.py or the end of training fitted: see `fit_temperature`.

    The calibrated probabilities of an image are the mean of softmax(logits / temperature) over its crops.

    :param epoch: whose weights are used; None does not compare it.
    :raises CheckpointError: there is none, it cannot be read, or it belongs to the weights of another epoch.
    """
    found = stored_temperature(run, epoch)
    if found.temperature is None:
        raise CheckpointError(f"{run.path} has no temperature ({found.reason}); leave --calibrated out")
    return found.temperature


def stored_temperature(run: RunDirectory, epoch: int | None = None) -> Temperature:
    """Return the temperature in a run's calibration.json, or the reason there why none was fitted.

    :raises CheckpointError: there is no such file, it cannot be read, or it is of the weights of another epoch.
    """
    path, again = calibration_folder(run) / CALIBRATION_FILE, f"fit it with test.py --run {run.path}"
    if not path.is_file():
        raise CheckpointError(f"{run.path} has no temperature in {CALIBRATION_FILE}; {again}")
    try:
        found = parse_json(read_text(path, MAX_JSON_BYTES))
        temperature, fitted_epoch = found["temperature"], found.get("epoch")
        if temperature is not None and not 0 < float(temperature) < math.inf:
            raise ValueError(f"temperature is {temperature}")
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}: {' '.join(str(error).split())}; {again}") from error
    if epoch is not None and fitted_epoch != epoch:
        raise CheckpointError(
            f"{path} is of the weights of epoch {fitted_epoch}, and these are of epoch {epoch}; {again}"
        )
    if temperature is None:
        return Temperature(None, str(found.get("reason")))
    return Temperature(float(temperature))
