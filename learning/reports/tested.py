"""Make the sections of a page that show a test: scores, errors, classes, the confusion matrix, calibration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learning.confusion import MAX_TABLE_CLASSES, balanced_accuracy, per_class_recall, top_confusions
from learning.findings.intervals import interval
from learning.pictures.in_memory import heat_map, png
from learning.reports.charts import reliability_diagram
from learning.reports.html import Picture, Section, Shaded, read_picture
from learning.runs.files import Tested, WrongPrediction

MAX_LISTED_CLASSES = 50  # with more, only the worst are listed
MOST_CONFUSIONS = 20
SPLITS = {"train": "training", "val": "validation", "test": "test"}


def tested_sections(tested: Tested, folder: Path, class_counts: Mapping[str, Sequence[int]]) -> list[Section]:
    """Return the sections of test.json.

    :param folder: holds it, and the pictures of its errors.
    :param class_counts: images of each class by split, as run.json has them; empty for runs of earlier versions.
    """
    sections = [_scores(tested), _errors(tested, folder), classes(tested, class_counts)]
    sections += [_matrix(tested), _calibration(tested)]
    return [section for section in sections if section is not None]


def _scores(tested: Tested) -> Section:
    columns = list(tested.scores[0])
    rows = [[entry.get(column) for column in columns] for entry in tested.scores]
    heading = f"Scores on {tested.num_images} {tested.split} images"
    return Section(heading=heading, columns=columns, rows=rows)


def _errors(tested: Tested, folder: Path) -> Section | None:
    """Return the pictures of the most confidently wrong predictions, or a table where there are none."""
    errors = tested.errors
    if not errors:
        return None
    which = "The only error." if len(errors) == 1 else f"The network's {len(errors)} most confident errors."
    line = (
        f"{which} A map beside an image shows which regions support the predicted class. Where the network is "
        "right, the label is wrong."
    )
    found = [(error, _picture(error, folder)) for error in errors]
    pictures = [picture for _, picture in found if picture is not None]
    rows = [
        [error.file, error.true, error.predicted, error.probability]
        for error, picture in found
        if picture is None
    ]
    columns = ["file", "true class", "predicted class", "probability"] if rows else []
    return Section(
        heading="Worst errors",
        lines=[line],
        pictures=pictures,
        are_thumbnails=True,
        columns=columns,
        rows=rows,
    )


def _picture(error: WrongPrediction, folder: Path) -> Picture | None:
    """Return the picture of an error; None if there is none below the folder, whatever the results say."""
    path = folder / error.picture
    if not error.picture or not path.resolve().is_relative_to(folder.resolve()):
        return None
    return read_picture(
        path, f"{error.predicted} ({error.probability:.2f}), labelled {error.true}: {error.file}"
    )


def classes(tested: Tested, class_counts: Mapping[str, Sequence[int]]) -> Section:
    """Return precision, recall and F1 of each class, and its images in every split; of many classes the worst."""
    matrix, names = tested.matrix, tested.class_names
    splits = [name for name in SPLITS if len(class_counts.get(name, ())) == len(names)]
    predicted, totals, right = matrix.sum(axis=0), matrix.sum(axis=1), matrix.diagonal()
    recalls = per_class_recall(matrix)
    rows: list[list[Any]] = []
    for k, name in enumerate(names):
        precision = right[k] / predicted[k] if predicted[k] else None
        f1 = 2 * right[k] / (predicted[k] + totals[k]) if predicted[k] + totals[k] else None
        counts = [int(class_counts[split][k]) for split in splits]
        rows.append([name, *counts, int(totals[k]), recalls[k], precision, f1])
    heading, lines = "Classes", []
    if len(names) > MAX_LISTED_CLASSES:
        rows.sort(key=lambda row: (row[-3] is None, row[-3], -row[-4]))
        rows = rows[:MAX_LISTED_CLASSES]
        lines = [f"The {len(rows)} of {len(names)} classes with the lowest recall."]
    columns = ["class", *(SPLITS[split] for split in splits), "tested", "recall", "precision", "F1"]
    return Section(heading=heading, lines=lines, columns=columns, rows=rows)


def _matrix(tested: Tested) -> Section:
    """Return the confusion matrix: a table of shares, or for many classes a picture and the main confusions."""
    names, matrix = tested.class_names, tested.matrix
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (K, K)
    lines = ["Rows are true classes, columns predicted ones; shares are of the true class."]
    if len(names) <= MAX_TABLE_CLASSES:
        rows = [
            [
                name,
                *(Shaded(_cell(*pair), float(pair[1])) for pair in zip(matrix[k], shares[k], strict=True)),
            ]
            for k, name in enumerate(names)
        ]
        return Section(
            heading="Confusion matrix", lines=lines, columns=["true \\ predicted", *names], rows=rows
        )
    return Section(
        heading="Confusion matrix",
        lines=lines,
        pictures=[
            Picture(
                data=png(heat_map(shares)),
                caption=f"{len(names)} classes in the order of the network's outputs",
                is_pixels=True,
            )
        ],
        columns=["true class", "predicted class", "images", "share of the true class"],
        rows=top_confusions(matrix, names, MOST_CONFUSIONS),
    )


def _cell(count: int, share: float) -> str:
    return f"{count}\n{share:.0%}" if count else "0"


def _calibration(tested: Tested) -> Section | None:
    """Return the reliability diagram and what the expected calibration error says."""
    found = tested.calibration
    if found is None:
        return None
    lines = [
        f"Expected calibration error {found['ece']:.4f}: the mean difference between the probability of the "
        "predicted class and the share of right answers."
    ]
    if found["temperature"] is not None:
        calibrated = found["ece_calibrated"]
        after = "" if calibrated is None else f", with which the error is {calibrated:.4f}"
        lines.append(
            f"Temperature {found['temperature']:.4f}, fitted on the validation images{after}. A temperature "
            "above 1 makes probabilities less extreme."
        )
    caption = (
        "Accuracy of the centre crops by probability. The stronger the colour, the more images; on the dashed "
        "line, probability and accuracy agree."
    )
    return Section(
        heading="Calibration", lines=lines, charts=[reliability_diagram(found["bins"], caption=caption)]
    )


def other_tests(tests: Mapping[str, Tested]) -> Section | None:
    """Return a row for each later test on other images."""
    if not tests:
        return None
    rows = []
    for file, tested in tests.items():
        found = interval(tested.num_right, tested.num_images)
        data_dir = str(tested.raw.get("data_dir") or tested.split)
        bad = len(tested.raw.get("bad_files") or ())
        rows.append(
            [
                *(data_dir, tested.num_images, found.share, f"{found.low:.4f} to {found.high:.4f}"),
                *(balanced_accuracy(tested.matrix), bad, tested.epoch, file),
            ]
        )
    columns = ["images of", "images", "accuracy", "95% interval", "balanced accuracy", "unreadable"]
    return Section(heading="Tests on other images", columns=[*columns, "epoch", "file"], rows=rows)
