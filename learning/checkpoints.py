"""Save and restore: the variables and the host's state as one folder that appears as a whole or not at all."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.errors import CheckpointError, StorageError
from learning.files import fsync_path, write_text
from learning.state import TrainingState

PREFIX = "model.ckpt"
STATE_FILE = "state.json"


class CheckpointStore:
    """The checkpoints of one run: `save_dir/checkpoints/step-N/{model.ckpt.*, state.json}`.

    A checkpoint is written under a temporary name and then renamed: a kill at any moment leaves the old
    checkpoints and perhaps some rubbish, never half a checkpoint. The newest `keep` stay, and the best.
    `save_dir/model.ckpt` always names the weights that count, as in the AlexNet post, by hard links where the
    file system has them; it follows the folders and is not read by this project.

    :param select: which weights count: "best" or "last", see `TrainConfig.select`.
    """

    def __init__(self, save_dir: str | os.PathLike[str], keep: int = 2, select: str = "best") -> None:
        self.save_dir = Path(save_dir)
        self.folder = self.save_dir / "checkpoints"
        self.keep, self.select = keep, select

    def steps(self) -> list[int]:
        """The updates after which a checkpoint was saved, ascending."""
        found = (path.name.removeprefix("step-") for path in self.folder.glob("step-*"))
        return sorted(int(name) for name in found if name.isdigit())

    def path(self, step: int) -> Path:
        """The folder of the checkpoint after `step` updates."""
        return self.folder / f"step-{step:08d}"

    def save(self, sess: v1.Session, saver: v1.train.Saver, state: TrainingState) -> Path:
        """Write one checkpoint, publish it, drop those no longer kept. StorageError where that fails."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_rubbish()
            target = self._write(sess, saver, state)
            self.link_selected(state)
            self._prune(state)
        except (OSError, tf.errors.OpError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            free = shutil.disk_usage(self.save_dir).free if self.save_dir.exists() else 0
            raise StorageError(
                f"cannot save a checkpoint in {self.folder}: {reason} ({free / 2**20:.0f} MiB free); "
                "the earlier ones are as they were; make room and resume"
            ) from error
        return target

    def _write(self, sess: v1.Session, saver: v1.train.Saver, state: TrainingState) -> Path:
        target = self.path(state.global_step)
        temporary = self.folder / f".writing-{target.name}"
        temporary.mkdir()
        with sess.graph.as_default():
            saver.save(sess, str(temporary / PREFIX), write_meta_graph=False, write_state=False)
        write_text(temporary / STATE_FILE, state.to_json())
        for path in (*temporary.iterdir(), temporary):
            fsync_path(path)
        temporary.rename(target)
        fsync_path(self.folder)
        return target

    def newest_state(self) -> TrainingState:
        """The state of the newest checkpoint. CheckpointError where there is none."""
        steps = self.steps()
        if not steps:
            raise CheckpointError(
                f"no checkpoint in {self.folder}: training saves one at the end of each epoch; "
                "choose another run with --run, or train with train.py"
            )
        return self.read_state(steps[-1])

    def read_state(self, step: int) -> TrainingState:
        """The host's state after `step` updates."""
        path = self.path(step) / STATE_FILE
        try:
            return TrainingState.from_json(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(
                f"cannot read {path}: {error}; remove its folder to use an earlier one"
            ) from error

    def selected(self, state: TrainingState) -> tuple[int, int]:
        """The step and the epoch of the weights that count: the last too where no epoch was better than nothing."""
        if self.select == "best" and state.best_epoch > 0:
            return state.best_step, state.best_epoch
        return state.global_step, state.epoch

    def link_selected(self, state: TrainingState) -> None:
        """Let `save_dir/model.ckpt` be the weights that count."""
        step, _ = self.selected(state)
        for source in self.path(step).glob(f"{PREFIX}.*"):
            link = self.save_dir / source.name
            if link.exists() and link.samefile(source):
                continue
            temporary = self.save_dir / f".{source.name}.tmp"
            temporary.unlink(missing_ok=True)
            try:
                os.link(source, temporary)
            except OSError:  # a file system without hard links
                shutil.copyfile(source, temporary)
            temporary.replace(link)

    def _prune(self, state: TrainingState) -> None:
        kept = {*self.steps()[-self.keep :], state.best_step}
        for step in self.steps():
            if step not in kept:
                # Renamed first: a kill while removing must not leave half a checkpoint under its name.
                rubbish = self.folder / f".dropped-{self.path(step).name}"
                self.path(step).rename(rubbish)
        self._remove_rubbish()

    def _remove_rubbish(self) -> None:
        for path in self.folder.glob(".*-step-*"):
            shutil.rmtree(path)


def restore(
    sess: v1.Session, variables: Iterable[tf.Variable], checkpoint: Path, *, exact: bool = False
) -> None:
    """Load `variables` from the folder of a checkpoint.

    :param exact: the checkpoint must hold nothing else either (resuming), which weights alone do not ask for.
    :raises CheckpointError: a variable is missing, has another shape, or (`exact`) is too many. They are
        compared first, because TensorFlow loads a tensor of another shape without a word.
    """
    prefix = str(checkpoint / PREFIX)
    variables = list(variables)
    try:
        saved = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
        _compare(saved, {v.op.name: v.shape.as_list() for v in variables}, checkpoint, exact)
        with sess.graph.as_default():
            v1.train.Saver(variables).restore(sess, prefix)
    except (tf.errors.OpError, ValueError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        message = next((line for line in lines if not line.startswith("Graph execution error")), lines[0])
        raise CheckpointError(
            f"cannot read the checkpoint {checkpoint}: {message}; remove its folder to use an earlier one"
        ) from error


def _compare(
    saved: dict[str, list[int]], wanted: dict[str, list[int]], checkpoint: Path, exact: bool
) -> None:
    missing = sorted(wanted.keys() - saved.keys())
    extra = sorted(saved.keys() - wanted.keys()) if exact else []
    differing = [
        f"{name} is {saved[name]} there, {shape} here"
        for name, shape in sorted(wanted.items())
        if name in saved and saved[name] != shape
    ]
    problems = [f"{name} is missing there" for name in missing]
    problems += [f"{name} is not in this model" for name in extra] + differing
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise CheckpointError(
            f"the checkpoint {checkpoint} is of another model: {shown}; "
            "build the model with the run's own options (config.yaml in the run directory)"
        )
