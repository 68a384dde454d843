"""The run directory: one folder that says everything about a training run, and may be moved."""

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from learning.config import RunConfig
from learning.errors import CheckpointError, DirectoryInUseError, StorageError
from learning.files import write_text

CONFIG_FILE = "config.yaml"
INFO_FILE = "run.json"
LOCK_FILE = ".lock"
PACKAGES = ("tensorflow", "numpy", "pillow", "scikit-image", "scikit-learn")


class RunDirectory:
    """A folder with the resolved configuration, what the data were, and all that training leaves there.

    :ivar path: the folder.
    :ivar config: config.yaml, the resolved RunConfig; `train.py --config` reads it too.
    :ivar info: run.json: class_names in the order of the network's outputs, input_shape (h, w, C), sizes of the
        splits, data_fingerprint, versions, started.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open an existing run. CheckpointError where there is none, or it cannot be read."""
        self.path = Path(path)
        if not (self.path / CONFIG_FILE).is_file():
            raise CheckpointError(
                f"{self.path} is no run directory: it holds no {CONFIG_FILE}; "
                "give the folder that train.py made (by default under runs/)"
            )
        try:
            text = (self.path / CONFIG_FILE).read_text(encoding="utf-8")
            self.config = RunConfig.from_dict(yaml.safe_load(text))
            self.info = json.loads((self.path / INFO_FILE).read_text(encoding="utf-8"))
            self.class_names = tuple(str(name) for name in self.info["class_names"])
            self.input_shape = tuple(int(size) for size in self.info["input_shape"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"cannot read {CONFIG_FILE} and {INFO_FILE} in {self.path}: {reason}; restore them from a copy"
            ) from error

    @classmethod
    def create(cls, path: Path, config: RunConfig, info: Mapping[str, Any]) -> "RunDirectory":
        """Write the two files of a new run."""
        versions = {name: version(name) for name in PACKAGES}
        facts = {
            **info,
            "versions": {"python": platform.python_version(), **versions},
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / INFO_FILE, json.dumps(facts, indent=1))
        _write_config(path, config)
        return cls(path)

    def update(self, config: RunConfig) -> None:
        """Keep the configuration of a resumed run, which may be longer or have its data elsewhere."""
        if config != self.config:
            _write_config(self.path, config)
            self.config = config


def _write_config(path: Path, config: RunConfig) -> None:
    write_text(path / CONFIG_FILE, yaml.safe_dump(_plain(config.as_dict()), sort_keys=False))


@contextlib.contextmanager
def locked(path: Path, *, resumed: bool) -> Iterator[None]:
    """Hold a run directory for this process, and see at the start that it can be used.

    The lock ends with the process, however that ends. A new directory in which nothing came to be is removed.

    :param resumed: the directory holds the run that is to go on; else it must be empty or absent.
    :raises DirectoryInUseError: another process holds it, or it is not empty. StorageError: it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / LOCK_FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot use {path} as run directory: {error.strerror}; choose another with --run-dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise DirectoryInUseError(
                f"{path} is in use by {holder}; wait for it, or choose another"
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}")
        lock.flush()
        try:
            if not resumed and any(entry.name != LOCK_FILE for entry in path.iterdir()):
                raise DirectoryInUseError(
                    f"{path} is not empty; go on with its run by --resume {path}, or choose another with --run-dir"
                )
            yield
        finally:
            if all(entry.name == LOCK_FILE for entry in path.iterdir()):
                (path / LOCK_FILE).unlink()
                path.rmdir()


def default_path(recipe: str, root: Path = Path("runs")) -> Path:
    """runs/<time>-<recipe>, with a number behind it where that exists."""
    base = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def newest_run(root: Path = Path("runs")) -> Path:
    """The run directory under `root` that was started last. CheckpointError where there is none."""
    runs = [
        path.parent for path in root.glob(f"*/{CONFIG_FILE}") if any(path.parent.glob("checkpoints/step-*"))
    ]
    if not runs:
        raise CheckpointError(
            f"no run with a checkpoint under {root.resolve()}; train with train.py, or give one with --run"
        )
    return max(runs, key=lambda path: ((path / CONFIG_FILE).stat().st_mtime_ns, path.name))


def _plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
