"""Find the checkpoint of TensorFlow that a path means."""

import re
from pathlib import Path

from models.weights.errors import WeightsError

V1_END = (0xDB4775248B80FB57).to_bytes(
    8, "little"
)  # the last bytes of a table of TensorFlow, the first format


def find_prefix(path: Path) -> Path | None:
    """Return the prefix of the checkpoint that a path means; None if it means none.

    :param path: a prefix, one of its files, or a folder with exactly one checkpoint: a run directory, a published
        one, a SavedModel, or any other.
    :raises WeightsError: the folder has several, or none.
    """
    if path.is_dir():
        return _in_folder(path)
    if index_of(path).is_file():
        return path
    for pattern in (r"(.+)\.index", r"(.+)\.data-\d{5}-of-\d{5}"):
        found = re.fullmatch(pattern, path.name)
        if found and index_of(path.with_name(found[1])).is_file():
            return path.with_name(found[1])
    return None


def index_of(prefix: Path) -> Path:
    """Return the path of a prefix's index, which checkpoints of the first format lack."""
    return prefix.with_name(f"{prefix.name}.index")


def _in_folder(folder: Path) -> Path:
    """Return the only checkpoint of a folder, or the one that its file `checkpoint` names as the newest."""
    for found in (
        folder.glob("*.index"),
        folder.glob("checkpoints/step-*/*.index"),
        folder.glob("variables/*.index"),
    ):
        prefixes = sorted(path.with_suffix("") for path in found)
        if len(prefixes) > 1:
            newest = _newest(folder)
            prefixes = [newest] if newest in prefixes else prefixes
        if len(prefixes) > 1:
            names = ", ".join(str(prefix.relative_to(folder)) for prefix in prefixes[:5])
            raise WeightsError(f"it has several checkpoints ({names}); give the path of one of them")
        if prefixes:
            return prefixes[0]
    newest = _newest(folder)
    if newest is not None and newest.is_file():  # of the first format
        return newest
    raise WeightsError("it is a folder without a checkpoint; give a run directory or a file of weights")


def _newest(folder: Path) -> Path | None:
    """Return the prefix in `folder` that TensorFlow's own file names; only the last part of the path counts."""
    pointer = folder / "checkpoint"
    if not pointer.is_file() or pointer.stat().st_size > 2**20:
        return None
    found = re.match(
        r'model_checkpoint_path: "([^"\n]+)"', pointer.read_text(encoding="utf-8", errors="replace")
    )
    return folder / re.split(r"[/\\]", found[1])[-1] if found else None


def checkpoint_bytes(prefix: Path) -> int:
    """Return the size of a checkpoint's files."""
    return sum(path.stat().st_size for path in checkpoint_files(prefix))


def checkpoint_files(prefix: Path) -> list[Path]:
    """Return the index and data files of a prefix, or the one file of the first format."""
    if not index_of(prefix).is_file():
        return [prefix]
    start = f"{prefix.name}.data-"
    return [index_of(prefix), *(path for path in prefix.parent.iterdir() if path.name.startswith(start))]
