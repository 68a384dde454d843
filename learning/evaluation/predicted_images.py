"""The predictions of a test for each image, and their table."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.atomic import fsync_path, replacing

MOST_COLUMNS = 50  # classes; with more, only the best of each image are written
NUM_BEST = 5


class PredictedImages(NamedTuple):
    """The N images of a test, with their predictions."""

    files: Sequence[str]  # names, or numbers from 0 for images without names
    truth: np.ndarray  # (N,) classes
    probabilities: np.ndarray  # (N, K)
    class_names: Sequence[str]  # K

    @classmethod
    def of(cls, dataset: DataSet, truth: np.ndarray, probabilities: np.ndarray) -> "PredictedImages":
        """Return the images of `dataset` with their predictions."""
        files = dataset.file_names or [str(number) for number in range(dataset.num_examples)]
        class_names = dataset.class_names or [str(number) for number in range(probabilities.shape[1])]
        return cls(files, truth, probabilities, class_names)

    @property
    def predicted(self) -> np.ndarray:
        """Return the most probable class of each image: (N,)."""
        return self.probabilities.argmax(axis=1)


def write_table(images: PredictedImages, path: Path) -> None:
    """Write CSV with a row for each image: file, true, predicted, probability, and those of the classes.

    Up to 50 classes have a column each, P(NAME), in the order of the classes. With more, the five best follow:
    class1, probability1, and so on.
    """
    names = images.class_names
    with replacing(path) as temporary:
        # File names need not be valid UTF-8.
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file", "true", "predicted", "probability", *_columns(names)])
            rows = zip(images.files, images.truth, images.predicted, images.probabilities, strict=True)
            for name, label, best, row in rows:
                cells = [name, names[label], names[best], _text(row[best])]
                writer.writerow([*cells, *_probabilities(row, names)])
        fsync_path(temporary)


def _columns(class_names: Sequence[str]) -> list[str]:
    if len(class_names) <= MOST_COLUMNS:
        return [f"P({name})" for name in class_names]
    return [f"{what}{number}" for number in range(1, NUM_BEST + 1) for what in ("class", "probability")]


def _probabilities(row: np.ndarray, class_names: Sequence[str]) -> Iterator[str]:
    if len(class_names) <= MOST_COLUMNS:
        yield from map(_text, row)
        return
    for index in np.argsort(-row, kind="stable")[:NUM_BEST]:
        yield class_names[index]
        yield _text(row[index])


def _text(probability: float) -> str:
    return f"{probability:.6g}"
