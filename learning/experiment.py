"""From a configuration to the objects of a run: data, model, session, trained weights."""

import dataclasses
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from models.quiet import importing_tensorflow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings and worse
with importing_tensorflow():
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

    tf.config.list_physical_devices()  # looks for a GPU now, while its complaint about none is held

from datasets.dataset import DataSet
from datasets.loaders import LOADERS, OWN_FORMS, labelled_set, load_splits
from datasets.splits import Splits
from learning.checkpoints import CheckpointStore
from learning.config import DataConfig, ModelConfig, RunConfig
from learning.errors import CheckpointError, UsageError
from learning.evaluators import EVALUATORS
from learning.files import storage_reason
from learning.optimizers import OPTIMIZERS, Optimizer
from learning.run_directory import RunDirectory
from learning.schedule_building import build_schedule
from learning.variables import restore
from models.catalogue import check_options, model_class
from models.convnet import ConvNet
from models.hyperparameters import accepted

logger = logging.getLogger(__name__)

# What a network gets from other options of a run: these are no entries of model.options.
GIVEN_TO_NETWORKS = frozenset({"weight_decay", "weight_decay_on", "precision", "image_mean", "seed"})


def open_data(config: RunConfig, run: RunDirectory | None = None) -> Splits:
    """Load and split the configured data.

    :param run: an existing run whose data they must be.
    :raises UsageError: an option that the loader cannot honour.
    :raises CheckpointError: the data are not those of `run`.
    """
    data = config.data
    options = {**dataclasses.asdict(data), "seed": config.train.seed}
    del options["name"], options["mean"]
    defaults = dataclasses.asdict(DataConfig())
    taken = accepted(LOADERS[data.name], options)
    for key, value in options.items():
        if key not in taken and key in defaults and value != defaults[key]:
            raise UsageError(
                f"data.{key} is {value!r}, but the data set {data.name!r} has no such option; leave it out"
            )
    splits = load_splits(data.name, config.data_dir, **taken)
    if run is not None:
        check_same_data(run, splits)
    return splits


def check_fits(config: RunConfig, splits: Splits) -> None:
    """UsageError where options and data do not go together, before anything is trained."""
    num_examples, batch_size = splits.train.num_examples, config.train.batch_size
    if batch_size > num_examples:
        raise UsageError(
            f"train.batch_size is {batch_size}, more than the {num_examples} training images; "
            f"choose {num_examples} or less"
        )
    num_classes = len(splits.class_names)
    labels, pred = np.eye(num_classes), np.full((num_classes, num_classes), 1.0 / num_classes)
    try:
        total_steps = config.train.num_epochs * (num_examples // batch_size)
        build_schedule(config.schedule, config.optimizer, total_steps)
        EVALUATORS[config.train.evaluator]().score(labels, pred)
    except ValueError as error:
        raise UsageError(f"{error}") from error
    if (config.train.profile or 0) > total_steps:
        raise UsageError(
            f"train.profile is {config.train.profile}; choose 1 to {total_steps}, the last update"
        )


def network_class(model: ModelConfig) -> type[ConvNet]:
    """The class of the configured network. UsageError where it is none, or does not take the configured options."""
    try:
        network = model_class(model.name)
        for key in GIVEN_TO_NETWORKS & model.options.keys():
            raise ValueError(f"{key!r} does not belong to model.options; the run has an option for it")
        check_options(network, model.options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"model {model.name}: {error}") from error
    return network


def build_model(
    config: RunConfig, input_shape: tuple[int, ...], num_classes: int, image_mean: Any = 0.0
) -> ConvNet:
    """Build the configured network in a graph of its own. UsageError for an option that it does not take."""
    model = config.model
    if model.precision == "auto":
        raise UsageError(
            "model.precision is 'auto' and was not chosen yet; see learning.precision.with_precision"
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
        if "Negative dimension" in str(error):
            size = "x".join(map(str, input_shape))
            raise UsageError(
                f"the network {model.name} does not fit on an input of {size}: its pooling leaves no pixel; "
                "raise data.image_size and data.crop_size"
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
    input_shape = (train_set.crop_size, train_set.crop_size, train_set.images.shape[-1])
    mean = train_set.pixel_mean if config.data.mean == "pixel" else train_set.image_mean
    model = build_model(config, input_shape, len(splits.class_names), mean)
    evaluator = EVALUATORS[config.train.evaluator]()
    return OPTIMIZERS[config.optimizer.name](model, train_set, evaluator, splits.val, config=config)


def held_out(splits: Splits) -> tuple[DataSet, str]:
    """The set that a finished run is tested on, and what to call it."""
    if splits.test is not None:
        return splits.test, "test"
    if splits.val is not None:
        return splits.val, "validation"
    return splits.train, "training"


def load_selected(sess: v1.Session, model: ConvNet, run_path: Path, select: str) -> int:
    """Restore the weights of a run that count: the best, or the last, also where no epoch was better than nothing.

    Where these are damaged, the newest whole ones take their place, and a warning says so. A run that goes on
    meanwhile may drop a checkpoint between the look at it and the restore: look again.

    :param select: best or last, see `TrainConfig.select`.
    :return: the epoch that they are from.
    """
    store = CheckpointStore(run_path, select=select)
    for attempt in range(5):
        step, epoch = store.usable()
        try:
            restore(sess, model.variables, store.path(step))
            break
        except CheckpointError:
            if store.path(step).is_dir() or attempt == 4:
                raise
    return epoch


def load_run(run: RunDirectory) -> tuple[ConvNet, v1.Session, int]:
    """The network of a run with the weights that count, a session on it, and the epoch they are from."""
    mean = np.zeros(run.input_shape) if run.config.data.mean == "pixel" else 0.0  # of the saved one's shape
    model = build_model(run.config, run.input_shape, len(run.class_names), mean)
    sess = open_session(model, run.config.train.threads)
    return model, sess, load_selected(sess, model, run.path, run.config.train.select)


def open_labelled(run: RunDirectory, data_dir: str) -> tuple[DataSet, list[tuple[str, str]]]:
    """Labelled images as a test set for a run, with its classes, image size and crops: see `labelled_set`.

    :return: the set; and (name, reason) of each file that was left out.
    """
    data = run.config.data
    return labelled_set(
        data_dir,
        run.class_names,
        name=data.name,
        image_size=data.image_size,
        crop_size=run.input_shape[0],
        channels=run.input_shape[-1],
        reflect=data.reflect,
        cache_dir=data.cache_dir,
        max_bad_fraction=data.max_bad_fraction,
        strict=data.strict,
    )


def warn_of_training_images(run: RunDirectory, dataset: DataSet, data_dir: str) -> None:
    """A warning when a test set is the folder that the run was trained on, and not just its test part."""
    own = str(Path(data_dir).expanduser().resolve()) == run.config.data_dir
    whole = dataset.num_examples > run.info.get("num_images", {}).get("test", 0)
    if own and whole and run.config.data.name not in OWN_FORMS:  # of those only the test part is ever taken
        logger.warning("%s holds the images that the run was trained on: this is no test", data_dir)


def run_info(splits: Splits, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """What a run directory records about the data."""
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {
        "class_names": list(splits.class_names),
        "input_shape": list(input_shape),
        "num_images": {name: part.num_examples for name, part in parts.items() if part is not None},
        "bad_files": [list(pair) for pair in splits.bad_files],
        "data_fingerprint": splits.fingerprint,
    }


def check_same_data(run: RunDirectory, splits: Splits) -> None:
    """CheckpointError unless the data are those that the run was started with."""
    if tuple(splits.class_names) != run.class_names:
        raise CheckpointError(
            f"{run.path} was trained on the classes {', '.join(run.class_names)}, the data now have "
            f"{', '.join(splits.class_names)}; go on with the run's own data"
        )
    if splits.fingerprint != run.info.get("data_fingerprint"):
        raise CheckpointError(
            f"the images are not those that {run.path} was started with: files were added, removed or edited; "
            "give back the same data, test on others with test.py --data-dir, or start a new run"
        )


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
    captions = [names[index] for index in np.argmax(labels, axis=1)] if names else [""] * count

    def draw() -> None:
        from learning.report import draw_image_grid  # imports matplotlib

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
    names = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    shape = "x".join(map(str, model.input_shape))
    return [
        f"data   {config.data.name}: {sizes} images, {len(classes)} classes ({names})",
        f"model  {config.model.name}: {model.num_parameters:,} parameters, input {shape}, {config.model.precision}",
        f"run    {path}",
    ]
