"""Export a run: build its graph, write a format, check the result, and only then publish it."""

import contextlib
import copy
import dataclasses
import json
import pkgutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from learning.inference.trained import load_run  # before any other module imports TensorFlow

# isort: split
import numpy as np
import tensorflow as tf

from datasets.augment.windows import Windows, center_window, fixed_windows
from datasets.dataset import DataSet
from datasets.storage.atomic import replacing_folder, write_text
from datasets.storage.failures import first_line, storage_errors
from datasets.storage.paths import file_digest
from learning.errors import ExportError
from learning.export.check import checked
from learning.export.contents import Contents, Quantization
from learning.export.formats.table import FORMATS
from learning.export.inference_graph import inference_graph
from learning.export.plan import planned_folders
from learning.export.questions import questions_for
from learning.inference.temperature import read_temperature, use_temperature
from learning.runs.directory import RunDirectory
from learning.terminal.command import announce
from learning.terminal.progress import show_progress
from models.convnet import ConvNet

REPORT_FILE = "export.json"


class Export(NamedTuple):
    """A published export: its folder, and what export.json says."""

    path: Path
    report: dict[str, Any]


def export_run(
    run: RunDirectory,
    formats: Sequence[str] = ("saved_model",),
    output: Path | None = None,
    *,
    int8: bool = False,
    ten_crop: bool = False,
    is_calibrated: bool = False,
    check_dir: str | None = None,
) -> list[Export]:
    """Export the selected weights of a run, check each export, and publish it in a folder of its format's name.

    An export computes in float32, also of a run in bfloat16. It is checked with images that the run held out.

    :param formats: keys of `learning.export.formats.table.FORMATS`.
    :param output: the folder that gets one folder for each format; None: see `planned_folders`.
    :param int8: let the TFLite export compute in integers only; its folder is tflite-int8.
    :param ten_crop: average over all test crops instead of taking the centre crop.
    :param is_calibrated: divide the logits by the run's temperature, see `learning.inference.temperature`.
    :param check_dir: images to check the exports with in place of those that the run held out.
    :return: the exports, in the order of `formats`.
    :raises ExportError: an export does not answer as the run does; it is not published.
    :raises DirectoryInUseError: an export exists. StorageError: one cannot be written.
    :raises UsageError: no format is given, a package is missing, or there are no images to check with.
    :raises CheckpointError: there are no weights, no temperature, or the run's images are no longer there.
    """
    folders = planned_folders(run, formats, output, int8=int8, check_dir=check_dir)
    run = _in_float32(run)
    questions, examples = questions_for(run, check_dir, with_examples=int8)
    model, sess, epoch = load_run(run)
    with closing(sess):
        temperature = read_temperature(run, epoch) if is_calibrated else None
        if temperature is not None:
            use_temperature(model, temperature)
        contents = _contents(run, model, sess, _windows(run, ten_crop), examples, temperature)

        def own_answers(images: np.ndarray) -> np.ndarray:
            """Return the probabilities (N, K) that the project itself predicts for images (N, H, W, C)."""
            dataset = DataSet(images, crops=run.config.data.crops)
            batch_size = run.config.train.batch_size
            return model.predict(
                sess, dataset, batch_size=batch_size, augment_pred=ten_crop, progress=show_progress
            )

        about = {"run": run.path.resolve().name, "epoch": epoch, **contents.described()}
        check = partial(checked, questions=questions, class_names=run.class_names, own_answers=own_answers)
        output = next(iter(folders.values())).parent
        with storage_errors(output, f"cannot write {output}", "make room, or choose another --output"):
            output.mkdir(parents=True, exist_ok=True)
            return [_published(kind, folder, contents, about, check) for kind, folder in folders.items()]


def _published(
    kind: str,
    folder: Path,
    contents: Contents,
    about: dict[str, Any],
    check: Callable[..., dict[str, Any]],
) -> Export:
    """Write one export, check it, and give it its name."""
    write: Callable[[Contents, Path], None] = pkgutil.resolve_name(FORMATS[kind].writer)
    if kind != "tflite":
        contents = contents._replace(quantization=None)
    announce(f"writing and checking {folder} ...")
    with replacing_folder(folder, f".exporting-{uuid.uuid4().hex}") as temporary:
        with _conversion_errors(kind):
            write(contents, temporary)
        report = {
            "format": folder.name,
            **about,
            "check": check(kind, temporary, is_quantized=contents.quantization is not None),
            "versions": {name: version(name) for name in ("tensorflow", *FORMATS[kind].packages)},
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "files": _files(temporary),
        }
        write_text(temporary / REPORT_FILE, json.dumps(report, indent=1, ensure_ascii=False))
    return Export(folder, report)


@contextlib.contextmanager
def _conversion_errors(kind: str) -> Iterator[None]:
    """Raise ExportError for whatever a converter raises, except failures of the machine."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ExportError(
            f"the network cannot be written as {kind}: {first_line(error)}; choose another --format"
        ) from error


def _windows(run: RunDirectory, ten_crop: bool) -> Windows:
    data = run.config.data
    if ten_crop:
        return fixed_windows(*data.image_sides, data.crop_sides, data.reflect)
    return center_window(*data.image_sides, data.crop_sides)


def _contents(
    run: RunDirectory,
    model: ConvNet,
    sess: Any,
    windows: Windows,
    examples: np.ndarray | None,
    temperature: float | None,
) -> Contents:
    data = run.config.data
    quantization = None
    if examples is not None:
        graph = inference_graph(model, sess, data.image_sides, windows, dtype=tf.float32)
        quantization = Quantization(graph, examples)
    return Contents(
        graph=inference_graph(model, sess, data.image_sides, windows),
        class_names=run.class_names,
        image_shape=(*data.image_sides, run.input_shape[-1]),
        resize=data.resize,
        num_crops=len(windows[0]),
        temperature=temperature,
        quantization=quantization,
    )


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the size and the SHA-256 of every file in a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in paths
    }


def _in_float32(run: RunDirectory) -> RunDirectory:
    """Return the run with a configuration that computes in float32."""
    model = dataclasses.replace(run.config.model, precision="float32")
    changed = copy.copy(run)
    changed.config = dataclasses.replace(run.config, model=model)
    return changed
