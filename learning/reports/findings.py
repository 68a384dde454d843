"""Say what the figures of a run show: how good it is and how sure that is, its weak classes, how well it fits.

Every finding compares figures by their confidence intervals, and there is none where these overlap: what chance
explains is not worth a sentence. `learning.reports.advice` makes suggestions of the findings.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from datasets.errors import escape_name
from learning.class_balance import is_imbalanced
from learning.evaluators import EVALUATORS
from learning.reports.confusion import balanced_accuracy
from learning.reports.run_files import RunFiles, Tested, TrainingScore

LEVEL = 0.95  # of the confidence intervals
MIN_GAP = 0.03  # a smaller difference of accuracies is not worth a sentence
WELL_FITTED = 0.9  # of the training images; with fewer the network underfits
MIN_CLASS_IMAGES = 10  # on average, without which classes are not compared
MOST_NAMED = 3
MIN_EPOCHS = 8  # without which curves have no trend
MIN_RISE = 1.2  # of the validation loss, in relation to its lowest value


class Interval(NamedTuple):
    """A share with its confidence interval."""

    right: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Return the share, in [0, 1]."""
        return self.right / self.total

    def __str__(self) -> str:
        return f"{self.share:.4f} ({LEVEL:.0%} interval {self.low:.4f} to {self.high:.4f})"


class WeakClass(NamedTuple):
    """A class that is recognised less often than the others, beyond chance."""

    number: int
    name: str
    recall: Interval
    taken_for: str
    times: int


class Fit(NamedTuple):
    """How the network does on its training images and on held-out ones."""

    kind: Literal["overfits", "underfits", "neglects", "fits", "unknown"]
    training: Interval
    held_out: Interval
    text: str


def interval(right: int, total: int, level: float = LEVEL) -> Interval:
    """Return the Wilson score interval of a share (Wilson 1927).

    :param total: at least 1.
    """
    from scipy.stats import binomtest  # takes a second to import

    found = binomtest(right, total).proportion_ci(confidence_level=level, method="wilson")
    return Interval(right, total, float(found.low), float(found.high))


def findings(files: RunFiles) -> list[str]:
    """Return sentences about the run, the most important first."""
    found = [progress(files)]
    if files.tested is not None:
        found += [score(files.tested, files), weakest(files.tested)]
        fitted = fit_of(files)
        found.append(fitted.text if fitted else None)
    found += [loss_rise(files), trend(files)]
    return [sentence for sentence in found if sentence]


def best_epoch(files: RunFiles) -> Mapping[str, Any] | None:
    """Return the row of the best epoch; None if none has a score."""
    evaluator = EVALUATORS[files.run.config.train.evaluator]()
    threshold, best = files.run.config.train.score_threshold, evaluator.worst_score
    found = None
    for row in files.history:
        value = _score_of(row)
        if value is not None and evaluator.is_better(value, best, threshold):
            best, found = value, row
    return found


def progress(files: RunFiles) -> str | None:
    """Return where training stands, unless it has finished and was tested."""
    if not files.history:
        return "Training has not finished an epoch yet." if files.tested is None else None
    done, planned = files.history[-1]["epoch"], files.run.config.train.num_epochs
    best = best_epoch(files)
    stopped = best is not None and files.run.config.schedule.should_stop(done - best["epoch"])
    if (done >= planned or stopped) and files.tested is not None:
        return None
    if done >= planned or stopped:
        state = f"Training is finished after {done} epochs, but not yet tested."
    else:
        state = (
            f"Training stands at epoch {done} of {planned}; train.py --resume continues it if it was stopped."
        )
    return f"{state} {_best_so_far(files, best)}".strip()


def _best_so_far(files: RunFiles, best: Mapping[str, Any] | None) -> str:
    if best is None:
        return ""
    name, value = files.run.config.train.evaluator, _score_of(best)
    if best["val_score"] is None:
        return f"The best {name} of an epoch's last minibatch was {value:.4f}, in epoch {best['epoch']}."
    count = files.run.num_images.get("val")
    shown = f"{value:.4f}"
    if name == "accuracy" and count:
        shown = str(interval(round(value * count), count))
    of = f" on {count} images" if count else ""
    return f"The best validation {name} is {shown}{of}, in epoch {best['epoch']}."


def _score_of(row: Mapping[str, Any]) -> Any:
    return row["train_score"] if row["val_score"] is None else row["val_score"]


def score(tested: Tested, files: RunFiles) -> str:
    """Return the accuracy with its interval, and what puts it into proportion."""
    found = interval(tested.num_right, tested.num_images)
    crops = int(tested.scores[-1].get("crops", 1))
    way = f"{crops} crops of each image" if crops > 1 else "the centre crop of each image"
    parts = [
        f"Accuracy {found} on {tested.num_images} {tested.split} images: {found.right} right, by {way} and the "
        f"weights of epoch {tested.epoch}."
    ]
    name = files.run.config.train.evaluator
    value = tested.scores[-1].get(name)
    if name != "accuracy" and value is not None:
        parts.append(f"The {name} is {value:.4f}.")
    if tested.is_seen:
        parts.append(
            "It was trained on these images, so this says nothing about new ones; hold some out with "
            "--data.val_fraction 0.2."
        )
    counts = tested.matrix.sum(axis=1)
    largest = int(counts.argmax())
    always = counts[largest] / max(1, counts.sum())
    if is_imbalanced(counts):
        parts.append(
            f"Always answering {_quoted(tested.class_names[largest])} would be right for {always:.4f} of them; if "
            f"every class counts the same, the accuracy is {balanced_accuracy(tested.matrix):.4f}."
        )
    elif found.low <= always:
        answer = _quoted(tested.class_names[largest])
        parts.append(f"That is not clearly better than always answering {answer}: {always:.4f}.")
    return " ".join(parts)


def weak_classes(tested: Tested) -> list[WeakClass]:
    """Return the classes whose recall is below that of all other classes together, lowest first.

    Their intervals do not overlap. As many classes are compared, each interval is as much wider (Bonferroni) as
    keeps the chance of a single false alarm.
    """
    matrix, names = tested.matrix, tested.class_names
    totals, right = matrix.sum(axis=1), matrix.diagonal()
    level = 1 - (1 - LEVEL) / len(names)
    found = []
    for k in np.flatnonzero(totals):
        rest = int(totals.sum() - totals[k])
        shares = right[k] / totals[k], (right.sum() - right[k]) / max(1, rest)
        if not rest or shares[1] - shares[0] < MIN_GAP:  # which spares most of the intervals of many classes
            continue
        recall = interval(int(right[k]), int(totals[k]), level)
        if recall.high < interval(int(right.sum() - right[k]), rest, level).low:
            wrong = np.where(np.arange(len(names)) == k, 0, matrix[k])
            other = int(wrong.argmax())
            shown = interval(int(right[k]), int(totals[k]))
            found.append(WeakClass(int(k), names[k], shown, names[other], int(wrong[other])))
    return sorted(found, key=lambda weak: weak.recall.share)


def weakest(tested: Tested) -> str | None:
    """Return which classes are the weakest, or why none is named."""
    counts = tested.matrix.sum(axis=1)
    counts = counts[counts > 0]
    if tested.num_right == tested.num_images:
        return "Every one of them is recognised."
    if weak := weak_classes(tested):
        named = [
            f"{_quoted(found.name)}, {found.recall.right} of {found.recall.total} recognised (recall "
            f"{found.recall}), most often taken for {_quoted(found.taken_for)} ({found.times})"
            for found in weak[:MOST_NAMED]
        ]
        more = f"; and {len(weak) - MOST_NAMED} more" if len(weak) > MOST_NAMED else ""
        return f"Weakest {'class' if len(weak) == 1 else 'classes'}: {'; '.join(named)}{more}."
    if counts.mean() < MIN_CLASS_IMAGES:
        return (
            f"With {counts.mean():.0f} images of a class on average, weak classes cannot be told from chance."
        )
    return "No class is recognised less often than the others beyond chance."


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
        "images are recognised, both by the centre crop"
    )
    if gap >= MIN_GAP and seen.low > new.high:
        harder = _harder_test(files, tested, new)
        return Fit("overfits", seen, new, f"It overfits: {figures}.{harder}")
    if seen.high < WELL_FITTED:
        return Fit("underfits", seen, new, f"It underfits: only {figures}.")
    if unlearned := _unlearned(training, tested.class_names):
        return Fit("neglects", seen, new, unlearned)
    if gap >= MIN_GAP or max(new.high - new.low, seen.high - seen.low) > 4 * MIN_GAP:
        unsure = f"{figures[0].upper()}{figures[1:]}; the intervals are too wide to say whether it overfits."
        return Fit("unknown", seen, new, unsure)
    return Fit("fits", seen, new, f"It neither overfits nor underfits: {figures}.")


def _unlearned(training: TrainingScore, class_names: Sequence[str]) -> str:
    """Return a sentence if training images of some classes are not recognised either, though most of all are.

    That is so where nearly all images are of a few classes, which suffice for a high accuracy.
    """
    pairs = list(zip(training.num_right.tolist(), training.num_images.tolist(), strict=True))
    level = 1 - (1 - LEVEL) / len(pairs)
    found = [
        (right / total, f"{right} of {total} of {_quoted(class_names[k])}")
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
    row = next((row for row in files.history if row["epoch"] == tested.epoch), None)
    is_known = tested.split == "test" and row is not None and files.run.config.train.evaluator == "accuracy"
    if not is_known or not count or row is None or row["val_score"] is None:
        return ""
    val = interval(round(row["val_score"] * count), count)
    if val.low <= new.high or val.share - new.share < MIN_GAP:
        return ""
    return (
        f" But the validation images, which it did not learn from either, are recognised more often ({val}), so "
        "part of it is that the test images are harder, or come from elsewhere."
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
        f"{last:.4f} since, while the training loss went on falling: the later epochs made it surer of its errors."
    )


def trend(files: RunFiles) -> str | None:
    """Return that the validation score was still rising at the end of training."""
    if (found := rise(files.history, files)) is None:
        return None
    name = files.run.config.train.evaluator
    return (
        f"The validation {name} was still improving at the end: {found[0]:.4f} in the third quarter of the epochs, "
        f"{found[1]:.4f} in the last."
    )


def rise(history: Sequence[Mapping[str, Any]], files: RunFiles) -> tuple[float, float] | None:
    """Return the mean validation score in the third quarter of the epochs and in the last, if it improved.

    By twice the standard error of an accuracy on so many images; None for metrics that are not shares.
    """
    evaluator, count = (
        EVALUATORS[files.run.config.train.evaluator](),
        files.run.num_images.get("val", 0),
    )
    scores = [row["val_score"] for row in history]
    if len(scores) < MIN_EPOCHS or None in scores or not count or evaluator.worst_score not in (0.0, 1.0):
        return None
    quarter = len(scores) // 4
    before, after = np.mean(scores[-2 * quarter : -quarter]), np.mean(scores[-quarter:])
    gain = after - before if evaluator.mode == "max" else before - after
    noise = np.sqrt(max(after * (1 - after), 1 / count) / count)
    return (float(before), float(after)) if gain > 2 * noise else None


def _quoted(name: str) -> str:
    return f"'{escape_name(name)}'"
