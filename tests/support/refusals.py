"""Measure the memory that refusing each kind of bomb takes.

    python -m tests.support.refusals FOLDER

Every kind is given to the reader that meets it, in this one process. Prints one JSON object: for each kind the
error, and the peak of the process's memory (VmHWM, Linux) above what it had before the first of them, in bytes.
"""

import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from datasets.cifar10 import MAX_BATCH_BYTES, load_cifar10
from datasets.errors import DataError
from datasets.image_files.folder_or_zip import MAX_FILE_BYTES, open_source
from datasets.images.decode import inspect_image, read_resized
from datasets.mnist import read_idx
from datasets.storage.plain_pickle import load_plain_pickle
from datasets.storage.untrusted import read_text
from learning.checkpoints.checksums import find_damage
from learning.checkpoints.state import MAX_BYTES, TrainingState
from learning.config.run_config import RunConfig
from learning.errors import CheckpointError, UsageError
from learning.programs.command_line import parse_train
from learning.runs.directory import RunDirectory
from tests.support import bombs

PROC = Path("/proc/self")
REFUSALS = (DataError, CheckpointError, UsageError)
GIB = 2**30
INFO = {"class_names": ["a", "b"], "input_shape": [10, 10, 3]}
Refuse = Callable[[], Any]


def memory(key: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS, or VmHWM, its peak."""
    line = next(line for line in (PROC / "status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Reset VmHWM to the current memory."""
    (PROC / "clear_refs").write_text("5")


def images(folder: Path) -> dict[str, Refuse]:
    """Images of huge sizes, or with huge things beside the pixels."""
    kinds = {f"image {suffix}": bombs.image(suffix) for suffix in bombs.IMAGES}
    kinds |= {f"PNG with {kind!r}": bombs.png_with(kind, 1024) for kind in (b"zTXt", b"iTXt", b"iCCP")}
    kinds |= {"PNG with many texts": bombs.png_with(b"zTXt", 1, 500), "tile": bombs.tiff_tile()}
    picture = folder / "solid.png"
    Image.new("1", (9000, 9000)).save(picture)
    kinds |= {"PNG of 81 million pixels": picture.read_bytes()}
    made = {name: lambda content=content: read_resized(content, 8) for name, content in kinds.items()}
    looked = {
        f"{name}, looked at": lambda content=content: inspect_image(content)
        for name, content in kinds.items()
    }
    return made | looked


def archives(folder: Path) -> dict[str, Refuse]:
    """Files and members of archives that are, say they are, or unpack to, too much."""
    kinds: dict[str, Refuse] = {}
    for name, num_bytes in (("huge", 2**40), ("large", MAX_FILE_BYTES)):
        path = bombs.sparse(folder / name / "a.jpg", num_bytes)
        kinds[f"{name} file"] = lambda path=path: read_resized(open_source(path.parent).read(path.name), 8)
    zeros = bombs.deflated_zeros(1024)
    for name, claimed in (("lying", 1000), ("bold", GIB), ("barely allowed", MAX_FILE_BYTES)):
        path = bombs.write_zip(folder / f"{name}.zip", "a/a.jpg", zeros, claimed)
        kinds[f"{name} member of a zip"] = lambda path=path: read_resized(
            open_source(path).read("a/a.jpg"), 8
        )
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = bombs.write_packed_zip(folder / f"method{method}.zip", "a/a.jpg", method)
        kinds[f"member of a zip packed by method {method}"] = lambda path=path: read_resized(
            open_source(path).read("a/a.jpg"), 8
        )
    return kinds


def official_forms(folder: Path) -> dict[str, Refuse]:
    """IDX files and batches of CIFAR-10."""
    header = b"\0\0\x08\x03" + struct.pack(">3I", 300_000, 28, 28)
    idx = folder / "train-images-idx3-ubyte.gz"
    idx.write_bytes(bombs.gzipped_zeros(header, 1024))
    kinds: dict[str, Refuse] = {"IDX": lambda: read_idx(idx)}
    members = (("data_batch_1", 10 * GIB), ("data_batch_2.bin", MAX_BATCH_BYTES), ("other", 10 * GIB))
    for name, claimed in members:
        path = bombs.write_tar(folder / f"{name}.tar.gz", name, claimed)
        kinds[f"{name} of {claimed} bytes in a tar"] = lambda path=path: load_cifar10(path)
    for name, content in pickles().items():
        kinds[f"pickle: {name}"] = lambda content=content: load_plain_pickle(content, "b")
    return kinds


def pickles() -> dict[str, bytes]:
    """Pickles as large as may be that would become many times larger, or that claim to be."""
    room = MAX_BATCH_BYTES - 100
    wide = "\U0001f600".encode()
    return {
        "lists": b"\x80\x02" + b"]" * room,
        "dictionaries": b"\x80\x02" + b"}NNs" * (room // 4),
        "arrays": b"\x80\x02cnumpy\nndarray\nq\0" + b"h\0)R" * (room // 4),
        "marks": b"\x80\x02" + b"(" * room,
        "memo": b"\x80\x02N" + b"\x94" * room,
        "wide text": b"\x80\x02X" + struct.pack("<I", room - 4) + b"a" * (room - 8) + wide + b".",
        "wide raw text": b"\x80\x02V" + b"a" * (room - 20) + b"\\U0001f600\n.",
        "one frame": b"\x80\x04\x95" + struct.pack("<Q", room) + bytes(room),
        "huge claims": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x",
        "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
        "digits": b"\x80\x02L" + b"9" * room + b"L\n.",
    }


def runs(folder: Path) -> dict[str, Refuse]:
    """Run directories, checkpoints and recipes."""
    laughs = bombs.laughs()
    texts = {
        "laughs": laughs,
        "laughs in a section": f"{laughs}\ndata: *l29",
        "laughs as a value": f"{laughs}\ntrain: {{batch_size: *l29}}",
        "laughs alone": f"- {{{laughs.replace(chr(10), ', ')}}}",
        "lists": "[" + "[]," * (2**16 // 3 - 1) + "]",
    }
    kinds: dict[str, Refuse] = {}
    for name, text in texts.items():
        run = _run(folder / f"run {name}")
        (run / "config.yaml").write_text(text)
        kinds[f"config.yaml: {name}"] = lambda run=run: RunDirectory(run)
        kinds[f"recipe: {name}"] = lambda run=run: parse_train(["--config", str(run / "config.yaml")])
    for name in ("config.yaml", "run.json"):
        run = _run(folder / f"huge {name}")
        bombs.sparse(run / name, 2**40)
        kinds[f"huge {name}"] = lambda run=run: RunDirectory(run)
    recipe = str(folder / "huge config.yaml" / "config.yaml")
    kinds["huge recipe"] = lambda: parse_train(["--config", recipe])
    run = _run(folder / "lists")
    (run / "run.json").write_text("[" + "[]," * (16 * 2**20 // 3 - 2) + "[]]")
    kinds["run.json of lists"] = lambda run=run: RunDirectory(run)
    for name in ("state.json", "checksums.json"):
        bombs.sparse(folder / "huge" / name, 2**40)
        bombs.sparse(folder / "large" / name, 0, b"[" + b"[]," * (16 * 2**20 // 3 - 2) + b"[]]")
    kinds["huge checksums.json"] = lambda: _no_damage(folder / "huge")
    kinds["checksums.json of lists"] = lambda: _no_damage(folder / "large")
    kinds["huge state.json"] = lambda: read_state(folder / "huge" / "state.json")
    kinds["state.json of lists"] = lambda: read_state(folder / "large" / "state.json")
    return kinds


def read_state(path: Path) -> TrainingState:
    """As the checkpoints do."""
    try:
        return TrainingState.from_json(read_text(path, MAX_BYTES), path.name)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def _no_damage(folder: Path) -> None:
    problem = find_damage(folder)
    if problem is not None:
        raise CheckpointError(problem)


def _run(path: Path) -> Path:
    RunDirectory.create(path, RunConfig(), INFO)
    return path


def measure(kinds: dict[str, Refuse]) -> dict[str, dict[str, Any]]:
    """Return for each kind its error, or an empty text, and the peak memory above that at the start."""
    results = {}
    before = memory("VmRSS")
    for name, refuse in kinds.items():
        forget_peak()
        try:
            refuse()
            said = ""
        except REFUSALS as error:
            said = str(error)
        results[name] = {"said": said, "peak": memory("VmHWM") - before}
    return results


def main() -> None:
    """Make all the bombs, then meet them."""
    folder = Path(sys.argv[1])
    for name in ("huge", "large"):
        (folder / name).mkdir(parents=True)
    kinds = {**images(folder), **archives(folder), **official_forms(folder), **runs(folder)}
    json.dump(measure(kinds), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
