"""The run directory: one folder that says everything about a training run, and may be moved."""

import contextlib
import json
import logging
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from datasets.storage.atomic import TEMPORARY_NAME, write_text
from datasets.storage.paths import expanded
from datasets.storage.untrusted import MAX_JSON_BYTES, MAX_YAML_BYTES, parse_json, parse_yaml, read_text
from learning.checkpoints.state import CHECKPOINTS, LOSSES_FILE, TrainingState
from learning.config.run_config import RunConfig, check_names
from learning.errors import CheckpointError, DirectoryInUseError, StorageError
from learning.runs.lock import LOCK_FILE, hold

CONFIG_FILE = "config.yaml"
INFO_FILE = "run.json"
DIGESTS_FILE = "train-images.digests"
CALIBRATION_FILE = "calibration.json"
HISTORY_FILE = "history.csv"
MAX_SIDE = 10_000  # pixels of an input; a larger one would exhaust the memory
UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
# What a run directory, and its folder of checkpoints, can contain before the first checkpoint.
_BEFORE_CHECKPOINTS = re.compile(
    rf"{CONFIG_FILE}|{INFO_FILE}|{re.escape(DIGESTS_FILE)}|log\.txt|augmented(-forms)?\.png|mlflow\.json"
    rf"|{TEMPORARY_NAME.pattern}"
    r"|events\.out\.tfevents\..*|profile-\d+\.(timeline\.json|operations\.csv)"
)
_NO_CHECKPOINT = re.compile(rf"\.writing-step-\d+|{re.escape(LOSSES_FILE)}")
PACKAGES = ("tensorflow", "numpy", "pillow", "scikit-image", "scikit-learn")

logger = logging.getLogger(__name__)


class RunDirectory:
    """A folder with the resolved configuration, a description of the data, and the results of training.

    :ivar path: the folder.
    :ivar config: config.yaml, the resolved RunConfig; `train.py --config` reads it too.
    :ivar info: run.json: class_names in the order of the network's outputs, input_shape (h, w, C), num_images,
        class_counts by split, data_fingerprint, versions, started and, once training has begun, machines (see
        `learning.machine.identity`).
    :ivar num_images: number of images by split; empty if run.json does not have it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open an existing run. CheckpointError if there is none, or it cannot be read."""
        self.path = expanded(os.fspath(path))
        if not (self.path / CONFIG_FILE).is_file():
            if (self.path / LOCK_FILE).is_file():
                raise CheckpointError(
                    f"the run in {self.path} was stopped before its first update: nothing was trained, so start "
                    "again without --resume"
                )
            is_other = self.path.exists()
            what = f"is not a run directory: it has no {CONFIG_FILE}" if is_other else "does not exist"
            raise CheckpointError(
                f"{self.path} {what}; give the folder that train.py made (by default under runs/)"
            )
        try:
            self.config = RunConfig.from_saved(parse_yaml(read_text(self.path / CONFIG_FILE, MAX_YAML_BYTES)))
            check_names(self.config)
            self.info = parse_json(read_text(self.path / INFO_FILE, MAX_JSON_BYTES))
            self.class_names = tuple(str(name) for name in self.info["class_names"])
            self.input_shape = tuple(int(size) for size in self.info["input_shape"])
            if len(self.input_shape) != 3 or not all(0 < size <= MAX_SIDE for size in self.input_shape):
                raise ValueError(f"input_shape is {self.input_shape}")
            sizes = dict(self.info.get("num_images", {}))
            self.num_images = {str(name): int(count) for name, count in sizes.items()}
        except (*UNREADABLE, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"cannot read {CONFIG_FILE} and {INFO_FILE} in {self.path}: {reason}; restore them from a copy"
            ) from error

    @classmethod
    def create(cls, path: Path, config: RunConfig, info: Mapping[str, Any]) -> "RunDirectory":
        """Write config.yaml and run.json of a new run."""
        versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
        started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        text = json.dumps({**info, "versions": versions, "started": started}, indent=1)
        try:  # now, rather than after hours of training
            parse_json(text if len(text) <= MAX_JSON_BYTES else "")
        except ValueError as error:
            raise StorageError(
                f"{path / INFO_FILE} would be larger than what is read again: {len(info.get('bad_files', ()))} "
                "unreadable files are named in it; remove these, python -m datasets.check lists them"
            ) from error
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / INFO_FILE, text)
        write_config(path, config)
        return cls(path)

    def is_finished(self, state: TrainingState) -> bool:
        """Return whether training has reached its end: after all epochs, or by early stopping."""
        stopped = self.config.schedule.should_stop(state.epoch - state.best_epoch)
        return stopped or state.epoch >= self.config.train.num_epochs

    def update(self, config: RunConfig, machines: Sequence[Mapping[str, Any]] = ()) -> None:
        """Save the configuration of a resumed run, which may be longer or have its data elsewhere.

        :param machines: the machines that computed the run, from its first update to the next one.
        """
        if config != self.config:
            write_config(self.path, config)
            self.config = config
        if machines and machines != self.info.get("machines"):
            self.info = {**self.info, "machines": list(machines)}
            write_text(self.path / INFO_FILE, json.dumps(self.info, indent=1))


def is_run(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder is a run or published directory."""
    return (expanded(os.fspath(path)) / CONFIG_FILE).is_file()


def default_results(run: RunDirectory) -> Path:
    """Return the folder for the results of a test: the run's own or, if it is published, runs/tests/NAME.

    A published run stays as it is. runs/ is in the working directory.
    """
    return Path("runs", "tests", run.path.resolve().name) if run.info.get("published") else run.path


def has_begun(path: Path) -> bool:
    """Return whether the run in `path` has a checkpoint or a history, so that a resume goes on with its weights."""
    return (path / HISTORY_FILE).exists() or any((path / CHECKPOINTS).glob("step-*"))


def write_config(path: Path, config: RunConfig) -> None:
    """Write config.yaml in the folder `path`."""
    write_text(path / CONFIG_FILE, yaml.safe_dump(config.as_dict(), sort_keys=False))


@contextlib.contextmanager
def locked(path: Path, *, resumed: bool) -> Iterator[None]:
    """`hold` a run directory, and check first that it can be used.

    :param resumed: the directory has the run to resume; otherwise it must be empty or absent.
    :raises DirectoryInUseError: another process holds it, or it is not empty. StorageError: it cannot be written.
    """
    with hold(path):
        if not resumed:
            _make_way(path)
        yield


def _make_way(path: Path) -> None:
    """Remove a run that saved nothing from the directory. DirectoryInUseError if it contains anything else."""
    entries = [entry for entry in path.iterdir() if entry.name != LOCK_FILE]
    if not entries:
        return
    if not _saved_nothing(path, entries):
        raise DirectoryInUseError(
            f"{path} is not empty; continue its run with --resume {path} (in a program resume=True), or choose "
            "another with --run-dir"
        )
    logger.warning("the run in %s ended before its first checkpoint; a new one takes its place", path)
    for entry in entries:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _saved_nothing(path: Path, entries: list[Path]) -> bool:
    """Return whether a run before its first checkpoint made all of these entries."""
    try:
        info = parse_json(read_text(path / INFO_FILE, MAX_JSON_BYTES))
    except UNREADABLE:
        return False
    is_run = isinstance(info, dict) and {"class_names", "data_fingerprint", "started"} <= info.keys()
    return is_run and not info.get("published") and all(map(_is_replaceable, entries))


def _is_replaceable(entry: Path) -> bool:
    """Return whether the next run makes an entry of a run directory again."""
    if entry.name == CHECKPOINTS and entry.is_dir() and not entry.is_symlink():
        return all(_NO_CHECKPOINT.fullmatch(inside.name) for inside in entry.iterdir())
    return _BEFORE_CHECKPOINTS.fullmatch(entry.name) is not None and not entry.is_dir()


def default_path(recipe: str, root: Path = Path("runs")) -> Path:
    """Return runs/<time>-<recipe>, with a number appended if that exists."""
    base = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def newest_run(root: Path = Path("runs")) -> Path:
    """Return the run under `root` whose configuration was written last. CheckpointError if there is none."""
    folders = (path.parent for path in root.glob(f"*/{CONFIG_FILE}"))
    runs = [folder for folder in folders if any(folder.glob(f"{CHECKPOINTS}/step-*"))]
    if not runs:
        raise CheckpointError(
            f"no run with a checkpoint under {root.resolve()}; train with train.py, or name a run"
        )
    return max(runs, key=lambda path: ((path / CONFIG_FILE).stat().st_mtime_ns, path.name))
