"""Choose the images that an export is checked with, without TensorFlow."""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from datasets.errors import DataError
from datasets.image_files.folder_or_zip import open_source
from datasets.images.decode import inspect_image, read_resized
from learning.inference.prediction import image_files
from learning.runs import data as run_data
from learning.runs.directory import RunDirectory

MOST = 1000  # images of one check; a sample of them if there are more
MOST_FILES = 256


class Questions(NamedTuple):
    """Images that an export is asked for.

    :ivar images: uint8 (N, H, W, C), resized as the run's were.
    :ivar names: N names for messages. labels: int (N,), or None if they are not known.
    :ivar source: where the images are from, in words.
    :ivar read: returns the bytes of the file with a name, or raises DataError.
    """

    images: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray | None
    source: str
    read: Callable[[str], bytes]

    def files(self) -> tuple[np.ndarray, list[bytes], int]:
        """Return files to decode in a graph: rows (M,) of the images, M files, and how many are original ones.

        An image without a file that is decoded alike becomes a PNG of its pixels.
        """
        rows = evenly(len(self.images), MOST_FILES)
        originals = [_original(self.read, self.names[row]) for row in rows]
        files = [
            png(self.images[row]) if file is None else file for row, file in zip(rows, originals, strict=True)
        ]
        return rows, files, sum(file is not None for file in originals)


def held_out_questions(run: RunDirectory) -> Questions:
    """Return the images that a run held out, or a sample of them, which covers the whole set evenly.

    :raises CheckpointError: the run's images are not where they were.
    """
    dataset, split = run_data.held_out(run_data.open_data(run.config, run))
    rows = evenly(dataset.num_examples, MOST)
    names = tuple(dataset.file_names[row] if dataset.file_names else f"image {row}" for row in rows)
    labels = dataset.labels[rows].argmax(axis=1)
    images = _as_bytes(np.asarray(dataset.images[rows]))
    return Questions(images, names, labels, f"{split} set", _reader(run.config.data_dir))


def folder_questions(run: RunDirectory, folder: str) -> Questions:
    """Return the images in a folder or archive, or a sample of them, decoded and resized as the run's were.

    Files that cannot be read are left out.

    :raises DataError: there are no readable images.
    """
    files = image_files([folder])
    data, images, kept = run.config.data, [], {}
    for row in evenly(len(files), MOST):
        try:
            content = files[row].read()
            images.append(
                read_resized(content, data.image_size, channels=run.input_shape[-1], fit=data.resize)
            )
            kept[files[row].name] = files[row].read
        except DataError:
            continue
    if not images:
        raise DataError(f"none of the images in {folder} can be read; give others with --check")
    return Questions(np.stack(images), tuple(kept), None, folder, lambda name: kept[name]())


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the rows 0 to count - 1 at equal distances, each once."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def png(image: np.ndarray) -> bytes:
    """Return an image, uint8 (H, W, C), as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def _as_bytes(images: np.ndarray) -> np.ndarray:
    """Return images as uint8, from uint8 in [0, 255] or float in [0, 1]."""
    return images if images.dtype == np.uint8 else np.round(images * 255).astype(np.uint8)


def _reader(data_dir: str | None) -> Callable[[str], bytes]:
    """Return a function that reads a file of a run's images, or raises DataError if they are not files."""
    source = None if data_dir is None else open_source(data_dir)

    def read(name: str) -> bytes:
        if source is None:
            raise DataError("the images are not files")
        return source.read(name)

    return read


def _original(read: Callable[[str], bytes], name: str) -> bytes | None:
    """Return a file that TensorFlow decodes alike, a JPEG or PNG of 8 bits without a colour profile, or None."""
    try:
        content = read(name)
        _, facts = inspect_image(content)
    except (DataError, KeyError):  # the last one: a zip archive's
        return None
    is_plain = facts.format in ("JPEG", "PNG") and not facts.is_deep and not facts.has_profile
    return content if is_plain else None
