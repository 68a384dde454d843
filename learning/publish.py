"""Publish a finished run as the smallest folder that `test.py` and `predict.py` accept.

    python -m learning.publish RUN TARGET

TARGET holds the configuration without paths, the name of the weights that the run started from, a description of
the data without file names, the scores, the temperature, and one checkpoint: the network's variables as the run was
tested with them. It cannot be trained further, because the optimizer's variables are left out.
"""

import dataclasses
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from datasets.storage.atomic import replacing_folder, write_text
from datasets.storage.paths import expanded
from learning.checkpoints.checksums import write_checksums
from learning.checkpoints.state import TrainingState
from learning.errors import CheckpointError, DirectoryInUseError
from learning.evaluation.results import results_text
from learning.runs.directory import CALIBRATION_FILE, INFO_FILE, RunDirectory, write_config
from learning.runs.files import TEST_FILE
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader
from models.weights.packaged import PACKAGES

if TYPE_CHECKING:
    from learning.checkpoints.store import CheckpointStore

KEPT_INFO = (
    *("class_names", "input_shape", "num_images", "data_fingerprint"),
    *("versions", "started", "machines", "init"),
)


def finished_state(run: RunDirectory) -> TrainingState:
    """Return the state at the end of a run. CheckpointError if it is not finished, or its weights not tested."""
    store = _store(run)
    state = store.newest_state()
    if not run.is_finished(state):
        raise CheckpointError(
            f"{run.path} is not finished: {state.epoch} of {run.config.train.num_epochs} epochs; "
            f"continue with train.py --resume {run.path}"
        )
    _, epoch = store.selected(state)
    if _results(run).get("epoch") != epoch:
        raise CheckpointError(
            f"{run.path / TEST_FILE} has no scores of the selected weights, those of epoch {epoch}; "
            f"make them with test.py --run {run.path}"
        )
    return state


def _store(run: RunDirectory) -> "CheckpointStore":
    from learning.machine.session import tf  # noqa: F401  imports TensorFlow quietly  # isort: skip
    from learning.checkpoints.store import CheckpointStore

    return CheckpointStore(run.path, select=run.config.train.select)


def publish(run: RunDirectory, target: Path) -> None:
    """Make `target` from a finished run, as a whole or not at all.

    :raises DirectoryInUseError: `target` exists.
    :raises CheckpointError: the run is not finished, not tested, cannot be read, or is itself published; or its
        selected weights are damaged: the scores would be published with other weights.
    """
    if target.exists():
        raise DirectoryInUseError(f"{target} exists; choose another folder, or remove it first")
    if run.info.get("published"):
        raise CheckpointError(f"{run.path} was published already; copy the folder")
    state = finished_state(run)
    store = _store(run)
    step, _ = store.selected(state)
    store.read_state(step)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(target, f".publishing-{uuid.uuid4().hex}") as temporary:
        _write_texts(run, temporary)
        _write_checkpoint(run, state, step, temporary)


def _results(run: RunDirectory) -> dict[str, Any]:
    """Return what test.json holds; nothing without a test.json."""
    path = run.path / TEST_FILE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}; write it again with test.py") from error


def _write_texts(run: RunDirectory, folder: Path) -> None:
    """Write config.yaml, run.json, test.json and, if there is one, calibration.json."""
    data = dataclasses.replace(run.config.data, cache_dir=None, download=False)
    init = run.config.model.init
    model = dataclasses.replace(run.config.model, init=init if init in PACKAGES else None)
    config = dataclasses.replace(run.config, data_dir=None, data=data, model=model)
    write_config(folder, config)
    info: dict[str, Any] = {key: run.info[key] for key in KEPT_INFO if key in run.info}
    if isinstance(start := info.get("init"), dict) and "source" in start:  # a path of this machine
        info["init"] = {**start, "source": Path(str(start["source"])).name}
    write_text(folder / INFO_FILE, json.dumps({**info, "published": True}, indent=1))
    results = _results(run)
    named = {"errors", "label_issues"}  # with the names of files, and pictures
    write_text(folder / TEST_FILE, results_text({key: results[key] for key in results if key not in named}))
    if (run.path / CALIBRATION_FILE).is_file():
        write_text(folder / CALIBRATION_FILE, (run.path / CALIBRATION_FILE).read_text(encoding="utf-8"))


def _write_checkpoint(run: RunDirectory, state: TrainingState, step: int, folder: Path) -> None:
    """Write the checkpoint of update `step`, which `load_run` selects, without what only training needs."""
    from learning.checkpoints.saved_variables import save
    from learning.checkpoints.store import STATE_FILE, CheckpointStore
    from learning.inference.trained import load_run, v1

    model, sess, epoch = load_run(run)
    checkpoint = CheckpointStore(folder).path(step)
    checkpoint.mkdir(parents=True)
    with sess, model.graph.as_default():
        save(sess, v1.train.Saver(model.variables), checkpoint)
    kept = TrainingState(global_step=step, epoch=epoch, best_epoch=epoch, best_step=step)
    kept.best_score, kept.fixed = state.best_score, state.fixed
    write_text(checkpoint / STATE_FILE, kept.to_json())
    write_checksums(checkpoint)


def main() -> None:
    """Parse, make the folder, print its size."""
    parser = ScriptParser(prog="python -m learning.publish", description=str(__doc__).splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="a finished run")
    target_help = "the folder to make, such as pretrained/NAME"
    parser.add_argument("target", type=expanded, metavar="TARGET", help=target_help)
    arguments = parser.parse_args()
    outlive_reader()  # the folder counts, not what is printed
    run = RunDirectory(arguments.run)
    announce(f"starting TensorFlow and loading {run.path} ...")
    publish(run, arguments.target)
    num_bytes = sum(path.stat().st_size for path in arguments.target.rglob("*") if path.is_file())
    Console(highlight=False, soft_wrap=True).print(f"{arguments.target}: {num_bytes:,} bytes", markup=False)


if __name__ == "__main__":
    run_script(main)
