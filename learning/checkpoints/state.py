"""The host's part of a training state: everything that the graph's variables do not hold."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from datasets.storage.untrusted import parse_json
from learning.errors import CheckpointError

CHECKPOINTS = "checkpoints"  # the folder in a run directory
LOSSES_FILE = "losses.float64"  # in CHECKPOINTS
MAX_BYTES = 256 * 2**20  # earlier versions kept every loss here: 25 MiB for a million updates
MAX_LOSSES = 2**26  # updates whose losses may be in a file: 2 GB in memory


@dataclass(kw_only=True)
class TrainingState:
    """The state of training after `global_step` updates.

    :ivar epoch: epochs completed; an epoch is num_examples // batch_size updates.
    :ivar cursor: position in the training set, see `DataSet.cursor`.
    :ivar best_score: score of the best epoch so far; at first the evaluator's worst, and `best_epoch` is 0.
    :ivar num_bad_epochs: epochs in a row without a better score; 0 again when the rate falls.
    :ivar schedule: state of the learning-rate schedule.
    :ivar step_losses: one per update. step_scores, eval_scores: one per epoch.
    :ivar earlier_losses: in a checkpoint, whose `step_losses` begin after the last whole epoch: count and
        checksum of the losses before, which are in a `LossFile`. Empty while training, and in checkpoints of
        earlier versions.
    :ivar history: one row per epoch: epoch, step, learning_rate, train_loss, train_score, val_score
        and, unless an earlier version began the run, val_loss.
    :ivar fixed: what must be the same when the run is resumed: options and facts about the training set.
    :ivar machines: the machines that computed the run, each with `from_step`, the update before its first: see
        `learning.machine.identity`. Empty in a checkpoint of an earlier version.
    """

    global_step: int = 0
    epoch: int = 0
    cursor: dict[str, int] = field(default_factory=dict)
    best_score: float = math.nan
    best_epoch: int = 0
    best_step: int = 0
    num_bad_epochs: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)
    step_losses: list[float] = field(default_factory=list)
    earlier_losses: dict[str, int] = field(default_factory=dict)
    step_scores: list[float] = field(default_factory=list)
    eval_scores: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    fixed: dict[str, Any] = field(default_factory=dict)
    machines: list[dict[str, Any]] = field(default_factory=list)

    def end_epoch(
        self,
        step_score: float,
        eval_score: float | None,
        learning_rate: float,
        num_steps: int,
        *,
        improved: bool,
        eval_loss: float | None = None,
    ) -> None:
        """Record an epoch of `num_steps` updates, the last at `learning_rate`.

        :param step_score: score of the last minibatch. eval_score: of the validation set, None without one.
        :param improved: whether the score (of the validation set if there is one) is the best so far.
        :param eval_loss: cross-entropy of the validation set, None without one. The history of a run of an earlier
            version, which has no such column, goes on without it.
        """
        self.epoch += 1
        self.step_scores.append(step_score)
        if eval_score is not None:
            self.eval_scores.append(eval_score)
        if improved:
            self.best_score = step_score if eval_score is None else eval_score
            self.best_epoch, self.best_step = self.epoch, self.global_step
        self.num_bad_epochs = 0 if improved else self.num_bad_epochs + 1
        row = {
            "epoch": self.epoch,
            "step": self.global_step,
            "learning_rate": learning_rate,
            "train_loss": math.fsum(self.step_losses[-num_steps:]) / num_steps,
            "train_score": step_score,
            "val_score": eval_score,
        }
        if not self.history or "val_loss" in self.history[-1]:
            row["val_loss"] = eval_loss
        self.history.append(row)

    @property
    def num_steps_of_epochs(self) -> int:
        """Return the number of updates in the completed epochs."""
        return int(self.history[-1]["step"]) if self.history else 0

    def to_json(self) -> str:
        """Return JSON text from which every float comes back to the bit; NaN and infinities are strings."""
        return json.dumps(_to_plain(dataclasses.asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str) -> "TrainingState":
        """Read the text of `to_json`. CheckpointError, naming `where`, for any other text."""
        if len(text) > MAX_BYTES:
            raise CheckpointError(f"{where} is larger than {MAX_BYTES} bytes")
        try:
            state = cls(**_from_plain(parse_json(text, max_values=1000 + len(text) // 4)))
        except (ValueError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{where} is not a training state: {error}") from error
        state._check(where)
        return state

    def _check(self, where: str) -> None:
        """Raise CheckpointError if a value is not of its type."""
        empty = TrainingState()
        for name, value in vars(self).items():
            expected, items = type(getattr(empty, name)), _ITEMS.get(name)
            if type(value) is not expected:
                raise CheckpointError(f"{where}: {name} is not of type {expected.__name__}")
            if items and not all(type(item) is items for item in value):
                raise CheckpointError(f"{where}: {name} holds something that is not of type {items.__name__}")
        for row in self.history:
            if type(row.get("step")) is not int or not all(type(value) in _NUMBERS for value in row.values()):
                raise CheckpointError(f"{where}: history holds {row!r:.80}")
        earlier = self.earlier_losses
        if earlier and not (
            earlier.keys() == {"count", "crc32"}
            and all(type(value) is int for value in earlier.values())
            and 0 <= earlier["count"] <= MAX_LOSSES
            and earlier["count"] == self.num_steps_of_epochs
            and earlier["count"] + len(self.step_losses) == self.global_step
        ):
            raise CheckpointError(f"{where}: earlier_losses is {earlier!r:.80}")


_NUMBERS = (int, float, type(None))  # of a row of the history
_ITEMS: dict[str, type] = {
    **dict.fromkeys(("step_losses", "step_scores", "eval_scores"), float),
    **dict.fromkeys(("history", "machines"), dict),
}


def _to_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: _from_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_plain(item) for item in value]
    return value
