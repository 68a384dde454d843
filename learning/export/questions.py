"""Choose the images for the check of an export."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.dataset import DataSet
from datasets.errors import DataError
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.kept_listings import KeptListings
from datasets.images.decode import inspect_image, read_resized
from datasets.load import holds_own_form, labelled_set
from datasets.splits import Splits
from learning.errors import CheckpointError, UsageError
from learning.pictures.in_memory import png
from learning.runs import data as run_data
from learning.runs.directory import RunDirectory
from learning.terminal.image_files import image_files

MOST = 256  # images of one check; a sample of them if there are more
MOST_FOR_ACCURACY = 1000  # of a check that needs more of them
MOST_EXAMPLES = 200  # images that the ranges of a quantization are taken from


class Questions(NamedTuple):
    """Images with which an export is checked.

    :ivar images: uint8 (N, H, W, C), resized as the run's were.
    :ivar names: N names for messages. labels: int (N,), or None if they are not known.
    :ivar source: where the images are from, in words.
    :ivar read: returns the bytes of the file with a name, or raises DataError or KeyError.
    """

    images: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray | None
    source: str
    read: Callable[[str], bytes]

    def part(self, rows: slice) -> "Questions":
        """Return some of the images."""
        labels = None if self.labels is None else self.labels[rows]
        return self._replace(images=self.images[rows], names=self.names[rows], labels=labels)

    def files(self) -> tuple[np.ndarray, list[bytes], int]:
        """Return files to decode in a graph: rows (M,) of the images, M files, and how many are original ones.

        An image without a file that TensorFlow decodes alike becomes a PNG of its pixels.
        """
        rows = evenly(len(self.images), MOST)
        originals = [_original(self.read, self.names[row]) for row in rows]
        pairs = zip(rows, originals, strict=True)
        files = [png(self.images[row]) if file is None else file for row, file in pairs]
        return rows, files, sum(file is not None for file in originals)


def questions_for(
    run: RunDirectory, check_dir: str | None, *, with_examples: bool
) -> tuple[Questions, np.ndarray | None]:
    """Return the images of a check and, if asked, examples of what the network was trained on.

    :param check_dir: a folder or archive of images; None: what the run held out. A published run has no images with
        it: half of those in check_dir are its examples.
    :return: the questions, and examples uint8 (M, H, W, C).
    :raises UsageError: there are no images with the run.
    :raises CheckpointError: the run's images are not where they were.
    """
    check_images(run, check_dir)
    most = MOST_FOR_ACCURACY if with_examples else MOST
    is_published = bool(run.info.get("published"))
    if check_dir is None:
        with _other_images_advised():
            splits = run_data.open_data(run.config, run)
        return held_out_questions(run, splits, most), _examples(splits) if with_examples else None
    questions = folder_questions(run, check_dir, most)
    if not with_examples:
        return questions, None
    if not is_published:
        return questions, _examples(run_data.open_data(run.config, run))
    if len(questions.images) < 2:
        raise DataError(
            f"there is only one image in {check_dir}; give at least 2, half of which set the ranges"
        )
    return questions.part(slice(1, None, 2)), questions.images[::2][:MOST_EXAMPLES]


def check_images(run: RunDirectory, check_dir: str | None) -> None:
    """Raise what `questions_for` would raise if there is nothing at the path of the images; this is quick."""
    if check_dir is None and run.info.get("published"):
        raise UsageError(f"{run.path} has no images with it; give some to check the export with --check DIR")
    with _other_images_advised():
        run_data.check_images(run.config, run, check_dir)


@contextlib.contextmanager
def _other_images_advised() -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{error}; or check the export with other images: --check DIR") from error


def held_out_questions(run: RunDirectory, splits: Splits, most: int = MOST) -> Questions:
    """Return the images that a run held out, or a sample of them, which covers the whole set evenly."""
    dataset, split = run_data.held_out(splits)
    read = _reader(run.config.data_dir, run.config.data.cache_dir)
    return _of_dataset(dataset, f"{split} set", read, most)


def folder_questions(run: RunDirectory, folder: str, most: int = MOST) -> Questions:
    """Return the images in a folder or archive, or a sample of them, decoded and resized as the run's were.

    Files that cannot be read are left out. The official files of the run's own data set are read, too.

    :raises DataError: there are no readable images.
    """
    data = run.config.data
    if holds_own_form(data.name, folder):
        dataset = labelled_set(folder, run.class_names, data, name=data.name).dataset
        return _of_dataset(dataset, Path(folder).name, _reader(None), most)
    files = {file.name: file for file in image_files([folder])}
    names = [list(files)[row] for row in evenly(len(files), most)]
    images = {}
    for name in names:
        try:
            images[name] = read_resized(
                files[name].read(), data.image_size, channels=run.input_shape[-1], fit=data.resize
            )
        except DataError:
            continue
    if not images:
        raise DataError(f"none of the images in {folder} can be read; give others with --check")
    return Questions(
        np.stack(list(images.values())),
        tuple(images),
        None,
        Path(folder).name,
        lambda name: files[name].read(),
    )


def evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` of the rows 0 to count - 1 at equal distances, each once."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _of_dataset(dataset: DataSet, source: str, read: Callable[[str], bytes], most: int) -> Questions:
    rows = evenly(dataset.num_examples, most)
    names = tuple(dataset.file_names[row] if dataset.file_names else f"image {row}" for row in rows)
    return Questions(_rows_of(dataset, rows), names, dataset.classes[rows], source, read)


def _examples(splits: Splits) -> np.ndarray:
    return _rows_of(splits.train, evenly(splits.train.num_examples, MOST_EXAMPLES))


def _rows_of(dataset: DataSet, rows: np.ndarray) -> np.ndarray:
    """Return images as uint8, from uint8 in [0, 255] or float in [0, 1]."""
    images = np.asarray(dataset.images[rows])
    return images if images.dtype == np.uint8 else np.round(images * 255).astype(np.uint8)


def _reader(data_dir: str | None, cache_dir: str | None = None) -> Callable[[str], bytes]:
    """Return a function that reads a file of a run's images, or raises DataError if they are not files."""
    source = None if data_dir is None else open_source(data_dir, KeptListings(cache_dir))

    def read(name: str) -> bytes:
        if source is None:
            raise DataError("the images are not files")
        return source.read(name)

    return read


def _original(read: Callable[[str], bytes], name: str) -> bytes | None:
    """Return a file that TensorFlow decodes to the same pixels (8-bit JPEG or PNG without a profile), or None."""
    try:
        content = read(name)
        _, facts = inspect_image(content)
    except (DataError, KeyError):  # the last one: a zip archive's
        return None
    is_plain = facts.format in ("JPEG", "PNG") and not facts.is_deep and not facts.has_profile
    return content if is_plain else None
