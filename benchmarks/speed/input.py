"""How fast are training batches cut, compared with tf.data and PyTorch?

On one core, a batch of 256 random windows of 227 pixels, half of them mirrored, is cut out of images of 256 pixels.

- project: `DataSet.next_batch`;
- tf.data: `random_crop` and `random_flip_left_right` of each image, batched;
- torch: slices of a tensor in a `DataLoader` without workers.
"""

import argparse
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import libraries
from benchmarks.harness.benchmark import Benchmark, measure_as_asked
from benchmarks.harness.comparison import POST, to_library
from benchmarks.harness.made_images import as_splits, class_numbers, noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures, rate, summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from benchmarks.peers.windows import Windows

GOALS = {  # an earlier version of this benchmark also measured decoding
    "decode": ("decoding JPEGs", "1.2; 10 to the post's code"),
    "next_batch": ("`next_batch`, one core", "15,000 images/s"),
}


class Sizes(NamedTuple):
    """The size of the images and of a batch.

    :param one_core: whether the process runs on a single core.
    """

    num_images: int
    image_size: int
    crop_size: int
    batch_size: int
    one_core: bool


FULL = Sizes(512, image_size=256, crop_size=227, batch_size=256, one_core=True)
QUICK = Sizes(16, image_size=32, crop_size=24, batch_size=8, one_core=False)


def _images(sizes: Sizes) -> np.ndarray:
    """Return the images, after restricting this process and its future threads to one core if `one_core`."""
    if sizes.one_core and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return noise(sizes.num_images, sizes.image_size)


def project_batches(sizes: Sizes) -> Step:
    """Return a step that cuts a training batch with the project."""
    dataset = as_splits(_images(sizes), 2, sizes.crop_size).train
    return lambda: len(dataset.next_batch(sizes.batch_size)[0])


def tensorflow_batches(sizes: Sizes) -> Step:
    """Return a step that cuts a training batch with tf.data."""
    images = _images(sizes)
    tf = libraries.tensorflow(int(sizes.one_core))

    def cut(image: Any, label: Any) -> tuple[Any, Any]:
        image = tf.image.random_crop(image, [sizes.crop_size, sizes.crop_size, 3])
        return tf.image.random_flip_left_right(image), label

    whole = tf.data.Dataset.from_tensor_slices((images, class_numbers(len(images), 2)))
    # Neither in parallel nor ahead: that gains nothing on one core, and would disturb the turns of the others.
    batches = whole.shuffle(len(images)).repeat().map(cut).batch(sizes.batch_size).as_numpy_iterator()
    return lambda: len(next(batches)[0])


def torch_batches(sizes: Sizes) -> Step:
    """Return a step that cuts a training batch with a `DataLoader`."""
    images = _images(sizes)
    torch = libraries.torch(int(sizes.one_core))
    dataset = Windows(images, class_numbers(len(images), 2), sizes.crop_size)
    sampler = torch.utils.data.RandomSampler(dataset, num_samples=10**9, replacement=True)
    batches = iter(torch.utils.data.DataLoader(dataset, batch_size=sizes.batch_size, sampler=sampler))
    return lambda: len(next(batches)[0].permute(0, 3, 1, 2))  # channels_last, (B, C, h, w)


BUILDS = {PROJECT: project_batches, "tf.data": tensorflow_batches, "torch": torch_batches}


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure all contestants in turns."""
    sizes = QUICK if arguments.quick else FULL
    contestants = {name: Contestant(build, (sizes,)) for name, build in BUILDS.items()}
    rates, failures = measure_as_asked(contestants, arguments, warm_steps=1)
    yield {"sizes": sizes._asdict(), "next_batch": summary(rates, failures)}


def table(figures: Figures) -> str:
    """Return images/s of cutting batches; for older files, also of decoding and of the post's code."""
    rows = []
    for key, (what, goal) in GOALS.items():
        if key in figures:
            others = [to_library(figures[key], library) for library in ("tf.data", "torch", POST)]
            rows.append([what, rate(figures[key]["images_per_second"][PROJECT]), *others, goal])
    header = ["task", "images/s", "to tf.data", "to PyTorch's loader", "to the post's code", "goal"]
    return markdown(header, rows)


main = Benchmark("input", __doc__, steps, table, rounds=5, seconds=5.0)
