"""Decide where exports go, and refuse what cannot work, before TensorFlow is imported."""

from collections.abc import Sequence
from pathlib import Path

from learning.errors import DirectoryInUseError, UsageError
from learning.export.formats.table import FORMATS
from learning.export.questions import check_images
from learning.extras import require_packages
from learning.runs.directory import RunDirectory


def planned_folders(
    run: RunDirectory,
    formats: Sequence[str],
    output: Path | None,
    *,
    int8: bool,
    check_dir: str | None,
) -> dict[str, Path]:
    """Return the folder of each format, and check that packages and images are there.

    :param output: the folder that gets one folder for each format; None: `export` in the run's folder or, for a
        published run, which stays as it is, runs/exports/NAME.
    :param int8: the folder of tflite is tflite-int8.
    :param check_dir: see `learning.export.questions.questions_for`.
    :raises UsageError: no format is given, a package is missing, or there are no images to check with.
    :raises DirectoryInUseError: a folder exists.
    :raises CheckpointError: the run's images are not where they were.
    """
    if not formats:
        raise UsageError(f"no format is given; choose from {', '.join(FORMATS)}")
    if int8 and "tflite" not in formats:
        raise UsageError("--int8 is an option of --format tflite; add that format, or leave --int8 out")
    output = _default_output(run) if output is None else output
    folders = {kind: output / ("tflite-int8" if int8 and kind == "tflite" else kind) for kind in formats}
    for kind, folder in folders.items():
        require_packages(f"the format {kind}", FORMATS[kind].packages, "export")
        if folder.exists():
            raise DirectoryInUseError(f"{folder} exists; choose another --output, or remove it first")
    check_images(run, check_dir)
    return folders


def _default_output(run: RunDirectory) -> Path:
    if run.info.get("published"):
        return Path("runs", "exports", run.path.resolve().name)
    return run.path / "export"
