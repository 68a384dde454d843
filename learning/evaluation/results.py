"""The files of a test: where they are, and what is in them."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from datasets.storage.atomic import remove_abandoned, write_text
from datasets.storage.failures import storage_errors
from datasets.storage.untrusted import MAX_JSON_BYTES, read_text
from learning.confusion import MAX_TABLE_CLASSES, confusion_csv
from learning.errors import StorageError
from learning.runs.directory import RunDirectory, default_results

ROWS = ("confusion_matrix", "per_class", "errors", "label_issues")  # each item has a line in the JSON file


def results_folder(run: RunDirectory, output: Path | None) -> Path:
    """Return the folder for the results of a test, and make it if it does not exist.

    :param output: the folder; None: `default_results`.
    :raises StorageError: the folder cannot be written; checked before the test, which may take long.
    """
    folder = default_results(run) if output is None else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}; choose another --output") from error
    if not os.access(folder, os.W_OK):
        raise StorageError(f"cannot write into {folder}; choose another folder with --output")
    return folder


def results_name(folder: Path, data_dir: Path) -> str:
    """Return test-NAME for scores on the images in `data_dir`, with a number if `folder` has those of another NAME.

    NAME is the name of `data_dir`, cut to 50 letters: a file name has at most 255 bytes, and a letter up to four.
    """
    base = f"test-{data_dir.stem[:50]}"
    name, number = base, 2
    while (taken := folder / f"{name}.json").exists() and not _is_of(taken, data_dir):
        name, number = f"{base}-{number}", number + 1
    return name


def _is_of(results: Path, data_dir: Path) -> bool:
    """Return whether a file of `write_results` holds scores on the images in `data_dir`."""
    try:
        return f'"data_dir": {json.dumps(str(data_dir))}' in read_text(results, MAX_JSON_BYTES)
    except (OSError, ValueError):
        return False


def write_results(results: dict[str, Any], folder: Path, name: str) -> list[str]:
    """Write `name`.json and `name`-confusion.png in `folder`, and for many classes `name`-confusion.csv.

    :return: the files' names.
    :raises StorageError: they cannot be written.
    """
    from learning.pictures.plots import draw_confusion_matrix  # matplotlib takes a while to import

    matrix, class_names = np.asarray(results["confusion_matrix"]), results["class_names"]
    names = [f"{name}.json", f"{name}-confusion.png"]
    remove_abandoned(folder)
    with storage_errors(folder, f"cannot write the results in {folder}", "make room"):
        write_text(folder / names[0], results_text(results))
        if len(class_names) > MAX_TABLE_CLASSES:
            names.append(f"{name}-confusion.csv")
            write_text(folder / names[-1], confusion_csv(matrix, class_names))
        draw_confusion_matrix(matrix, class_names, folder / names[1])
    return names


def results_text(results: dict[str, Any]) -> str:
    """Return JSON with one line for each item of the long lists: json.dumps gives each number a line."""
    text = json.dumps({**results, **{key: None for key in ROWS if key in results}}, indent=1)
    for key in (key for key in ROWS if key in results):
        rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in results[key])
        text = text.replace(f'"{key}": null', f'"{key}": [\n  {rows}\n ]')
    return text
