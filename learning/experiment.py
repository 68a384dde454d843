"""From a configuration and its images to the other objects of a run: model, session, optimizer, trained weights."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from learning.machine.kernels import choosing_kernels
from models.tensorflow_import import importing_tensorflow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings and worse
with importing_tensorflow(), choosing_kernels():
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

    tf.config.list_physical_devices()  # looks for a GPU now, while its complaint about none is held

from datasets.dataset import DataSet
from datasets.errors import escape_name
from datasets.splits import Splits
from datasets.storage.failures import storage_reason
from learning.checkpoints.saved_variables import restore
from learning.checkpoints.store import CheckpointStore, Usable
from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import CheckpointError, UsageError
from learning.evaluators import EVALUATORS
from learning.machine.precision import for_prediction
from learning.optimizers import OPTIMIZERS, Optimizer
from learning.runs.data import run_info
from learning.runs.directory import RunDirectory
from models.catalogue import check_options, model_class
from models.convnet import ConvNet, one_hot

logger = logging.getLogger(__name__)

# What a network gets from other options of a run: these are no entries of model.options.
RUN_OPTIONS = {
    "weight_decay": "model.weight_decay",
    "weight_decay_on": "model.weight_decay_on",
    "precision": "model.precision",
    "image_mean": "data.mean",
    "seed": "train.seed",
}


def network_class(model: ModelConfig) -> type[ConvNet]:
    """The class of the configured network. UsageError where it is none."""
    try:
        return model_class(model.name)
    except ValueError as error:
        raise UsageError(f"model {model.name}: {error}") from error


def check_new_model(model: ModelConfig) -> None:
    """UsageError for a class or an option that cannot be: of a new run, before its images are decoded.

    Runs of earlier versions may hold options that their network does not take, and stay as they are.
    """
    network = network_class(model)
    for key, option in RUN_OPTIONS.items():
        if key in model.options:
            raise UsageError(f"model {model.name}: give {key} as --{option}, not in model.options")
    try:
        check_options(network, model.options)
    except TypeError as error:
        raise UsageError(f"model {model.name}: {error}") from error


def build_model(
    config: RunConfig, input_shape: tuple[int, ...], num_classes: int, image_mean: Any = 0.0
) -> ConvNet:
    """Build the configured network in a graph of its own. UsageError for an option that it does not take."""
    model = config.model
    if model.precision == "auto":
        raise UsageError(
            "model.precision is 'auto' and was not chosen yet; see learning.machine.precision.with_precision"
        )
    network = network_class(model)
    options = {"weight_decay": model.weight_decay, "weight_decay_on": model.weight_decay_on, **model.options}
    try:
        with tf.Graph().as_default():
            return network(
                input_shape,
                num_classes,
                image_mean=image_mean,
                precision=model.precision,
                seed=config.train.seed,
                **options,
            )
    except (TypeError, ValueError) as error:
        if "Negative dimension" in str(error.__cause__):
            size = "x".join(map(str, input_shape))
            raise UsageError(
                f"the network {model.name} does not fit on an input of {size}: a convolution or pooling leaves no "
                "pixel; raise data.image_size and data.crop_size"
            ) from error
        raise UsageError(f"model {model.name}: {error}") from error


def session_config(threads: int = 0) -> v1.ConfigProto:
    """GPU memory is taken as it is needed; 0 threads: one per core."""
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    config.allow_soft_placement = True
    config.gpu_options.allow_growth = True
    return config


def open_session(model: ConvNet, threads: int = 0) -> v1.Session:
    """A session on the model's graph, as `session_config` has it."""
    return v1.Session(graph=model.graph, config=session_config(threads))


def build_training(config: RunConfig, splits: Splits) -> Optimizer:
    """The configured network for the training images, as `model` of the optimizer that trains it on them.

    It subtracts their mean, of each channel or of each pixel, and is judged on the validation set.
    """
    train_set = splits.train
    mean = train_set.pixel_mean if config.data.mean == "pixel" else train_set.image_mean
    model = build_model(config, train_set.crop_shape, len(splits.class_names), mean)
    evaluator = EVALUATORS[config.train.evaluator]()
    return OPTIMIZERS[config.optimizer.name](model, train_set, evaluator, splits.val, config=config)


def load_selected(sess: v1.Session, model: ConvNet, run_path: Path, select: str) -> Usable:
    """Restore the weights of a run that count: the best, or the last, also where no epoch was better than nothing.

    Where these are damaged, the newest whole ones take their place, and a warning says so. A run that goes on
    meanwhile may drop a checkpoint between the look at it and the restore: look again.

    :param select: best or last, see `TrainConfig.select`.
    :return: which they are.
    """
    store = CheckpointStore(run_path, select=select)
    for attempt in range(5):
        usable = store.usable()
        try:
            restore(sess, model.variables, store.path(usable.step))
            break
        except CheckpointError:
            if store.path(usable.step).is_dir() or attempt == 4:
                raise
    return usable


def load_run(run: RunDirectory) -> tuple[ConvNet, v1.Session, int]:
    """The network of a run with the weights that count, a session on it, and the epoch they are from."""
    config = for_prediction(run.config)
    mean = np.zeros(run.input_shape) if run.config.data.mean == "pixel" else 0.0  # of the saved one's shape
    model = build_model(config, run.input_shape, len(run.class_names), mean)
    sess = open_session(model, run.config.train.threads)
    _, epoch, newest = load_selected(sess, model, run.path, run.config.train.select)
    is_last = newest.global_step == max(CheckpointStore(run.path).steps())  # else damage was told of
    if is_last and not run.info.get("published") and not run.is_finished(newest):
        num_epochs = run.config.train.num_epochs
        logger.warning("%s is not finished: %d of %d epochs are trained", run.path, newest.epoch, num_epochs)
    return model, sess, epoch


@contextmanager
def drawing_training_images(train_set: DataSet, folder: Path, *, augment: bool) -> Iterator[None]:
    """augmented.png in `folder`, where there is none: some training images as the network sees them in epoch 0.

    Drawn by a thread beside what is done inside, so that training need not wait for matplotlib, which takes more
    than a second. Where it cannot be written a warning says so, and training goes on.
    """
    path = folder / "augmented.png"
    if path.exists():
        yield
        return
    count = min(32, train_set.num_examples)
    spread = np.linspace(0, train_set.num_examples - 1, count).astype(int)
    images, labels = train_set.batch(spread, augment=augment, is_train=True)
    names = train_set.class_names
    captions = [""] * count
    if names:
        captions = [names[index] for index in np.argmax(one_hot(labels, len(names)), axis=1)]

    def draw() -> None:
        from learning.reports.plots import draw_image_grid  # imports matplotlib

        try:
            draw_image_grid(images, captions, path)
        except OSError as error:
            logger.warning("%s cannot be written (%s)", path, storage_reason(error, folder))

    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(draw)
        yield
    drawn.result()


def summary_lines(config: RunConfig, model: ConvNet, splits: Splits, path: Path) -> list[str]:
    """What is about to be trained on what, for people."""
    info = run_info(splits, model.input_shape)
    sizes = ", ".join(f"{count} {name}" for name, count in info["num_images"].items())
    classes = splits.class_names
    names = ", ".join(map(escape_name, classes[:10])) + (", ..." if len(classes) > 10 else "")
    shape = "x".join(map(str, model.input_shape))
    return [
        f"data   {config.data.name}: {sizes} images, {len(classes)} classes ({names})",
        f"model  {config.model.name}: {model.num_parameters:,} parameters, input {shape}, {config.model.precision}",
        f"run    {path}",
    ]
