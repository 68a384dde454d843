"""Images into arrays, images/s: decoding photographs, and cutting training batches.

    python -m benchmarks.speed.input [--rounds 5] [--seconds 5] [--output FILE]

decode: JPEG files of 500x375 pixels, made from a seed, become 256x256 pixels.
- project: builds a cache entry, on disk and complete, with nothing to start from;
- tf.data: read, decode and resize in parallel, as TensorFlow's guide has it: a pixel is made of the four nearest;
- tf.data smooth: the same with `antialias`: all pixels count, as they do for Pillow, which the others use;
- torch: Pillow's open, convert and resize in a `DataLoader` of as many worker processes as others have threads;
- post: scikit-image, one file after the other; it gets a part of them, since it takes so much longer.

next_batch: 256 random windows of 227 pixels, half of them mirrored, out of images of 256, on one core.
- project: `DataSet.next_batch`;
- tf.data: `random_crop` and `random_flip_left_right` of each image, batched;
- torch: the same as slices of a tensor in a `DataLoader` without workers;
- post: a loop in numpy over float32 images, which are four times as large as the bytes of the others.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    POST,
    conditions,
    keep,
    measure_as_asked,
    measurement_parser,
    parse_measurement,
    print_post,
    summary_beside_post,
)
from benchmarks.harness.figures import print_table
from benchmarks.harness.made import HEIGHT, WIDTH, class_numbers, noise, write_photos
from benchmarks.harness.sides import PROJECT, Contestant, Step
from benchmarks.peers import post_way
from benchmarks.peers.windows import Windows
from benchmarks.speed.input_files import decoders
from datasets.dataset import DataSet
from learning.terminal.command import run_script


class Sizes(NamedTuple):
    """How much is measured.

    :param one_core: whether batches are cut on one core, whatever the process has.
    """

    num_photos: int
    num_images: int
    image_size: int
    crop_size: int
    batch_size: int
    one_core: bool


FULL = Sizes(200, num_images=512, image_size=256, crop_size=227, batch_size=256, one_core=True)
QUICK = Sizes(4, num_images=16, image_size=32, crop_size=24, batch_size=8, one_core=False)


def _keep_to_core(sizes: Sizes) -> None:
    """Keeps this process, and the threads that it starts from now on, on one core, where the system can."""
    if sizes.one_core and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _images_and_labels(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    images = noise(sizes.num_images, sizes.image_size, seed=0)
    return images, class_numbers(len(images), 2)


def project_batches(sizes: Sizes) -> Step:
    """A training batch of the project."""
    _keep_to_core(sizes)
    images, numbers = _images_and_labels(sizes)
    dataset = DataSet(images, np.eye(2, dtype=np.uint8)[numbers], crop_size=sizes.crop_size)
    return lambda: len(dataset.next_batch(sizes.batch_size)[0])


def tensorflow_batches(sizes: Sizes) -> Step:
    """A training batch of tf.data."""
    _keep_to_core(sizes)
    tf = libraries.tensorflow(int(sizes.one_core))

    def cut(image: Any, label: Any) -> tuple[Any, Any]:
        image = tf.image.random_crop(image, [sizes.crop_size, sizes.crop_size, 3])
        return tf.image.random_flip_left_right(image), label

    whole = tf.data.Dataset.from_tensor_slices(_images_and_labels(sizes)).shuffle(sizes.num_images).repeat()
    # Neither in parallel nor ahead: on one core that gains nothing, and would go on while the others are measured.
    batches = whole.map(cut).batch(sizes.batch_size).as_numpy_iterator()
    return lambda: len(next(batches)[0])


def torch_batches(sizes: Sizes) -> Step:
    """A training batch of a `DataLoader`."""
    _keep_to_core(sizes)
    torch = libraries.torch(int(sizes.one_core))
    images, numbers = _images_and_labels(sizes)
    dataset = Windows(images, numbers, sizes.crop_size)
    sampler = torch.utils.data.RandomSampler(dataset, num_samples=10**9, replacement=True)
    batches = iter(torch.utils.data.DataLoader(dataset, batch_size=sizes.batch_size, sampler=sampler))
    return lambda: len(next(batches)[0].permute(0, 3, 1, 2))  # channels_last, (B, C, h, w)


def post_batches(sizes: Sizes) -> Step:
    """A training batch of the post."""
    _keep_to_core(sizes)
    images, _ = _images_and_labels(sizes)
    floats, rng = post_way.as_floats(images), np.random.default_rng(0)

    def step() -> int:
        rows = rng.choice(len(floats), sizes.batch_size, replace=False)
        return len(post_way.random_crop_reflect(floats[rows], sizes.crop_size, rng))

    return step


def cutters(sizes: Sizes) -> dict[str, Contestant]:
    """Who cuts batches."""
    return {
        PROJECT: Contestant(project_batches, (sizes,)),
        "tf.data": Contestant(tensorflow_batches, (sizes,)),
        "torch": Contestant(torch_batches, (sizes,)),
        POST: Contestant(post_batches, (sizes,)),
    }


def measure_part(
    title: str, contestants: dict[str, Contestant], arguments: argparse.Namespace
) -> dict[str, Any]:
    """The figures of one of the two, printed, and ready for JSON."""
    print(title, flush=True)
    rates, failures = measure_as_asked(contestants, arguments, warm_steps=1)
    found = summary_beside_post(rates, failures)
    print_table(title, found)
    print_post(found)
    return found


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse_measurement(measurement_parser("input", str(__doc__), rounds=5, seconds=5.0))
    sizes = QUICK if arguments.quick else FULL
    side, crop_size = sizes.image_size, sizes.crop_size
    figures = {**conditions(arguments), "sizes": sizes._asdict()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photos(folder, sizes.num_photos, seed=0)
        title = f"JPEG {WIDTH}x{HEIGHT} to {side}x{side}"
        found = measure_part(title, decoders(folder, side, arguments.threads), arguments)
    figures["decode"] = found
    keep(arguments, figures)
    title = f"batches of {sizes.batch_size}, {crop_size} of {side}, one core"
    figures["next_batch"] = measure_part(title, cutters(sizes), arguments)
    keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
