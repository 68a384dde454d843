"""Small files in the official formats of CIFAR-10 and MNIST."""

import dataclasses
import gzip
import struct
import tarfile

import numpy as np
from PIL import Image

from datasets.catalogue import DATASETS

TRAIN_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
BATCHES = [*TRAIN_BATCHES, "test_batch"]


def change_entry(monkeypatch, name, **fields):
    """Change fields of a data set's entry in the catalogue."""
    monkeypatch.setitem(DATASETS, name, dataclasses.replace(DATASETS[name], **fields))


def python2_pickle(value):
    """Pickle with protocol 2 as Python 2 and its NumPy did: every string is a byte string."""
    return b"\x80\x02" + _written(value) + b"."


def _written(value):
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, str | bytes):
        text = value if isinstance(value, bytes) else value.encode()
        return b"T" + struct.pack("<i", len(text)) + text
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_written, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(_written(item) for pair in value.items() for item in pair) + b"u"
    dtype = (
        b"cnumpy\ndtype\n"
        + _written((value.dtype.str[1:], 0, 1))
        + b"R"
        + _written((3, value.dtype.str[0], None, None, None, -1, -1, 0))
        + b"b"
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _written((0,)) + _written("b") + b"tR"
    )
    state = _written(1) + _written(value.shape) + dtype + _written(False) + _written(value.tobytes())
    return array + b"(" + state + b"tb"


def cifar_parts(num_images=20):
    """For each batch (pixels (N, 3072) uint8, channel after channel, labels): each class equally often."""
    rng = np.random.default_rng(0)
    return {
        name: (
            rng.integers(0, 256, (num_images, 3072), dtype=np.uint8),
            [int(v) for v in rng.permutation(np.arange(num_images) % 10)],
        )
        for name in BATCHES
    }


def write_python_batches(folder, parts):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in parts.items():
        batch = {"batch_label": name, "labels": labels, "data": pixels, "filenames": ["a.png"] * len(labels)}
        (folder / name).write_bytes(python2_pickle(batch))
    (folder / "batches.meta").write_bytes(python2_pickle({"num_vis": 3072}))
    return folder


def write_binary_batches(folder, parts):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in parts.items():
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("airplane\n")
    return folder


def pack(folder, archive, mode="w:gz"):
    with tarfile.open(archive, mode) as packed:
        packed.add(folder, folder.name)
    return archive


def idx(array):
    """An IDX file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_parts(num_train=60, num_test=20):
    """{"train": (images (N, 28, 28) uint8, labels (N,) uint8), "t10k": ...}: each class equally often."""
    rng = np.random.default_rng(0)
    return {
        part: (
            rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            rng.permutation(np.arange(count) % 10).astype(np.uint8),
        )
        for part, count in (("train", num_train), ("t10k", num_test))
    }


def write_mnist(folder, parts, *, packed=True, dotted=False):
    folder.mkdir(parents=True, exist_ok=True)
    for part, (images, labels) in parts.items():
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            name = f"{part}-{kind.replace('-idx', '.idx') if dotted else kind}"
            content = idx(array)
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def write_dark_and_bright(folder, count):
    """Write pictures of 40x48 pixels by class, dark cats and bright dogs; return the folder of both."""
    rng = np.random.default_rng(0)
    for name, brightness in (("cat", 0), ("dog", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(brightness, brightness + 50, (48, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    return folder / "photos"
