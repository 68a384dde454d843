"""Find out whether a network overfits or underfits, from its training and held-out images and its curves."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from learning.evaluators import EVALUATORS
from learning.findings.classes import MOST_NAMED, quoted
from learning.findings.intervals import LEVEL, MIN_GAP, Interval, interval
from learning.runs.files import RunFiles, Tested, TrainingScore

WELL_FITTED = 0.9  # of the training images; with fewer the network underfits
MIN_EPOCHS = 8  # without which curves have no trend
MIN_RISE = 1.2  # of the validation loss, in relation to its lowest value


class Fit(NamedTuple):
    """How the network does on its training images and on held-out ones."""

    kind: Literal["overfits", "underfits", "neglects", "fits", "unknown"]
    training: Interval
    held_out: Interval
    text: str


def fit_of(files: RunFiles) -> Fit | None:
    """Compare training images with held-out ones, both by the centre crop and the same weights.

    :return: None if one of the two figures is not known, or nothing was held out.
    """
    tested, training = files.tested, files.training
    if tested is None or training is None or tested.is_seen or training.epoch != tested.epoch:
        return None
    if tested.scores[0].get("crops", 1) != 1:
        return None
    right = round(float(tested.scores[0]["accuracy"]) * tested.num_images)
    seen = interval(int(training.num_right.sum()), int(training.num_images.sum()))
    new = interval(right, tested.num_images)
    gap = seen.share - new.share
    figures = (
        f"{seen.share:.4f} of {seen.total} training images and {new.share:.4f} of {new.total} {tested.split} "
        "images, both by the centre crop"
    )
    if gap >= MIN_GAP and seen.low > new.high:
        harder = _harder_test(files, tested, new)
        return Fit("overfits", seen, new, f"It overfits: it recognises {figures}.{harder}")
    if seen.high < WELL_FITTED:
        return Fit("underfits", seen, new, f"It underfits: it recognises only {figures}.")
    if unlearned := _unlearned(training, tested.class_names):
        return Fit("neglects", seen, new, unlearned)
    if gap >= MIN_GAP or max(new.high - new.low, seen.high - seen.low) > 4 * MIN_GAP:
        unsure = f"It recognises {figures}; the intervals are too wide to say whether it overfits."
        return Fit("unknown", seen, new, unsure)
    return Fit("fits", seen, new, f"It neither overfits nor underfits: it recognises {figures}.")


def _unlearned(training: TrainingScore, class_names: Sequence[str]) -> str:
    """Return a sentence if some classes are not recognised even in training, although most images are.

    This happens if nearly all images belong to a few classes, which suffice for a high accuracy.
    """
    pairs = list(zip(training.num_right.tolist(), training.num_images.tolist(), strict=True))
    level = 1 - (1 - LEVEL) / len(pairs)
    found = [
        (right / total, f"{right} of {total} of {quoted(class_names[k])}")
        for k, (right, total) in enumerate(pairs)
        if right < WELL_FITTED * total and interval(right, total, level).high < WELL_FITTED
    ]
    if not found:
        return ""
    named = ", ".join(text for _, text in sorted(found)[:MOST_NAMED])
    more = f", and so on for {len(found) - MOST_NAMED} more classes" if len(found) > MOST_NAMED else ""
    return f"It has not learned every class: of its own training images it recognises only {named}{more}."


def _harder_test(files: RunFiles, tested: Tested, new: Interval) -> str:
    """Return a sentence if validation images are recognised clearly more often than test images."""
    count = files.run.num_images.get("val", 0)
    row = next((row for row in files.history if row["epoch"] == tested.epoch), {"val_score": None})
    score, is_accuracy = row["val_score"], files.run.config.train.evaluator == "accuracy"
    if tested.split != "test" or not is_accuracy or not count or score is None or not 0 <= score <= 1:
        return ""
    val = interval(round(score * count), count)
    if val.low <= new.high or val.share - new.share < MIN_GAP:
        return ""
    return (
        f" But it recognises validation images, which it did not learn from either, more often ({val}), so part of "
        "the gap is that the test images are harder, or come from elsewhere."
    )


def loss_rise(files: RunFiles) -> str | None:
    """Return that the validation loss has risen since its lowest value, while the training loss fell."""
    rows = [row for row in files.history if row["val_loss"] is not None and np.isfinite(row["val_loss"])]
    if len(rows) < MIN_EPOCHS:
        return None
    lowest = min(rows, key=lambda row: row["val_loss"])
    last = float(np.median([row["val_loss"] for row in rows[-3:]]))
    is_late = lowest["epoch"] > 0.8 * rows[-1]["epoch"]
    if is_late or last < MIN_RISE * lowest["val_loss"] or last - lowest["val_loss"] < 0.01:
        return None
    if not rows[-1]["train_loss"] or not rows[-1]["train_loss"] < lowest["train_loss"]:
        return None
    return (
        f"The validation loss was lowest in epoch {lowest['epoch']} ({lowest['val_loss']:.4f}) and has risen to "
        f"{last:.4f} since, while the training loss went on falling: the later epochs made it more confident in "
        "its errors."
    )


def trend(files: RunFiles) -> str | None:
    """Return that the validation score was still rising at the end of training."""
    if (found := rise(files)) is None:
        return None
    name = files.run.config.train.evaluator
    return (
        f"The validation {name} was still improving at the end: {found[0]:.4f} in the third quarter of the epochs, "
        f"{found[1]:.4f} in the last."
    )


def rise(files: RunFiles) -> tuple[float, float] | None:
    """Return the mean validation score in the third quarter of the epochs and in the last, if it improved.

    The improvement must exceed twice the standard error of an accuracy on so many images. None for metrics that are
    not shares.
    """
    evaluator = EVALUATORS[files.run.config.train.evaluator]()
    count = files.run.num_images.get("val", 0)
    scores = [row["val_score"] for row in files.history]
    if len(scores) < MIN_EPOCHS or None in scores or not count or evaluator.worst_score not in (0.0, 1.0):
        return None
    quarter = len(scores) // 4
    before, after = np.mean(scores[-2 * quarter : -quarter]), np.mean(scores[-quarter:])
    gain = after - before if evaluator.mode == "max" else before - after
    noise = np.sqrt(max(after * (1 - after), 1 / count) / count)
    return (float(before), float(after)) if gain > 2 * noise else None
