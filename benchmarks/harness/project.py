"""Everything that the benchmarks use of the project's training, data and configuration.

TensorFlow is imported on first use, in the same way as by the scripts.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.harness.turns import Step
from datasets.dataset import DataSet
from datasets.load import labelled_set
from datasets.splits import Splits
from learning.config.recipes import CONFIGS, flatten
from learning.config.run_config import PLACES, RunConfig
from learning.programs.command_line import parse_train
from learning.runs.directory import RunDirectory


def graph_mode() -> tuple[Any, Any]:
    """Return TensorFlow and its version 1 interface."""
    from learning.machine.session import tf, v1  # this import keeps TensorFlow quiet

    return tf, v1


def open_model(
    options: Mapping[str, Any], crop_size: int, num_classes: int, threads: int, mean: float = 0.0
) -> tuple[Any, Any]:
    """Return a network, with the weights of its package or else its initial weights, and a session for it.

    :param options: the `model` part of a configuration: name, precision, options.
    :param threads: of the session; 0 for one per core.
    """
    from learning.machine.session import open_session
    from models.weights.load import load_weights
    from models.weights.packaged import is_packaged

    model = _build(options, crop_size, num_classes, mean)
    sess = open_session(model, threads)
    sess.run([variable.initializer for variable in model.variables])
    if is_packaged(options["name"]):
        load_weights(sess, model, options["name"])
    return model, sess


def _build(options: Mapping[str, Any], crop_size: int, num_classes: int, mean: float = 0.0) -> Any:
    from learning.runs.network import build_model

    return build_model(run_config(model=options), (crop_size, crop_size, 3), num_classes, mean)


def network_size(
    name: str, crop_size: int, num_classes: int, options: Mapping[str, Any]
) -> tuple[float, int]:
    """Return the GFLOP of a network's products for one image forward, and the number of its trained parameters."""
    from models.summary import layer_rows

    model = _build({"name": name, "precision": "float32", "options": options}, crop_size, num_classes)
    return 2 * sum(row.multiply_adds for row in layer_rows(model)) / 1e9, int(model.num_parameters)


def run_config(**options: Mapping[str, Any]) -> RunConfig:
    """Return a configuration with these groups of options."""
    return RunConfig.from_dict({name: dict(values) for name, values in options.items()})


def recipe_config(words: Sequence[str]) -> RunConfig:
    """Return the configuration that train.py makes of a command line."""
    return parse_train(list(words)).config


def recipe_names() -> list[str]:
    """Return the names of the recipes in configs/."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def flat_options(config: RunConfig) -> dict[str, Any]:
    """Return the options by their dotted names, except for the paths."""
    return {name: value for name, value in flatten(config.as_dict()).items() if name not in PLACES}


def open_run(path: Path) -> RunDirectory:
    """Return a run. Raises CheckpointError if there is none."""
    return RunDirectory(path)


def require_finished(run: RunDirectory) -> None:
    """Raise CheckpointError if a run is not finished."""
    from learning.publish import finished_state

    finished_state(run)


def open_training(config: RunConfig, splits: Splits, threads: int) -> tuple[Any, Any]:
    """Return the optimizer of a configuration, and a session for its network."""
    from learning.fit import build_training
    from learning.machine.session import open_session

    optimizer = build_training(config, splits)
    return optimizer, open_session(optimizer.model, threads)


def worker_step(
    config: RunConfig,
    splits: Splits,
    addresses: Sequence[str],
    index: int,
    learning_rate: float,
    *,
    bucket_bytes: int | None = None,
    traces: list[Any] | None = None,
) -> Step:
    """Return the step of one of several workers: an update from its share of the training set, which is one batch.

    :param bucket_bytes: size of a bucket of gradients; None for the default.
    :param traces: list to which each step appends its StepStats; None to trace nothing.
    """
    from learning.fit import build_training

    workers = _workers(addresses, index, {} if bucket_bytes is None else {"bucket_bytes": bucket_bytes})
    images, labels = splits.train.images, splits.train.labels
    train = dataclasses.replace(config.train, batch_size=len(images))
    optimizer = build_training(dataclasses.replace(config, train=train), splits, workers)
    sess, rows = workers.open_session(optimizer.model, 1), workers.rows
    sess.run(optimizer.initialize)
    own = images[rows], labels[rows]

    def step() -> int:
        update = optimizer._training_step.run(sess, *own, learning_rate, trace=traces is not None)
        if traces is not None:
            traces.append(update.step_stats)
        return len(own[0])

    return step


def sums_step(
    index: int, addresses: Sequence[str], sizes: Sequence[Sequence[int]], seconds: list[list[float]]
) -> Step:
    """Return the step of one of several workers that do nothing but sum groups of tensors.

    :param sizes: bytes of each tensor, group by group.
    :param seconds: list to which each step appends the duration of each group.
    """
    tf, _ = graph_mode()
    workers = _workers(addresses, index, {})
    with tf.Graph().as_default() as graph:
        groups = [tf.group(*workers.summed([tf.zeros([size // 4]) for size in group])) for group in sizes]
    sess = workers.open_session(SimpleNamespace(graph=graph, options={"precision": "float32"}), 1)

    def step() -> int:
        times = [time.perf_counter()]
        for group in groups:
            sess.run(group, options=workers.run_options)
            times.append(time.perf_counter())
        seconds.append(np.diff(times).tolist())
        return 1

    return step


def _workers(addresses: Sequence[str], index: int, options: Mapping[str, Any]) -> Any:
    graph_mode()
    from learning.distributed.cluster import Cluster
    from learning.distributed.workers import Workers

    return Workers(Cluster(addresses=tuple(addresses), index=index), 1, **options)


def update_step(optimizer: Any, sess: Any, batches: Iterator[Any], learning_rate: float) -> Step:
    """Initialise the variables, and return a step that makes an update as learning/training/loop.py does.

    :param batches: images, labels and perhaps more for each update.
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


def sized_data(config: RunConfig) -> tuple[RunConfig, Splits]:
    """Decode a configuration's images; return it, completed with what depends on their number, and the images."""
    from learning.runs.data import open_data
    from learning.training.set_size import with_set_size

    splits = open_data(config)
    return with_set_size(config, splits.train.num_examples)[0], splits


def fine_tuned(config: RunConfig, splits: Splits, run_dir: Path) -> tuple[Any, Any, float]:
    """Train from published weights as train.py does; return the network, its session, and the duration in seconds.

    :param config: as returned by `sized_data`.
    """
    graph_mode()
    from learning.transfer.initial_weights import InitialWeights, start_from

    initial = InitialWeights(str(config.model.init))
    config = initial.completed(config)
    optimizer, sess = open_training(config, splits, config.train.threads or 0)
    start = time.perf_counter()
    start_from(sess, optimizer, initial, splits, config, lambda text: None)
    optimizer.train(sess, run_dir, fresh=False, verbose=False)
    return optimizer.model, sess, time.perf_counter() - start


def load_run(path: Path, threads: int | None = None) -> tuple[RunConfig, Any, Any]:
    """Return the configuration, the network and a session of a run or of a packaged network.

    :param threads: of the session; 0 for one per core, None for the run's own number.
    """
    graph_mode()
    from learning.inference.trained import load_run as load
    from learning.runs.packaged_run import open_run as open_any

    run = open_any(path)
    if threads is not None:
        run.config = dataclasses.replace(
            run.config, train=dataclasses.replace(run.config.train, threads=threads)
        )
    model, sess, _ = load(run)
    return run.config, model, sess


def test_set(config: RunConfig, path: Path, class_names: Sequence[str], cache_dir: Path) -> DataSet:
    """Return labelled images, decoded and cropped as a configuration says."""
    data = dataclasses.replace(config.data, cache_dir=str(cache_dir))
    return labelled_set(path, tuple(class_names), data).dataset


def accuracy(pred: np.ndarray, dataset: DataSet) -> float:
    """Return the share of images for which the largest prediction (N, K) is that of their class."""
    return float(np.mean(pred.argmax(axis=1) == dataset.labels.argmax(axis=1)))
