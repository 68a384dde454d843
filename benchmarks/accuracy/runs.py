"""Trainings by `train.py` that may be interrupted: what is finished is not repeated, what is not goes on."""

import dataclasses
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from learning.config.command_line import parse_train
from learning.config.run_config import RunConfig
from learning.errors import UsageError
from learning.runs.directory import CONFIG_FILE, RunDirectory

ROOT = Path(__file__).resolve().parents[2]


def is_finished(path: Path) -> bool:
    """Whether the run in `path` came to its end: `train.py` tests last."""
    return (path / "test.json").is_file()


def next_arguments(path: Path, options: Sequence[str], data_dir: Path | None) -> list[str] | None:
    """What to call `train.py` with to bring the run in `path` to its end; None where it is there.

    :raises UsageError: another run is in `path`.
    """
    if not (path / CONFIG_FILE).is_file():
        data = [] if data_dir is None else ["--data-dir", str(data_dir)]
        return [*options, *data, "--run-dir", str(path)]
    found, wanted = RunDirectory(path).config, parse_train(options).config
    if _without_paths(found) != _without_paths(_as_chosen(wanted, found)):
        raise UsageError(
            f"{path} holds a run with other options than are asked for now; choose another RUNS_DIR, or the "
            "options that it was made with"
        )
    return None if is_finished(path) else ["--resume", str(path)]


def _as_chosen(wanted: RunConfig, found: RunConfig) -> RunConfig:
    """`wanted` with what the machine of the run took for precision `auto`."""
    if wanted.model.precision != "auto":
        return wanted
    model = dataclasses.replace(wanted.model, precision=found.model.precision)
    return dataclasses.replace(wanted, model=model)


def _without_paths(config: RunConfig) -> RunConfig:
    data = dataclasses.replace(config.data, cache_dir=None)
    return dataclasses.replace(config, data_dir=None, data=data)


def bring_to_end(path: Path, options: Sequence[str], data_dir: Path | None) -> None:
    """Train what a run lacks by `train.py`.

    SystemExit with the exit code of `train.py` where it has another than 0.
    """
    command = next_arguments(path, options, data_dir)
    if command is None:
        print(f"{path.name}: finished", flush=True)
        return
    print(f"{path.name}: python train.py {shlex.join(command)}", flush=True)
    code = call_train(command)
    if code != 0:
        sys.exit(code if code > 0 else 128 - code)


def call_train(arguments: Sequence[str]) -> int:
    """`python train.py ARGUMENTS`; returns its exit code. A signal to stop lets it save first."""
    process = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *arguments], cwd=ROOT)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # a Ctrl-C reaches train.py by itself
            continue
