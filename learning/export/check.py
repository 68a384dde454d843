"""Check an export before it is published: it must answer as the run does, in a process without this project."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.errors import escape_name
from learning.errors import ExportError
from learning.export import answer
from learning.export.questions import Questions
from models.runtime.tensorflow_paths import plain_folder

# Another runtime adds the same float32 products in another order, and weights were multiplied with the scale of
# batch norm before. Each step rounds by 6e-8 of a number; over the layers of a deep network this moves logits by up
# to 1e-4, and a probability by at most half of that. Another mean, or another order of the classes, moves some
# probability by much more than the tolerance.
TOLERANCE = 1e-3  # of a probability
# By integers in place of numbers. Images that get another class are mostly those that the run is unsure of, too, so
# that fewer answers become wrong than become others.
MOST_LOSS, MOST_OTHERS = 0.05, 0.15  # of accuracy; of the images, if their classes are not known
# Pillow resizes in fixed-point numbers and TensorFlow in float32, which differs by 1 level of 255, and by 2 where a
# picture is partly transparent. A wrong orientation, filter or order of channels differs by far more.
MOST_LEVELS = 4
Answers = Mapping[str, np.ndarray]
OwnAnswers = Callable[[np.ndarray], np.ndarray]  # images uint8 (N, H, W, C) -> probabilities (N, K)


def checked(
    kind: str,
    export: Path,
    questions: Questions,
    class_names: Sequence[str],
    own_answers: OwnAnswers,
    *,
    is_quantized: bool = False,
) -> dict[str, Any]:
    """Ask an export for its answers, and return how closely they agree with the run's own, ready for JSON.

    :param kind: the format.
    :param class_names: the run's K names.
    :param is_quantized: whether it computes with integers, so that only its accuracy can agree.
    :raises ExportError: it cannot be used, or does not agree.
    """
    rows, files, num_originals = questions.files() if kind == "saved_model" else ((), [], 0)
    answers = ask(kind, export, questions.images, files)
    check_names(answers, class_names)
    expected = own_answers(questions.images)
    report: dict[str, Any] = {"source": questions.source, "images": len(expected)}
    if is_quantized:
        return report | compare_accuracy(expected, answers["probabilities"], questions.labels)
    report |= compare(expected, answers, questions.names, class_names)
    if files:
        encoded = {name.removeprefix("encoded_"): answers[name] for name in answers if "encoded_" in name}
        names = [questions.names[row] for row in rows]
        levels = compare_pixels(questions.images[rows], encoded["pixels"], names)
        compare(own_answers(encoded["pixels"]), encoded, names, class_names)
        report["encoded"] = {
            "images": len(rows),
            "original_files": num_originals,
            "largest_difference_in_levels": levels,
            **agreement(expected[rows], encoded["probabilities"]),
        }
    return report


def ask(kind: str, export: Path, images: np.ndarray, files: Sequence[bytes]) -> Answers:
    """Return what an export answers in a separate process, see `learning.export.answer`.

    :raises ExportError: it cannot be loaded or computed there.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = shutil.copy(answer.__file__, folder)
        joined = np.frombuffer(b"".join(files), np.uint8)
        np.savez(
            folder / "questions.npz", images=images, files=joined, ends=np.cumsum([len(f) for f in files])
        )
        with plain_folder(export.resolve()) as path:
            command = [sys.executable, "-I", program, kind, path, "questions.npz", "answers.npz"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise ExportError(f"the {kind} export cannot be used: {lines[-1]}; nothing was kept")
        with np.load(folder / "answers.npz", allow_pickle=False) as found:
            return dict(found)


def check_names(answers: Answers, class_names: Sequence[str]) -> None:
    """Raise ExportError unless the export names the run's classes in their order."""
    found = answers["class_names"].tolist()
    if found == list(class_names):
        return
    pairs = zip([*found, *[""] * len(class_names)], class_names, strict=False)
    number, (theirs, ours) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
    raise ExportError(
        f"class {number} of the export is '{escape_name(theirs)}', of the run '{escape_name(ours)}'; "
        "nothing was kept"
    )


def compare(
    expected: np.ndarray, answers: Answers, names: Sequence[str], class_names: Sequence[str]
) -> dict[str, Any]:
    """Return how closely probabilities agree.

    Where all probabilities agree, the most probable class can differ only in a tie within the tolerance.

    :param expected: (N, K), the run's own probabilities.
    :param names: N names of the images.
    :return: what `agreement` returns, and the tolerance.
    :raises ExportError: they do not agree; the message names the first image.
    """
    found = answers["probabilities"]
    if found.shape != expected.shape:
        raise ExportError(
            f"the export's probabilities have the shape {found.shape}, the run's {expected.shape}; nothing was kept"
        )
    differences = np.abs(found - expected)  # (N, K)
    wrong = np.flatnonzero(~(differences <= TOLERANCE).all(axis=1))  # NaN included
    if len(wrong):
        largest = np.fmax.reduce(differences, axis=None)  # of those that are numbers
        ours, theirs = (_told(values[wrong[0]], class_names) for values in (expected, found))
        raise ExportError(
            f"the export answers '{escape_name(names[wrong[0]])}' by {theirs}, the run by {ours}; {len(wrong)} of "
            f"{len(expected)} images differ, probabilities by up to {largest:.2g} where "
            f"{TOLERANCE:g} is allowed; nothing was kept"
        )
    best = found.argmax(axis=1)
    if "classes" in answers and answers["classes"].tolist() != [class_names[number] for number in best]:
        raise ExportError("the export does not name its most probable classes; nothing was kept")
    return {**agreement(expected, found), "tolerance": TOLERANCE}


def agreement(expected: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Return the number of images with the same best class, and the largest difference of a probability (N, K)."""
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    return {"same_class": int(same.sum()), "largest_difference": float(np.abs(found - expected).max())}


def compare_accuracy(expected: np.ndarray, found: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    """Return the loss of accuracy from computing in integers.

    :param expected: (N, K), the run's own probabilities. found: those of the export.
    :param labels: int (N,), the true classes; None: they are not known, and the run's answers count as true.
    :return: accuracy of the export, accuracy_of_run, loss_of_accuracy, and what `agreement` returns.
    :raises ExportError: more than MOST_LOSS or MOST_OTHERS, and more than one image, is lost.
    """
    truth = expected.argmax(axis=1) if labels is None else labels
    count = len(truth)
    own, theirs = (int(np.sum(values.argmax(axis=1) == truth)) for values in (expected, found))
    most, what = (
        (MOST_OTHERS, "gives the run's class to") if labels is None else (MOST_LOSS, "is right about")
    )
    if own - theirs > max(1, most * count):
        raise ExportError(
            f"with integers the export {what} {theirs} of {count} images, the run {own}; at most {most:.0%} may be "
            "lost; nothing was kept: leave --int8 out"
        )
    return {
        "accuracy": theirs / count,
        "accuracy_of_run": own / count,
        "loss_of_accuracy": (own - theirs) / count,
        "has_labels": labels is not None,
        **agreement(expected, found),
    }


def compare_pixels(expected: np.ndarray, found: np.ndarray, names: Sequence[str]) -> int:
    """Return the largest difference in levels of pixels uint8 (N, H, W, C) that the export decoded.

    :raises ExportError: it is larger than MOST_LEVELS; the message names the first image.
    """
    levels = np.abs(found.astype(int) - expected).max(axis=(1, 2, 3))  # (N,)
    wrong = np.flatnonzero(levels > MOST_LEVELS)
    if len(wrong):
        raise ExportError(
            f"the export decodes '{escape_name(names[wrong[0]])}' to pixels that differ by up to "
            f"{levels[wrong[0]]} levels of 255 from the run's, where {MOST_LEVELS} are allowed; nothing was kept"
        )
    return int(levels.max())


def _told(probabilities: np.ndarray, class_names: Sequence[str]) -> str:
    best = int(probabilities.argmax())
    return f"'{escape_name(class_names[best])}' with {probabilities[best]:.4f}"
