"""How long do many images take to load, and how much memory, by form, store and number?

Tiny pictures in files or in tar archives are loaded with `store: cache` and `store: files`, once to list them and
once more in a fresh process, as every later run does, and in the workers of one start at the same time. What a
photograph takes to decode is in `input`.
"""

import argparse
import contextlib
import os
import signal
import sys
import tarfile
import tempfile
import time
import unittest.mock
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness.benchmark import Benchmark, count
from benchmarks.harness.markdown import markdown
from benchmarks.harness.peak_memory import PeakMemory, call_fresh, call_together, family_bytes
from benchmarks.harness.results import Figures
from datasets.folder import load_folder
from datasets.image_files.kept_listings import LAUNCH
from learning.terminal.command import ScriptParser

SIDE, CROP, BATCH = 8, 8, 128  # pixels of the pictures, which are not resized; images
HEADER = b"P6 %d %d 255\n" % (SIDE, SIDE)
CLASSES, OF_ARCHIVE = 1000, 10_000  # of the set; pictures in an archive
FORMS, STORES = ("files", "archives"), ("cache", "files")
SECONDS = 5.0  # of cutting batches
WORKERS = 8


def picture(number: int) -> bytes:
    """Return a picture with pixels of its own, as PPM."""
    return HEADER + number.to_bytes(3 * SIDE**2, "little")


def write(folder: Path, form: str, num_images: int) -> None:
    """Write the pictures, the classes in turn."""
    if form == "files":
        for label in range(CLASSES):
            (folder / f"{label:04}").mkdir(parents=True)
            for number in range(label, num_images, CLASSES):
                # pathlib takes as long as the system does
                with open(f"{folder}/{label:04}/{number:08}.ppm", "wb", buffering=0) as file:
                    file.write(picture(number))
        return
    folder.mkdir()
    for start in range(0, num_images, OF_ARCHIVE):
        with open(folder / f"{start:08}.tar", "wb") as archive:
            for number in range(start, min(start + OF_ARCHIVE, num_images)):
                member, content = tarfile.TarInfo(f"{number % CLASSES:04}/{number:08}.ppm"), picture(number)
                member.size = len(content)
                block = content.ljust(tarfile.BLOCKSIZE, b"\0")  # which the picture fits into
                archive.write(member.tobuf() + block)
            archive.write(bytes(2 * tarfile.BLOCKSIZE))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is deleted at the end, even if the process is asked to terminate."""
    usual = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory() as place:
            yield Path(place)
    finally:
        signal.signal(signal.SIGTERM, usual)


def work(folder: Path, store: str, cache: Path, seconds: float) -> dict[str, Any]:
    """Load the set and cut batches; to be called in a fresh process."""
    before = family_bytes()
    with PeakMemory() as memory:
        start = time.perf_counter()
        options: dict[str, Any] = {
            "image_size": SIDE,
            "crop_size": CROP,
            "val_fraction": 0,
            "test_fraction": 0,
        }
        train = load_folder(folder, store=store, cache_dir=cache, **options).train
        train.next_batch(BATCH)
        first, images = time.perf_counter() - start, 0
        start = time.perf_counter()
        while not images or time.perf_counter() - start < seconds:
            images += len(train.next_batch(BATCH)[0])
        per_second = images / (time.perf_counter() - start)
    return {
        "first_batch_seconds": first,
        "images_per_second": per_second,
        "peak_bytes": memory.peak,
        "bytes_per_image": (memory.peak - before) / train.num_examples,
    }


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure every form and store at every size."""
    rows: list[dict[str, Any]] = []
    for num_images in [CLASSES] if arguments.quick else arguments.images:
        for form in FORMS:
            with temporary_folder() as place:
                folder = place / "images"
                write(folder, form, num_images)
                for store in STORES:
                    row = {"images": num_images, "form": form, "store": store}
                    given = (folder, store, place / "cache", 0.0 if arguments.quick else SECONDS)
                    for when in ("new", "again"):
                        row[when] = call_fresh(work, *given, quick=arguments.quick)
                    with unittest.mock.patch.dict(os.environ, {LAUNCH: uuid.uuid4().hex}):
                        every = call_together(WORKERS, work, *given, quick=arguments.quick)
                    row["workers"] = {
                        "first_batch_seconds": max(each["first_batch_seconds"] for each in every),
                        "bytes_per_image": sum(each["bytes_per_image"] for each in every),
                    }
                    print(row, flush=True)
                    rows.append(row)
                    yield {"rows": rows}


def table(figures: Figures) -> str:
    """Return a row for each size, form and store."""
    header = [
        "images",
        "in",
        "`data.store`",
        "list, s",
        "again, s",
        "images/s",
        "memory, MB",
        "bytes an image",
        f"{WORKERS} workers, s",
        "bytes an image of all",
    ]
    rows = [
        [
            f"{row['images']:,}",
            row["form"],
            row["store"],
            f"{row['new']['first_batch_seconds']:.1f}",
            f"{row['again']['first_batch_seconds']:.1f}",
            f"{row['again']['images_per_second']:,.0f}",
            f"{row['again']['peak_bytes'] / 1e6:,.0f}",
            f"{row['again']['bytes_per_image']:,.0f}",
            f"{row['workers']['first_batch_seconds']:.1f}",
            f"{row['workers']['bytes_per_image']:,.0f}",
        ]
        for row in figures["rows"]
    ]
    return markdown(header, rows)


def add_options(parser: ScriptParser) -> None:
    """Add --images."""
    sizes = [1000, 100_000, 1_000_000]
    parser.add_argument("--images", type=count, nargs="+", default=sizes, metavar="N", help="of the sets")


main = Benchmark(name="stores", text=__doc__, steps=steps, table=table, add_options=add_options)
