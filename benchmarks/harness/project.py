"""The project, ready to be measured: all that the benchmarks use of its training, its data and its configuration.

TensorFlow is imported, as the scripts import it, when one of these functions first needs it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.turns import Step
from datasets.splits import Splits
from learning.config.command_line import parse_train
from learning.config.recipes import CONFIGS, flatten
from learning.config.run_config import PLACES, RunConfig
from learning.runs.directory import RunDirectory


def graph_mode() -> tuple[Any, Any]:
    """Return TensorFlow and its version 1 interface."""
    from learning.machine.session import tf, v1  # imported without their messages

    return tf, v1


def open_model(
    options: Mapping[str, Any], crop_size: int, num_classes: int, threads: int, mean: float = 0.0
) -> tuple[Any, Any]:
    """Return a network with its initial weights, and a session on it.

    :param options: of the configuration's model: name, precision, options.
    :param threads: of the session; 0: one per core.
    """
    from learning.machine.session import open_session

    model = _build(options, crop_size, num_classes, mean)
    sess = open_session(model, threads)
    sess.run([variable.initializer for variable in model.variables])
    return model, sess


def _build(options: Mapping[str, Any], crop_size: int, num_classes: int, mean: float = 0.0) -> Any:
    from learning.training.network import build_model

    return build_model(run_config(model=options), (crop_size, crop_size, 3), num_classes, mean)


def forward_gflop(name: str, crop_size: int, num_classes: int, options: Mapping[str, Any]) -> float:
    """Return 10^9 multiplications and additions of the products in a network, for one image forward."""
    from models.summary import layer_rows

    model = _build({"name": name, "precision": "float32", "options": options}, crop_size, num_classes)
    return 2 * sum(row.multiply_adds for row in layer_rows(model)) / 1e9


def run_config(**options: Mapping[str, Any]) -> RunConfig:
    """Return the configuration with these groups of options."""
    return RunConfig.from_dict({name: dict(values) for name, values in options.items()})


def recipe_config(words: Sequence[str]) -> RunConfig:
    """Return the configuration of a command line of train.py."""
    return parse_train(list(words)).config


def recipe_names() -> list[str]:
    """Return the names of the recipes in configs/."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def flat_options(config: RunConfig) -> dict[str, Any]:
    """Return the options by their dotted names, without the paths."""
    return {name: value for name, value in flatten(config.as_dict()).items() if name not in PLACES}


def open_run(path: Path) -> RunDirectory:
    """Return a run. CheckpointError if there is none."""
    return RunDirectory(path)


def require_finished(run: RunDirectory) -> None:
    """Raise CheckpointError for a run that is not finished."""
    from learning.publish import finished_state

    finished_state(run)


def open_training(config: RunConfig, splits: Splits, threads: int) -> tuple[Any, Any]:
    """Return the optimizer of a configuration, and a session on its network."""
    from learning.fit import build_training
    from learning.machine.session import open_session

    optimizer = build_training(config, splits)
    return optimizer, open_session(optimizer.model, threads)


def update_step(optimizer: Any, sess: Any, batches: Iterator[Any], learning_rate: float) -> Step:
    """Return the step of learning/training/loop.py; the variables get their initial values here.

    :param batches: images, labels and perhaps more of each update.
    """
    model = optimizer.model
    sess.run(optimizer.initialize)

    def step() -> int:
        images, labels, *_ = next(batches)
        feed = model.feed(images, labels, is_train=True)
        feed[optimizer.learning_rate_placeholder] = learning_rate
        sess.run([optimizer.optimize, model.loss, model.pred], feed)
        return len(images)

    return step
