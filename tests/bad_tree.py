"""Train, test and predict on real photographs among which damaged files lie, and compare the files that are named.

    python -m tests.bad_tree IMAGES_DIR FOLDER [--images 2000] [--bad 60] [--seed 0]

IMAGES_DIR is any folder of photographs that can all be read: in one folder per class, or cat.N.jpg and dog.N.jpg.
So many of them are copied to FOLDER/photos/CLASS (links would change the originals' times, by which caches know
them); one of each odd kind is converted, damaged files of every kind are planted, and rubbish is added. Then the
scripts run on the tree as their users call them. Each must name exactly the planted files. Prints progress, and one
JSON object, which is also left in FOLDER/bad-tree.json. Exit code 1 where anything differs.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from datasets.errors import DataError, shortened
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.labels import class_of_folder, class_of_pet, list_labelled
from tests.support.planted import DAMAGED, NAMES, ODD, UNREADABLE, plant_rubbish

ROOT = Path(__file__).resolve().parent.parent
TINY = [
    *("--config", "folder-scratch"),
    *("--data.image_size", "24", "--data.crop_size", "20", "--model.options.width", "2"),
    *("--train.num_epochs", "2", "--train.batch_size", "16", "--data.max_bad_fraction", "0.5"),
]
KINDS = [*DAMAGED, *UNREADABLE, *(f"damaged, name with {name}" for name in NAMES)]
Difference = dict[str, list[str]]


class Said(NamedTuple):
    """What a program answered."""

    code: int
    stdout: str
    stderr: str


Call = Callable[[Sequence[str]], Said]  # of the arguments behind `python`


def photographs(folder: Path, count: int, draw: random.Random) -> list[tuple[Path, str]]:
    """So many files with their classes, drawn at random, each class equally often as far as it goes."""
    source = open_source(folder)
    try:
        listing = list_labelled(source, class_of_pet)
    except DataError:
        listing = list_labelled(source, class_of_folder)
    files = sorted(file for part in listing.values() for file in part)
    if len(files) < count:
        sys.exit(f"{folder} has {len(files)} images, {count} are asked for; give fewer --images")
    by_class: dict[str, list[str]] = {}
    for name, label in draw.sample(files, len(files)):
        by_class.setdefault(label, []).append(name)
    found: list[tuple[Path, str]] = []
    for label in cycle(sorted(by_class)):
        if len(found) == count:
            return found
        if by_class[label]:
            found.append((folder / by_class[label].pop(), label))
    raise AssertionError("no classes")


class Tree:
    """The photographs at `root`, one folder per class, and what was planted among them.

    :ivar bad: kind by name of each file that cannot be read.
    :ivar left_out: kinds that this system cannot have.
    """

    def __init__(self, root: Path, photos: list[tuple[Path, str]], draw: random.Random) -> None:
        self.root, self.photos, self.draw = root, photos, draw
        self.labels = sorted({label for _, label in photos})
        self.bad: dict[str, str] = {}
        self.left_out: set[str] = set()
        for label in self.labels:
            (root / label).mkdir(parents=True)

    def copy_photos(self) -> None:
        """Every photograph: the first ones in an odd form or under an odd name, the others as they are."""
        odd = [*ODD, *NAMES]
        for number, (photo, label) in enumerate(self.photos):
            kind = odd[number] if number < len(odd) else ""
            path = self.root / label / f"{number:06d}{photo.suffix}"
            if kind in ODD:
                suffix, content = ODD[kind]
                path.with_suffix(suffix).write_bytes(content(load(photo)))
            elif not kind or not self._copy_as(photo, named(path, kind)):
                shutil.copyfile(photo, path)

    def _copy_as(self, photo: Path, path: Path) -> bool:
        """Whether the file system takes the name."""
        try:
            shutil.copyfile(photo, path)
        except (OSError, UnicodeError):
            return False
        return True

    def plant(self, count: int) -> None:
        """So many files that cannot be read, of one kind after another."""
        for number, kind in enumerate(cycle(KINDS)):
            if len(self.bad) == count:
                return
            photo, label = self.draw.choice(self.photos)
            path = self.root / label / f"bad{number:04d}"
            path = path.with_suffix(DAMAGED[kind][0] if kind in DAMAGED else ".jpg")
            if kind in UNREADABLE:
                made = UNREADABLE[kind](path)
            elif kind in DAMAGED:
                made = self._write(path, kind, photo)
            else:
                path = named(path, kind.partition("name with ")[2])
                made = self._write(path, self.draw.choice(list(DAMAGED)), photo)
            if made:
                self.bad[f"{label}/{path.name}"] = kind
            else:
                self.left_out.add(kind)

    def _write(self, path: Path, kind: str, photo: Path) -> bool:
        """A damaged file; whether the file system takes its name."""
        try:
            path.write_bytes(DAMAGED[kind][1](load(photo)))
        except (OSError, UnicodeError):
            return False
        return True


def load(photo: Path) -> Image.Image:
    """A photograph as RGB."""
    with Image.open(photo) as image:
        return image.convert("RGB")


def named(path: Path, kind: str) -> Path:
    """The path with an odd name that keeps its number."""
    return path.with_name(f"{NAMES[kind][: 250 - len(path.name)]}{path.name}")


class Trial:
    """The scripts on a tree; each step returns the files that its output names as unreadable."""

    def __init__(self, tree: Tree, folder: Path, call: Call) -> None:
        self.tree, self.folder, self.call = tree, folder, call
        self.run_dir, self.photos = folder / "run", str(tree.root)
        self.complaints: list[str] = []

    def check(self) -> set[str]:
        report = self.folder / "check.json"
        self._call("-m", "datasets.check", self.photos, "--json", str(report), code=3)
        return {entry["name"] for entry in json.loads(report.read_text())["unreadable"]}

    def train(self) -> set[str]:
        said = self._call("train.py", "--data-dir", self.photos, "--run-dir", str(self.run_dir), *TINY)
        self._expect_count(said.stderr)
        info = json.loads((self.run_dir / "run.json").read_text())
        self._expect("images", sum(info["num_images"].values()), len(self.tree.photos))
        return {name for name, _ in info["bad_files"]}

    def test(self) -> set[str]:
        said = self._call("test.py", "--run", str(self.run_dir), "--data-dir", self.photos)
        self._expect_count(said.stderr)
        results = json.loads((self.run_dir / "test-photos.json").read_text())
        self._expect("images", results["num_images"], len(self.tree.photos))
        return {name for name, _ in results["bad_files"]}

    def predict(self) -> set[str]:
        output = self.folder / "rows.json"
        said = self._call("predict.py", "--run", str(self.run_dir), self.photos, "--output", str(output))
        self._expect("rows with an error", said.stdout.count("\terror: "), len(self.tree.bad))
        rows = json.loads(output.read_text())
        self._expect("rows", len(rows), len(self.tree.photos) + len(self.tree.bad))
        return {os.path.relpath(row["path"], self.tree.root) for row in rows if row["error"]}

    def _expect_count(self, text: str) -> None:
        """A warning of one line that counts the bad files."""
        count, total = len(self.tree.bad), len(self.tree.photos) + len(self.tree.bad)
        lines = [line for line in text.splitlines() if f"{count} of {total} images in " in line]
        self._expect(f"lines that count {count} of {total} images", len(lines), 1)

    def _expect(self, what: str, found: int, expected: int) -> None:
        if found != expected:
            self.complaints.append(f"{what}: {found}, not {expected}")

    def _call(self, *arguments: str, code: int = 0) -> Said:
        said = self.call(arguments)
        if said.code != code or "Traceback" in said.stderr:
            sys.exit(f"{arguments} ended with {said.code}, not {code}:\n{said.stderr[-3000:]}")
        return said


def call_program(arguments: Sequence[str], cache: Path) -> Said:
    """Run a program of the project as its users do, with a cache of its own."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "SESSIONNET_CACHE": str(cache)},
    )
    return Said(done.returncode, done.stdout, done.stderr)


def compare(found: set[str], expected: set[str]) -> Difference:
    """Which files were not named, and which were and should not have been."""
    return {"missing": sorted(expected - found), "too_many": sorted(found - expected)}


def run(
    images_dir: Path, folder: Path, num_images: int, num_bad: int, seed: int, call: Call
) -> dict[str, Any]:
    """Make the tree, call the scripts, and return the figures."""
    draw = random.Random(seed)
    tree = Tree(folder / "photos", photographs(images_dir, num_images, draw), draw)
    tree.copy_photos()
    tree.plant(num_bad)
    plant_rubbish(tree.root, tree.labels)
    print(f"{num_images} images and {len(tree.bad)} bad files in {tree.root}", flush=True)
    figures: dict[str, Any] = {
        **{"images": num_images, "bad": len(tree.bad), "odd": min(num_images, len(ODD) + len(NAMES))},
        **{"kinds": len(set(tree.bad.values())), "left_out": sorted(tree.left_out), "seed": seed},
        "bad_by_kind": dict(sorted(Counter(tree.bad.values()).items())),
    }
    trial = Trial(tree, folder, call)
    for step in (trial.check, trial.train, trial.test, trial.predict):
        start = time.perf_counter()
        difference = compare(step(), set(tree.bad))
        seconds = round(time.perf_counter() - start, 1)
        figures[step.__name__] = {**difference, "complaints": trial.complaints, "seconds": seconds}
        told = [f"{key} {shortened(names)}" for key, names in difference.items() if names]
        print(f"{step.__name__}: {'; '.join([*told, *trial.complaints]) or 'all named, no more'}", flush=True)
        trial.complaints = []
    figures["equal"] = is_equal(figures)
    return figures


def is_equal(figures: dict[str, Any]) -> bool:
    """Whether every script named exactly the planted files."""
    steps = [figures[name] for name in ("check", "train", "test", "predict")]
    return not any(step["missing"] or step["too_many"] or step["complaints"] for step in steps)


def main() -> None:
    """Read the arguments, run, write the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("images_dir", type=Path)
    parser.add_argument("folder", type=Path, help="a new one")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--bad", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.folder.exists() and any(arguments.folder.iterdir()):
        sys.exit(f"{arguments.folder} is not empty; give a new folder")
    folder = arguments.folder.resolve()
    figures = run(
        arguments.images_dir.resolve(),
        folder,
        arguments.images,
        arguments.bad,
        arguments.seed,
        partial(call_program, cache=folder / "cache"),
    )
    (folder / "bad-tree.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))
    sys.exit(0 if figures["equal"] else 1)


if __name__ == "__main__":
    main()
