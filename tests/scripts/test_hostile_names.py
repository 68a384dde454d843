"""Every script works with runs and images under names that a program could misread."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.check import command
from learning import compare, publish
from tests.support.pages import read_page
from tests.support.planted import FOLDER_NAMES
from tests.support.scripts import call_main

ROOT = Path(__file__).resolve().parents[2]
# Everything at once, as one name of a folder, as long as a name can be.
ALL = os.fsdecode("-[lr=0.1] {x}%s#'\"\\\n*?~$&日本".encode() + b"\xff ").ljust(240, "x")
OPTIONS = [
    "--config",
    "folder-scratch",
    "--data.image_size",
    "12",
    "--data.crop_size",
    "10",
    "--train.batch_size",
    "8",
    "--schedule.name",
    "patience",
]


def make_images(folder):
    """Two classes of twelve images each, dark and bright, under `folder`."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("dark", "[bright]")):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(120 * number, 120 * number + 100, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def try_all(folder, name, monkeypatch):
    """Call every script with relative paths, then on the same run by an absolute path."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SESSIONNET_CACHE", str(folder / "cache" / name))
    images, run = Path("images") / name, Path("runs") / name
    make_images(images)
    call_main("train.py", f"--run-dir={run}", f"--data-dir={images}", *OPTIONS, "--train.num_epochs", "1",
         "--train.tensorboard", "true", "--model.options.width", "2")  # fmt: skip
    call_main(
        "train.py", f"--resume={folder / run}", "--train.num_epochs", "2", f"--data-dir={folder / images}"
    )
    call_main("test.py", f"--run={run}")
    call_main("test.py", f"--run={folder / run}", f"--data-dir={images}")
    output = Path("out") / name / f"{name[:50]}.json"
    output.parent.mkdir(parents=True)
    call_main("predict.py", f"--run={run}", f"--output={output}", "--", images)
    assert len(json.loads(output.read_text())) == 24
    published = Path("published") / name
    call_main(publish.main, "--", run, published)
    assert (published / "run.json").exists()
    call_main(compare.main, f"--output={output.parent}", "--", run, published)
    read_page(run / "index.html")  # whose tags are all closed
    read_page(output.parent / "index.html")
    call_main(command.main, "--", images)
    assert json.loads((run / "test.json").read_text())["epoch"] in (1, 2)
    assert (run / "index.html").exists() and list(run.glob("events.*"))
    assert {path.name for path in folder.iterdir()} == {"cache", "images", "runs", "out", "published"}


@pytest.mark.fault(43)
def test_every_script_works_there(tmp_path, monkeypatch):
    try_all(tmp_path, ALL, monkeypatch)


@pytest.mark.long
@pytest.mark.fault(43)
@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_every_script_works_under_every_name(tmp_path, monkeypatch, name):
    try_all(tmp_path, name, monkeypatch)
