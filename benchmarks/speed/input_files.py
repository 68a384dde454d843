"""The ways of decoding photographs that benchmarks/speed/input.py measures: files into bytes of one size."""

import multiprocessing
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import libraries
from benchmarks.harness.commands import POST
from benchmarks.harness.sides import PROJECT, Contestant, Step
from benchmarks.peers import post_way
from datasets.cache.store import load_images
from datasets.image_files.folder_or_zip import open_source
from datasets.options.loading import DecodeOptions

POST_SHARE = 8  # the post's loader gets one file of so many
FILES_PER_BATCH = 32


def project_decoding(folder: Path, size: int, threads: int) -> Step:
    """A new cache entry of all files."""
    source = open_source(folder)
    names = [file.name for file in source.files()]

    def step() -> int:
        with tempfile.TemporaryDirectory() as cache_dir:
            options = DecodeOptions(image_size=size, cache_dir=cache_dir)
            return len(load_images(source, names, options, workers=threads or None).names)

    return step


def tensorflow_decoding(folder: Path, size: int, threads: int, antialias: bool) -> Step:
    """All files through a pipeline of tf.data.

    :param antialias: whether all pixels of the photograph count, as in Pillow, or the nearest four of each.
    """
    tf = libraries.tensorflow(threads)

    def decode(path: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.resize(image, [size, size], antialias=antialias)
        return tf.cast(tf.round(image), tf.uint8)

    files = tf.data.Dataset.from_tensor_slices([str(path) for path in _paths(folder)])
    batches = files.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(FILES_PER_BATCH)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    return lambda: sum(len(batch) for batch in batches.as_numpy_iterator())


class Photos:
    """Files as a data set that torch's loader takes: item i is (size, size, 3) uint8."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            return np.array(image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR))


def torch_decoding(folder: Path, size: int, workers: int) -> Step:
    """All files through the worker processes of a `DataLoader`, which live on from step to step."""
    torch = libraries.torch(0)
    if workers:
        multiprocessing.current_process().daemon = False  # a daemon may not have processes of its own
    loader = torch.utils.data.DataLoader(
        Photos(_paths(folder), size),
        batch_size=FILES_PER_BATCH,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return lambda: sum(len(batch) for batch in loader)


def post_decoding(folder: Path, size: int) -> Step:
    """Some of the files, one after the other."""
    paths = _paths(folder)
    some = paths[:: min(POST_SHARE, len(paths))]
    return lambda: len(post_way.load(some, size))


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def decoders(folder: Path, size: int, threads: int) -> dict[str, Contestant]:
    """Who decodes the files in `folder`.

    :param size: side of the decoded squares, pixels.
    :param threads: of each, and worker processes of torch's loader; 0 leaves the number to it, and torch has none.
    """
    return {
        PROJECT: Contestant(project_decoding, (folder, size, threads)),
        "tf.data": Contestant(tensorflow_decoding, (folder, size, threads, False)),
        "tf.data smooth": Contestant(tensorflow_decoding, (folder, size, threads, True)),
        "torch": Contestant(torch_decoding, (folder, size, threads)),
        POST: Contestant(post_decoding, (folder, size)),
    }
