"""Say in sentences what the figures of a run show: how good it is and how sure that is, its weak classes, its fit.

Every finding compares figures by their confidence intervals. If these overlap, there is no finding: a difference
that may be chance is not worth a sentence.
"""

from collections.abc import Mapping
from typing import Any

from learning.class_balance import is_imbalanced
from learning.confusion import balanced_accuracy
from learning.evaluators import EVALUATORS
from learning.findings.classes import quoted, weakest
from learning.findings.fitting import fit_of, loss_rise, trend
from learning.findings.intervals import interval
from learning.runs.files import RunFiles, Tested


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
        state = f"Training has finished after {done} epochs, but the network was not tested yet."
    else:
        state = f"Training is at epoch {done} of {planned}; train.py --resume continues it if it was stopped."
    return f"{state} {_best_so_far(files, best)}".strip()


def _best_so_far(files: RunFiles, best: Mapping[str, Any] | None) -> str:
    if best is None:
        return ""
    name, value = files.run.config.train.evaluator, _score_of(best)
    if best["val_score"] is None:
        return f"The best {name} of an epoch's last minibatch was {value:.4f}, in epoch {best['epoch']}."
    count = files.run.num_images.get("val")
    shown = f"{value:.4f}"
    if name == "accuracy" and count and 0 <= value <= 1:
        shown = str(interval(round(value * count), count))
    of = f" on {count} images" if count else ""
    return f"The best validation {name} is {shown}{of}, in epoch {best['epoch']}."


def _score_of(row: Mapping[str, Any]) -> Any:
    return row["train_score"] if row["val_score"] is None else row["val_score"]


def score(tested: Tested, files: RunFiles) -> str:
    """Return the accuracy with its interval, and figures to compare it with."""
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
            f"Always answering {quoted(tested.class_names[largest])} would be right for {always:.4f} of them; if "
            f"all classes count the same, the accuracy is {balanced_accuracy(tested.matrix):.4f}."
        )
    elif found.low <= always:
        answer = quoted(tested.class_names[largest])
        parts.append(f"That is not clearly better than always answering {answer} ({always:.4f}).")
    return " ".join(parts)
