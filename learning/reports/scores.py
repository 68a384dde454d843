"""Show the results of a test, which `learning.evaluation.evaluate.evaluate` returned, as lines for people."""

from typing import Any

import numpy as np

from datasets.errors import escape_name
from learning.class_balance import is_imbalanced, listed_counts
from learning.confusion import MAX_TABLE_CLASSES, balanced_accuracy, neglected_classes
from learning.evaluation.mirroring import mirroring_hint
from learning.reports.text_tables import confusion_summary, confusion_table

MOST_NAMED = 3  # classes in a hint


def balance_hint(results: dict[str, Any]) -> str | None:
    """Return the balanced accuracy if the tested images are imbalanced; None if they are not."""
    matrix, class_names = np.asarray(results["confusion_matrix"]), results["class_names"]
    counts = matrix.sum(axis=1)
    if not is_imbalanced(counts):
        return None
    listed, balanced = listed_counts(counts, class_names), balanced_accuracy(matrix)
    return f"the tested images are imbalanced ({listed}): balanced accuracy {balanced:.4f}"


def neglect_hint(results: dict[str, Any]) -> str | None:
    """Return which classes are recognised much less often than the others; None if none is."""
    neglected = neglected_classes(np.asarray(results["confusion_matrix"]), results["class_names"])
    if not neglected:
        return None
    named = [f"{right} of {total} of '{escape_name(name)}'" for name, right, total in neglected[:MOST_NAMED]]
    rest = len(neglected) - MOST_NAMED
    more = f", and {rest} more" if rest > 0 else ""
    return (
        f"some classes are rarely recognised: {', '.join(named)}{more}; add images, or weight small classes with "
        "--train.class_weights balanced"
    )


def hints(results: dict[str, Any]) -> list[str]:
    """Return lines about what the scores alone do not show."""
    return [hint for find in (balance_hint, neglect_hint, mirroring_hint) if (hint := find(results))]


def calibration_line(results: dict[str, Any]) -> str | None:
    """Return how well the probabilities are calibrated; None in the results of earlier versions."""
    found = results.get("calibration")
    if not found or found["ece"] is None:
        return None
    line = f"calibration error of one crop {found['ece']:.4f}"
    if found["temperature"] is None:
        return f"{line}; no temperature: {found['reason']}"
    return f"{line}, with the temperature {found['temperature']:.3f} {found['ece_calibrated']:.4f}"


def _crops(entry: dict[str, Any]) -> str:
    return f"{entry['crops']:>2} crop{'s' if entry['crops'] > 1 else ''}"


def score_lines(results: dict[str, Any]) -> list[str]:
    """Return lines with the scores of one crop and of all crops."""
    count, split = results["num_images"], results["split"]
    images = f"{count} images of {escape_name(split)}" if "data_dir" in results else f"{count} {split} images"
    lines = [f"{images}, weights of epoch {results['epoch']}"]
    for entry in results["scores"]:
        values = [
            f"{key} {'-' if value is None else f'{value:.4f}'}"
            for key, value in entry.items()
            if key not in ("crops", "seconds")
        ]
        lines.append(f"  {_crops(entry):<8}  {'  '.join(values)}")
    calibration = calibration_line(results)
    return [*lines, *([calibration] if calibration else []), *hints(results)]


def detail_lines(results: dict[str, Any]) -> list[str]:
    """Return lines with the confusion matrix and the recall of each class, or a summary, and suspected labels."""
    matrix, class_names = np.asarray(results["confusion_matrix"]), results["class_names"]
    show = confusion_table if len(class_names) <= MAX_TABLE_CLASSES else confusion_summary
    crops = _crops(results["scores"][-1]).strip()
    return [f"by {crops}:", *show(matrix, class_names).splitlines(), *label_lines(results)]


def label_lines(results: dict[str, Any]) -> list[str]:
    """Return lines with the images whose labels may be wrong, if the test looked for them."""
    issues = results.get("label_issues")
    if issues is None:
        return []
    head = "labels that may be wrong, the most suspicious first:" if issues else "no label looks wrong"
    return [head, *(f"  {_label_line(issue)}" for issue in issues)]


def _label_line(issue: dict[str, Any]) -> str:
    file, label, suggested = (escape_name(issue[key]) for key in ("file", "label", "suggested"))
    return f"{file}: labelled {label}, looks like {suggested} ({issue['probability']:.4f})"
