"""Label image files with a trained network."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import DataError, escape_name
from datasets.images.decode import read_resized
from datasets.options.loading import DecodeOptions
from datasets.storage.atomic import write_csv, write_text
from learning.inference.companions import Companion, Embedding, ExplainedFiles
from learning.inference.temperature import read_temperature, use_temperature
from learning.inference.trained import load_run
from learning.runs.directory import RunDirectory
from learning.terminal.image_files import ImageFile
from models.convnet import ConvNet

logger = logging.getLogger(__name__)

CHUNK = 64  # images decoded before they go through the network
MOST_CROPS = 10  # of an image


class Row(NamedTuple):
    """One image and its classes with probabilities, best first, or the reason why it has none."""

    path: str
    classes: tuple[tuple[str, float], ...]
    error: str


def predict_run(
    run: RunDirectory,
    files: Sequence[ImageFile],
    *,
    ten_crop: bool = False,
    top_k: int = 1,
    calibrated: bool = False,
    explain: Path | None = None,
    embed: Path | None = None,
    layer: str | None = None,
) -> Iterator[Row]:
    """Yield one row for each image, in order, labelled with the selected weights of a run.

    :param files: see `learning.terminal.image_files.image_files`.
    :param ten_crop: average over all test crops, which is slower and better.
    :param top_k: number of classes in each row.
    :param calibrated: give probabilities with the run's temperature, see `read_temperature`.
    :param explain: a folder for pictures of the regions that support the classes, see `ExplainedFiles`.
    :param embed: a file for a tensor of the images, see `Embedding`.
    :param layer: the tensor for `explain` and `embed`; None: the last feature map, and the features.
    :raises UsageError: the network has no such tensor.
    :raises CheckpointError: there is no temperature.
    """
    model, sess, epoch = load_run(run)
    with closing(sess):
        if calibrated:
            use_temperature(model, read_temperature(run, epoch))
        companions: list[Companion] = []
        if explain is not None:
            companions.append(ExplainedFiles(model, explain, run.class_names, layer))
        if embed is not None:
            companions.append(Embedding(model, embed, layer, run.config.train.batch_size))
        yield from predict_files(
            sess, model, files, run, ten_crop=ten_crop, top_k=top_k, companions=companions
        )
        for companion in companions:
            companion.finish()


def predict_files(
    sess: Any,
    model: ConvNet,
    files: Sequence[ImageFile],
    run: RunDirectory,
    *,
    ten_crop: bool = False,
    top_k: int = 1,
    companions: Sequence[Companion] = (),
) -> Iterator[Row]:
    """Yield one row for each image, in order; the row of an unreadable one holds the reason.

    Images are decoded, resized and cropped as the run's were. All go through the same graph, so the label of an
    image does not depend on which others can be read.

    :param companions: get the readable images with their predictions.
    """
    data, batch_size = run.config.data, run.config.train.batch_size
    # One session for all chunks: `predict` would choose one for each chunk, by its size.
    sess = model.session_for(sess, len(files) * (MOST_CROPS if ten_crop else 1))
    for start in range(0, len(files), CHUNK):
        chunk = files[start : start + CHUNK]
        images, reasons = _decode(chunk, data, model.input_shape[-1])
        predictions = np.empty((0, model.num_classes), np.float32)  # (N, K) of the readable images
        if images:
            dataset = DataSet(np.stack(images), crops=data.crops)
            predictions = model.predict(sess, dataset, batch_size=batch_size, augment_pred=ten_crop)
            names = [file.name for file, reason in zip(chunk, reasons, strict=True) if not reason]
            for companion in companions:
                companion.add(sess, names, dataset, predictions)
        remaining = iter(predictions)
        for file, reason in zip(chunk, reasons, strict=True):
            classes = [] if reason else top_classes(next(remaining), run.class_names, top_k)
            yield Row(file.name, tuple(classes), reason)


def _decode(
    files: Sequence[ImageFile], data: DecodeOptions, channels: int
) -> tuple[list[np.ndarray], list[str]]:
    """Return the readable images, and for each file the reason why it cannot be read, or ''."""
    images, reasons = [], []
    for file in files:
        try:
            images.append(read_resized(file.read(), data.image_size, channels=channels, fit=data.resize))
            reasons.append("")
        except DataError as error:
            reasons.append(str(error))
    return images, reasons


def top_classes(probabilities: np.ndarray, class_names: Sequence[str], k: int) -> list[tuple[str, float]]:
    """Return the `k` most probable classes with their probabilities, best first."""
    order = np.argsort(-probabilities, kind="stable")[:k]
    return [(class_names[index], float(probabilities[index])) for index in order]


def line(row: Row) -> str:
    """Return a row as text. A name with control characters is escaped."""
    name = row.path if row.path.isprintable() else ascii(row.path)
    labels = [f"{escape_name(label)} {probability:.4f}" for label, probability in row.classes]
    return "\t".join([name, f"error: {row.error}"] if row.error else [name, *labels])


def require_readable(rows: Sequence[Row]) -> None:
    """Raise DataError if no image could be read; warn with the count if some could not."""
    count = sum(bool(row.error) for row in rows)
    if count == len(rows):
        raise DataError(
            f"none of the {count} files could be read as an image; the reasons are in their lines"
        )
    if count:
        logger.warning("%d of %d files could not be read; the reasons are in their lines", count, len(rows))


def write_predictions(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV (path, class1, probability1, ..., error) or JSON, by the suffix of `path`."""
    if path.suffix == ".json":
        plain = []
        for row in rows:
            classes = [{"name": name, "probability": value} for name, value in row.classes]
            plain.append({"path": row.path, "classes": classes, "error": row.error or None})
        write_text(path, json.dumps(plain, indent=1, ensure_ascii=False))
        return
    most = max(len(row.classes) for row in rows)
    table = []
    for row in rows:
        cells: dict[str, Any] = {"path": row.path}
        padded = [*row.classes, *[("", "")] * (most - len(row.classes))]
        for number, (name, value) in enumerate(padded, start=1):
            cells |= {f"class{number}": name, f"probability{number}": value}
        table.append({**cells, "error": row.error})
    write_csv(path, table)
