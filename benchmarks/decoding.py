"""Decoding photographs to 256x256: the original post's loader against the cache of this project.

    python -m benchmarks.decoding [--images 200] [--rounds 5] [--json FILE]

Both sides read the same JPEG files of 500x375 pixels, made from a seed in a temporary directory. The post's
loader (scikit-image read and resize to float32, one file after another) gets a part of them, since it takes
so much longer; the rounds alternate between the two, so that both meet the same state of the machine.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.io import imread
from skimage.transform import resize

from datasets.cache import DecodeOptions, load_images
from datasets.images import resize_image
from datasets.sources import open_source

HEIGHT, WIDTH, SIZE = 375, 500, 256
POST_SHARE = 8  # the post's loader gets one image of so many


def make_photo(rng):
    """Something as smooth and as noisy as a photograph: (375, 500, 3) uint8."""
    photo = np.zeros((HEIGHT, WIDTH, 3))
    for cells, weight in ((4, 0.5), (16, 0.25), (64, 0.15)):
        coarse = rng.integers(0, 256, (cells * 3 // 4, cells, 3), dtype=np.uint8)
        photo += weight * resize_image(coarse, HEIGHT, WIDTH)
    return np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


def write_photos(folder, num_images, seed):
    """Writes JPEG files of the usual quality."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    for i in range(num_images):
        Image.fromarray(make_photo(rng)).save(folder / f"{i:05d}.jpg", quality=90)


def post_loader(paths):
    """The way of the post: read, resize and convert each image in turn."""
    images = np.empty((len(paths), SIZE, SIZE, 3), dtype=np.float32)
    for i, path in enumerate(paths):
        images[i] = resize(imread(path), (SIZE, SIZE), mode="constant").astype(np.float32)
    return images


def project_loader(folder):
    """Builds a cache entry, on disk and complete, with nothing to start from."""
    source = open_source(folder)
    names = [file.name for file in source.files()]
    with tempfile.TemporaryDirectory() as cache_dir:
        return len(load_images(source, names, DecodeOptions(size=SIZE, cache_dir=cache_dir)).names)


def images_per_second(load, num_images):
    """The rate of one call."""
    start = time.perf_counter()
    load()
    return num_images / (time.perf_counter() - start)


def measure(num_images, rounds, seed):
    """Rates in images/s of each round: {"post": [...], "project": [...]}."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photos(folder, num_images, seed)
        some = sorted(folder.iterdir())[:: min(POST_SHARE, num_images)]
        post_loader(some[:2])  # the first call imports and allocates
        rates = {"post": [], "project": []}
        for _ in range(rounds):
            rates["post"].append(images_per_second(lambda: post_loader(some), len(some)))
            rates["project"].append(images_per_second(lambda: project_loader(folder), num_images))
    return rates


def processor():
    """The processor's name, and how many of them this process may use."""
    names = [platform.processor() or platform.machine()]
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or names
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return names[0], cores


def summary(rates):
    """Median, smallest and largest rate of each loader, and of the ratio of each round."""
    ratios = [b / a for a, b in zip(rates["post"], rates["project"], strict=True)]
    return {
        name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for name, values in (*rates.items(), ("ratio", ratios))
    }


def print_table(result, name, cores):
    """The result for people."""
    table = Table(title=f"JPEG {WIDTH}x{HEIGHT} to {SIZE}x{SIZE} on {name}, {cores} cores")
    for column in ("", "median", "smallest", "largest"):
        table.add_column(column, justify="right" if column else "left")
    labels = {"post": "post's loader, images/s", "project": "cache building, images/s", "ratio": "ratio"}
    for key, label in labels.items():
        table.add_row(label, *(f"{result[key][which]:.1f}" for which in ("median", "min", "max")))
    Console().print(table)


def main():
    """Measures, prints, and writes the figures to a file if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="number of files (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each loader (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the images (default: 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    arguments = parser.parse_args()
    rates = measure(arguments.images, arguments.rounds, arguments.seed)
    name, cores = processor()
    result = summary(rates)
    print_table(result, name, cores)
    if arguments.json:
        figures = {"processor": name, "cores": cores, **vars(arguments), "rates": rates, "summary": result}
        arguments.json.write_text(json.dumps(figures, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
