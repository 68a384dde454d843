"""Show the results of a test, which `learning.inference.evaluation.evaluate` returned, as lines for people."""

from typing import Any

import numpy as np

from datasets.errors import escape_name
from learning.reports.confusion import MAX_TABLE_CLASSES, confusion_summary, confusion_table

MIN_Z = 3.0  # standard errors: one test in 700 exceeds it by chance
MIN_DROP = 0.05  # of the accuracy: a smaller drop is not worth a hint


def mirroring_hint(results: dict[str, Any]) -> str | None:
    """Return what to do if the mirrored half is much worse; None if it is not, or nothing was mirrored."""
    found = results.get("mirroring")  # missing in the results of earlier versions
    if not found or found["z"] <= MIN_Z or found["plain"] - found["mirrored"] < MIN_DROP:
        return None
    return (
        f"mirrored crops have an accuracy of {found['mirrored']:.4f}, the others {found['plain']:.4f}: these "
        "images have a left and a right; train with --data.reflect false"
    )


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
    hint = mirroring_hint(results)
    return lines if hint is None else [*lines, hint]


def detail_lines(results: dict[str, Any]) -> list[str]:
    """Return lines with the confusion matrix and the recall of each class, or a summary of many classes."""
    matrix, class_names = np.asarray(results["confusion_matrix"]), results["class_names"]
    show = confusion_table if len(class_names) <= MAX_TABLE_CLASSES else confusion_summary
    return [f"by {_crops(results['scores'][-1]).strip()}:", *show(matrix, class_names).splitlines()]
