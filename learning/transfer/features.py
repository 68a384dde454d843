"""Compute the input of the last layer once, if nothing before it is trained, and train on that.

The other layers are the same for the whole run, so their result for an image depends on its crop alone. If the
training crops are few (the centre crop, or the whole image and its mirror image), features take the place of images
in every batch: the order, the crops that an epoch draws, checkpoints and resumes stay as they are.
"""

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from datasets.splits import Splits
from datasets.storage.atomic import replacing
from datasets.storage.cache_folders import cache_folders
from learning.config.run_config import RunConfig
from learning.machine.identity import machine
from learning.terminal.progress import show_progress
from learning.training.optimizer import Optimizer
from learning.transfer.linear_probe import FEATURES
from models.convnet import ConvNet
from models.graph.building import descriptions, operations_behind, random_operations

FOLDER = "features"  # in the cache of decoded images
MOST_BYTES = 2**31  # of the features of one set

logger = logging.getLogger(__name__)


def are_constant(model: ConvNet) -> bool:
    """Return whether an image's features stay the same in training, and training needs nothing else of the
    image."""
    features = model.d.get(FEATURES)
    if features is None or features.shape.rank != 2 or _has_own_way(type(model)):
        return False
    behind = operations_behind(features)
    names = {op.name for op in behind}
    changing = {variable.op.name for variable in model.trainable_variables} | {model.is_train.op.name}
    if names & changing or model.update_ops or random_operations(model.graph, behind):
        return False
    if any("PyFunc" in op.type for op in behind):  # Python, whose results may differ from call to call
        return False
    after = operations_behind(model.loss, given=features) + operations_behind(model.pred, given=features)
    return model.images.op.name not in {op.name for op in after}


def _has_own_way(network: type[ConvNet]) -> bool:
    """Return whether a subclass feeds or predicts by its own methods."""
    names = ("feed", "predict", "compute", "run_crops", "_predict_crops")
    return any(getattr(network, name) is not getattr(ConvNet, name) for name in names)


class Features:
    """Computes features of data sets, and keeps them in the cache of decoded images.

    :param cache_dir: its folder, see `cache_folders`.
    :param batch_size: images of one run of the graph.
    """

    def __init__(self, sess: v1.Session, model: ConvNet, cache_dir: str | None, batch_size: int) -> None:
        self._sess, self._model, self._cache_dir, self._batch_size = sess, model, cache_dir, batch_size
        self._network = _digest_of_network(sess, model)

    def in_place_of_images(
        self, dataset: DataSet, fingerprint: str, *, augment: bool, is_train: bool
    ) -> DataSet | None:
        """Return a set whose batches hold features (B, D) in place of images; None if its crops are too many.

        :param fingerprint: of the images.
        :param augment: with is_train how batches will be asked for, see `DataSet.batch`.
        """
        kind = "center" if not augment else "variants" if is_train else "fixed"
        count = {"center": 1, "variants": dataset.num_variants, "fixed": dataset.num_crops}[kind]
        depth = int(self._model.d[FEATURES].shape[-1])
        if count is None or count * dataset.num_examples * depth * 4 > MOST_BYTES:
            return None
        # The size of a batch is among them, because kernels may round batches of another size differently.
        facts: list[Any] = [self._network, self._batch_size]
        names = None if dataset.file_names is None else list(dataset.file_names)
        facts += [fingerprint, kind, names, dataset.seed, asdict(dataset.crops)]
        path = self._path(hashlib.sha256(json.dumps(facts).encode()).hexdigest())
        values = _read(path)
        if values is None:
            values = self._computed(dataset, kind)
            _write(path, values)
        return dataset.with_stored(**{kind: values})

    def _computed(self, dataset: DataSet, kind: str) -> np.ndarray:
        """Return the features of all crops of a kind, in the shapes of `StoredCrops`."""
        model, parts = self._model, []
        sess = model.session_for(self._sess, dataset.num_examples)
        for start in show_progress(range(0, dataset.num_examples, self._batch_size), "computing features"):
            indices = np.arange(start, min(start + self._batch_size, dataset.num_examples))
            if kind == "variants":
                crops = dataset.variants(indices)
            else:
                crops, _ = dataset.batch(indices, augment=kind == "fixed")
            flat = crops.reshape(-1, *crops.shape[-3:])
            values = model.run_crops(model.d[FEATURES], sess, flat, self._batch_size)
            parts.append(values.reshape(*crops.shape[:-3], -1))
        found: np.ndarray = np.concatenate(parts, axis=1 if kind == "variants" else 0)
        return found.astype(np.float32, copy=False)  # np.savez cannot keep bfloat16

    def _path(self, key: str) -> Path:
        *_, folder = cache_folders(self._cache_dir)
        return folder / FOLDER / f"{key}.npz"


def _digest_of_network(sess: v1.Session, model: ConvNet) -> str:
    """Return a digest of the graph of the features, of the variables that are not trained, and of the machine.

    The machine decides the last bits.
    """
    digest = hashlib.sha256(json.dumps(machine(sess), sort_keys=True).encode())
    digest.update(repr((type(model).__name__, sorted(model.options.items()))).encode())
    for text in descriptions(model.graph, operations_behind(model.d[FEATURES])):
        digest.update(text.encode())
    trained = {variable.op.name for variable in model.trainable_variables}
    fixed = [variable for variable in model.variables if variable.op.name not in trained]
    for variable, value in zip(fixed, sess.run(fixed), strict=True):
        digest.update(variable.op.name.encode() + np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> np.ndarray | None:
    """Return the features in a file; None if there is none, or it is damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = np.asarray(arrays["features"])
            if values.dtype != np.float32:
                raise ValueError(f"they are {values.dtype} instead of float32")
            return values
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        logger.warning("the features in %s are damaged (%s) and computed again", path, error)
        return None


def _write(path: Path, values: np.ndarray) -> None:
    """Keep features for later runs; if there is no room, the run continues without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, features=values)
    except OSError as error:
        logger.warning("the features cannot be kept in %s (%s)", path.parent, error.strerror)


def train_on_features(
    sess: v1.Session, optimizer: Optimizer, splits: Splits, config: RunConfig, say: Callable[[str], None]
) -> None:
    """Let an optimizer's batches hold features in place of images if training stays the same, and say so.

    The variables of the network have values already.
    """
    model, train = optimizer.model, config.train
    if not model.frozen_variables or not are_constant(model):
        return
    features = Features(sess, model, config.data.cache_dir, train.batch_size)
    replace = partial(features.in_place_of_images, fingerprint=splits.fingerprint)
    train_set = replace(splits.train, augment=train.augment_train, is_train=True)
    if train_set is None:
        say(
            "every epoch computes the features of its own crops; to compute features once and train in "
            "seconds, give --train.augment_train false, or crops as large as the images"
        )
        return
    optimizer.train_set = train_set
    if splits.val is not None:
        val_set = replace(splits.val, augment=train.augment_pred, is_train=False)
        optimizer.val_set = val_set or splits.val
    say(
        f"features of {train_set.num_examples} training images computed once; the last layer is trained on them"
    )
