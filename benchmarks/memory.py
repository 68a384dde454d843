"""Memory of training from decoded images: 25,000 images of 256x256 against 256 of them.

    python -m benchmarks.memory [--images 25000] [--folder DIR] [--peers] [--json FILE]

Two labelled folders of JPEG files are made, a few hundred pictures under many names, and decoded into the
cache. Then a fresh process for each folder loads it from that cache, builds a small network and trains one
epoch with validation, while a thread reads the anonymous memory of the process (RssAnon, Linux) every 20 ms:
what the process has for itself, without the pages of mapped files, which the system takes back when it needs
them. What the set of images costs is the difference of the two peaks; its goal is below 300 MB.

With --peers instead: the memory of training AlexNet on such a set, beside PyTorch and Keras (see memory_peers.py).
"""

import argparse
import json
import platform
import shutil
import tempfile
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks import memory_peers
from benchmarks.figures import processor
from benchmarks.watch import PeakMemory, anonymous_bytes, in_fresh_process, require_linux
from datasets.errors import StorageError
from datasets.folder import load_folder
from datasets.images import resize_image
from learning.scripts import run_script

IMAGE_SIZE, CROP_SIZE, BATCH_SIZE, WIDTH = 256, 64, 128, 8
FEW = 256  # images of the set that the other is compared with
DISTINCT = 200  # pictures; further files are further names of these
CLASSES = ("cat", "dog")
GOAL = 300e6  # bytes


def bytes_needed(num_images: int) -> int:
    """Room for both caches, the pictures and a checkpoint: the pixels, and a twentieth more."""
    return int((num_images + FEW) * IMAGE_SIZE**2 * 3 * 1.05) + 200 * 2**20


def check_room(folder: Path, num_bytes: int) -> None:
    """Refuses to start what could not end."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise StorageError(
            f"the images take {num_bytes / 1e9:.1f} GB, but '{folder}' has {free / 1e9:.1f} GB free; "
            "choose another place with --folder, or fewer --images"
        )


def write_tree(root: Path, num_images: int, seed: int) -> None:
    """Makes ROOT/CLASS/*.jpg: DISTINCT pictures of IMAGE_SIZE pixels, the other files are hard links to them."""
    rng = np.random.default_rng(seed)
    for i in range(num_images):
        path = root / CLASSES[i % len(CLASSES)] / f"{i:06d}.jpg"
        if i < DISTINCT:
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(resize_image(coarse, IMAGE_SIZE, IMAGE_SIZE)).save(path, quality=90)
        else:
            first = i % DISTINCT
            path.hardlink_to(root / CLASSES[first % len(CLASSES)] / f"{first:06d}.jpg")


def prepare(folder: Path, num_images: int, seed: int) -> float:
    """Makes the set of so many images, if it is not there, and decodes it: seconds of `load_folder`."""
    root = folder / str(num_images)
    if not root.exists():
        partial = folder / f"{num_images}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_tree(partial, num_images, seed)
        partial.rename(root)
    start = time.perf_counter()
    load_folder(root, image_size=IMAGE_SIZE, crop_size=CROP_SIZE, seed=seed, cache_dir=folder / "cache")
    return time.perf_counter() - start


def train_epoch(folder: Path, num_images: int, seed: int) -> dict[str, Any]:
    """Loads one of the sets, builds a network and trains an epoch, as train.py does; to be run on its own."""
    from learning.config import DataConfig, ModelConfig, OptimizerConfig, RunConfig, TrainConfig

    config = RunConfig(
        data_dir=str(folder / str(num_images)),
        data=DataConfig(
            name="folder", image_size=IMAGE_SIZE, crop_size=CROP_SIZE, cache_dir=str(folder / "cache")
        ),
        model=ModelConfig(name="smallnet", options={"width": WIDTH}),
        optimizer=OptimizerConfig(name="momentum"),
        train=TrainConfig(batch_size=BATCH_SIZE, num_epochs=1, seed=seed),
    )
    with PeakMemory() as memory, tempfile.TemporaryDirectory(dir=folder) as run:
        from learning import experiment

        before = anonymous_bytes()
        start = time.perf_counter()
        splits = experiment.open_data(config)
        loading_seconds = time.perf_counter() - start
        loaded = anonymous_bytes()
        optimizer = experiment.build_training(config, splits)
        with experiment.open_session(optimizer.model) as sess:
            optimizer.train(sess, run, verbose=False)
        epoch_seconds = time.perf_counter() - start - loading_seconds
    return {
        "num_images": num_images,
        "set_bytes": num_images * IMAGE_SIZE**2 * 3,
        "peak_bytes": memory.peak,
        "loading_bytes": loaded - before,
        "loading_seconds": loading_seconds,
        "epoch_seconds": epoch_seconds,
    }


def measure(folder: Path, num_images: int, seed: int) -> dict[str, Any]:
    """Both sets decoded and trained on: {"few": ..., "many": ..., "difference_bytes": ..., ...}."""
    if not (folder / str(num_images)).exists():
        check_room(folder, bytes_needed(num_images))
    prepare(folder, FEW, seed)
    decoding_seconds = prepare(folder, num_images, seed)
    few, many = (in_fresh_process(train_epoch, folder, count, seed) for count in (FEW, num_images))
    return {
        "few": few,
        "many": many,
        "difference_bytes": many["peak_bytes"] - few["peak_bytes"],
        "goal_bytes": GOAL,
        "decoding_seconds": decoding_seconds,
        "processor": processor(),
        "versions": {name: version(name) for name in ("tensorflow", "numpy", "pillow")}
        | {"python": platform.python_version()},
    }


def print_table(result: dict[str, Any]) -> None:
    """The result for people."""
    name, cores = result["processor"]
    table = Table(title=f"RssAnon in one epoch on images of {IMAGE_SIZE}x{IMAGE_SIZE}, {name}, {cores} cores")
    for column in ("images", "set, bytes", "peak, MB", "loading, MB", "loading, s", "epoch, s"):
        table.add_column(column, justify="right")
    for row in (result["few"], result["many"]):
        table.add_row(
            f"{row['num_images']:,}",
            f"{row['set_bytes']:,}",
            f"{row['peak_bytes'] / 1e6:.1f}",
            f"{row['loading_bytes'] / 1e6:.1f}",
            f"{row['loading_seconds']:.2f}",
            f"{row['epoch_seconds']:.1f}",
        )
    met = "met" if result["difference_bytes"] < GOAL else "missed"
    versions = ", ".join(f"{package} {number}" for package, number in result["versions"].items())
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"difference: {result['difference_bytes'] / 1e6:.1f} MB (goal: below {GOAL / 1e6:.0f}, {met})"
    )
    console.print(versions)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--images", type=int, default=25000, help="of the larger set (default: 25000)")
    parser.add_argument(
        "--folder", type=Path, help="made if need be, kept, and used again (default: temporary)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of images and training (default: 0)")
    parser.add_argument("--peers", action="store_true", help="AlexNet beside PyTorch and Keras instead")
    parser.add_argument("--quick", action="store_true", help="with --peers: toy sizes, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    arguments = parser.parse_args()
    if arguments.images <= FEW:
        parser.error(f"--images is {arguments.images}; give more than the {FEW} that it is compared with")
    if arguments.quick and not arguments.peers:
        parser.error("--quick is for --peers; give fewer --images")
    return arguments


def main() -> None:
    """Measures, prints, and writes the figures to a file if asked to."""
    arguments = parse()
    require_linux()
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    place = nullcontext(arguments.folder) if arguments.folder else tempfile.TemporaryDirectory()
    with place as name:
        folder = Path(name).resolve()
        if arguments.peers:
            result = memory_peers.compare(folder, arguments.images, is_quick=arguments.quick)
        else:
            result = measure(folder, arguments.images, arguments.seed)
            print_table(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
