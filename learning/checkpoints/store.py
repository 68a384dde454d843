"""Save and restore the variables and the host's state as one folder that appears as a whole or not at all."""

import logging
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import tensorflow.compat.v1 as v1

from datasets.storage.atomic import replacing, replacing_folder, write_text
from datasets.storage.failures import storage_errors
from datasets.storage.untrusted import read_text
from learning.checkpoints import saved_variables
from learning.checkpoints.checksums import CHECKSUMS_FILE, find_damage, write_checksums
from learning.checkpoints.saved_variables import PREFIX, find_unreadable
from learning.checkpoints.state import CHECKPOINTS, LOSSES_FILE, MAX_BYTES, TrainingState
from learning.checkpoints.step_losses import LossFile
from learning.errors import CheckpointError

logger = logging.getLogger(__name__)

STATE_FILE = "state.json"


class Usable(NamedTuple):
    """The step and the epoch of the weights to use, and the state of the newest undamaged checkpoint."""

    step: int
    epoch: int
    newest: TrainingState


class CheckpointStore:
    """The checkpoints of one run: `save_dir/checkpoints/step-N/{model.ckpt.*, state.json, checksums.json}`.

    A checkpoint is written under a temporary name and then renamed: a kill at any moment leaves the old
    checkpoints and perhaps a temporary folder, never half a checkpoint. The newest `keep` are kept, each with the
    best one at its time, so that no weights are lost by going back to an older one.

    Checksums are compared before a checkpoint is used: a warning names a damaged one, and the newest undamaged one
    is used. A checkpoint without checksums was written by an earlier version: its tensors are read instead, which
    have TensorFlow's own checksums.

    The losses of all updates are in `losses.float64`, on the disk before a checkpoint needs them; if that file is
    lost, the run goes on without these losses.

    `save_dir/model.ckpt` always names the selected weights, as in the AlexNet post, by hard links if the file
    system has them. In this project only `models.weights` reads it, for a new run that starts from these weights.

    :param select: which weights to use: "best" or "last", see `TrainConfig.select`.
    """

    def __init__(self, save_dir: str | os.PathLike[str], keep: int = 2, select: str = "best") -> None:
        self.save_dir = Path(save_dir)
        self.folder = self.save_dir / CHECKPOINTS
        self.losses = LossFile(self.folder / LOSSES_FILE)
        self.keep, self.select = keep, select
        self._best_steps: dict[int, int] = {}  # by step

    def steps(self) -> list[int]:
        """Return the updates after which a checkpoint was saved, ascending."""
        try:
            # scandir knows which entries are folders; a run may drop one before another call could ask.
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = (re.fullmatch(r"step-([0-9]{8}|[1-9][0-9]{8,})", name) for name in names)
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """Return the folder of the checkpoint after `step` updates."""
        return self.folder / f"step-{step:08d}"

    def save(self, sess: v1.Session, saver: v1.train.Saver, state: TrainingState) -> Path:
        """Write one checkpoint, link it, and drop those that are no longer kept.

        :raises StorageError: it cannot be written.
        """
        what = f"cannot save a checkpoint in {self.folder}"
        with storage_errors(self.save_dir, what, "the earlier ones are as they were; make room and resume"):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.clean()
            target = self._write(sess, saver, state)
            self.link_selected(state)
            self._prune(state)
        return target

    def _write(self, sess: v1.Session, saver: v1.train.Saver, state: TrainingState) -> Path:
        target = self.path(state.global_step)
        with replacing_folder(target, f".writing-{target.name}") as temporary:
            saved_variables.save(sess, saver, temporary)
            write_text(temporary / STATE_FILE, self.losses.put(state).to_json())
            write_checksums(temporary)
        return target

    def newest_state(self) -> TrainingState:
        """Return the state of the newest undamaged checkpoint, and warn of damaged ones.

        :raises CheckpointError: there is no undamaged checkpoint.
        """
        state, damaged = self._newest_whole()
        if state is None and not damaged:
            raise CheckpointError(
                f"no checkpoint in {self.folder}: training saves one at the end of each epoch; "
                "choose another run with --run, or train with train.py"
            )
        if state is None:
            raise CheckpointError(
                f"no checkpoint can be used: {'; '.join(damaged)}; "
                f"restore one of them from a copy, or start a new run in another directory"
            )
        for problem in damaged:
            logger.warning("%s; %s is used instead", problem, self.path(state.global_step).name)
        return state

    def _newest_whole(self) -> tuple[TrainingState | None, list[str]]:
        """Return the state of the newest undamaged checkpoint, and what is wrong with the newer ones."""
        damaged: dict[int, str] = {}
        steps = self.steps()
        while steps:
            step = steps.pop()
            try:
                return self.read_state(step), list(damaged.values())
            except CheckpointError as error:
                if self.path(step).is_dir():
                    damaged[step] = str(error)
                else:  # a running training has dropped it, and saved a newer one
                    steps = [known for known in self.steps() if known not in damaged]
        return None, list(damaged.values())

    def read_state(self, step: int) -> TrainingState:
        """Return the host's state after `step` updates. CheckpointError if a file in the folder is damaged."""
        folder = self.path(step)
        has_checksums = os.path.lexists(folder / CHECKSUMS_FILE)
        problem = find_damage(folder) if has_checksums else find_unreadable(folder)
        if problem is not None:
            raise CheckpointError(f"the checkpoint {folder} is damaged: {problem}")
        try:
            text = read_text(folder / STATE_FILE, MAX_BYTES)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"the checkpoint {folder} is damaged: {error}") from error
        state = TrainingState.from_json(text, str(folder / STATE_FILE))
        if state.global_step != step:
            raise CheckpointError(
                f"the checkpoint {folder} is damaged: its state belongs to update {state.global_step}"
            )
        self._best_steps[step] = state.best_step
        return state

    def selected(self, state: TrainingState) -> tuple[int, int]:
        """Return the step and the epoch of the selected weights: the last ones if no epoch had a valid score."""
        if self.select == "best" and state.best_epoch > 0:
            return state.best_step, state.best_epoch
        return state.global_step, state.epoch

    def usable(self) -> Usable:
        """Return the selected weights or, with a warning, the newest undamaged ones if they are damaged.

        :raises CheckpointError: see `newest_state`.
        """
        while True:
            known = self.steps()
            state = self.newest_state()
            step, epoch = self.selected(state)
            try:
                if step != state.global_step:
                    self.read_state(step)
                return Usable(step, epoch, state)
            except CheckpointError as error:
                if self.steps() != known:  # a running training may have dropped it
                    continue
                logger.warning(
                    "%s; these were the best weights (epoch %d), the weights of epoch %d are used instead",
                    error, epoch, state.epoch,
                )  # fmt: skip
                return Usable(state.global_step, state.epoch, state)

    def set_damaged_aside(self, state: TrainingState) -> None:
        """Make way for a run that goes on from `state`, the result of `newest_state`.

        Newer checkpoints are damaged, and their steps will be saved again. Damaged best weights must not be
        linked as the selected ones. The newest of these is kept as `.damaged-step-N` for inspection. Only the
        process that holds the directory may call this.
        """
        best, _ = self.selected(state)
        damaged = [step for step in self.steps() if step > state.global_step]
        if best != state.global_step and self.path(best).is_dir():
            try:
                self.read_state(best)
            except CheckpointError as error:
                logger.warning("%s; these were the best weights, a later epoch will replace them", error)
                damaged.insert(0, best)
        if not damaged:
            return
        for path in [*self.folder.glob(".damaged-step-*"), *map(self.path, damaged[:-1])]:
            logger.warning("%s is removed, because a newer damaged checkpoint is kept", path)
            shutil.rmtree(path)
        newest = self.path(damaged[-1])
        aside = newest.with_name(f".damaged-{newest.name}")
        newest.rename(aside)
        logger.warning("the damaged checkpoint %s is kept as %s", newest.name, aside)

    def link_selected(self, state: TrainingState) -> None:
        """Link `save_dir/model.ckpt` to the selected weights, or to the newest if these are lost."""
        step, _ = self.selected(state)
        if not self.path(step).is_dir():
            step = state.global_step
        for source in self.path(step).glob(f"{PREFIX}.*"):
            link = self.save_dir / source.name
            if link.exists() and link.samefile(source):
                continue
            with replacing(link) as temporary:
                try:
                    os.link(source, temporary)
                except OSError:  # a file system without hard links
                    shutil.copyfile(source, temporary)

    def _prune(self, state: TrainingState) -> None:
        self._best_steps[state.global_step] = state.best_step
        newest = self.steps()[-self.keep :]
        kept = {*newest, *map(self._best_step, newest)}
        for step in self.steps():
            if step not in kept:
                # Renamed first: a kill while removing must not leave half a checkpoint under its name.
                self.path(step).rename(self.folder / f".dropped-{self.path(step).name}")
        self.clean()

    def _best_step(self, step: int) -> int:
        """Return the best step at the time of `step`, or `step` itself if its state cannot be read."""
        if step not in self._best_steps:
            try:
                self.read_state(step)
            except CheckpointError:
                return step
        return self._best_steps[step]

    def clean(self) -> None:
        """Remove folders that a killed process left half written or half removed."""
        for kind in ("writing", "dropped"):
            for path in self.folder.glob(f".{kind}-step-*"):
                shutil.rmtree(path)
