"""Draw the pictures of a run: learning curves, a confusion matrix, images in a grid.

Each picture is its own matplotlib figure, without pyplot, a backend or shared state, and is written as PNG. Import
this module only to draw, because matplotlib takes a while to import.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learning.confusion import checked_counts
from learning.pictures.drawing import Axes, Figure, MaxNLocator, plain, save, shortened, wrapped

MAX_COUNTED_CLASSES = 30  # with more, a cell is too small for its count
MAX_NAMED_CLASSES = 60  # with more, only some classes have their name at the axis
MAX_GRID_IMAGES = 400
TRAIN_COLOUR, VAL_COLOUR, RATE_COLOUR = "#4c72b0", "#dd8452", "#55a868"


def draw_learning_curves(
    history: Sequence[Mapping[str, Any]],
    path: str | Path,
    *,
    title: str = "Learning curves",
    best_epoch: int | None = None,
    metric: str = "score",
) -> None:
    """Draw loss, scores and learning rate against the epoch.

    :param history: one row per epoch with epoch (int), learning_rate, train_loss, train_score and val_score
        (float), and perhaps val_loss; None or NaN leaves a gap, and a curve without any value is left out.
    :param best_epoch: the epoch to mark, if any.
    :param metric: what the scores are.
    :raises ValueError: the history is empty.
    """
    if not history:
        raise ValueError("the history is empty; draw the curves after the first epoch")
    figure = Figure(figsize=(8, 8.5), layout="constrained")
    figure.suptitle(plain(title))
    loss, score, rate = figure.subplots(3, 1, sharex=True, height_ratios=[2, 2, 1])
    epochs = [row["epoch"] for row in history]
    _draw_curve(loss, epochs, _values(history, "train_loss"), TRAIN_COLOUR, "training")
    _draw_curve(loss, epochs, _values(history, "val_loss"), VAL_COLOUR, "validation, without weight decay")
    _draw_curve(score, epochs, _values(history, "train_score"), TRAIN_COLOUR, "last minibatch")
    _draw_curve(score, epochs, _values(history, "val_score"), VAL_COLOUR, "validation")
    _draw_curve(rate, epochs, _values(history, "learning_rate"), RATE_COLOUR, "learning rate")
    for axes, label in ((loss, "loss"), (score, plain(metric)), (rate, "learning rate")):
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    if np.nanmax(_values(history, "learning_rate"), initial=0) > 0:
        rate.set_yscale("log", nonpositive="mask")
    rate.set_xlabel("epoch")
    rate.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    if len(epochs) == 1:  # leave room around it
        rate.set_xlim(epochs[0] - 1, epochs[0] + 1)
    if best_epoch is not None:
        _mark_best_epoch(loss, score, history, best_epoch)
    for axes in (loss, score):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", frameon=False)
    figure.align_ylabels()
    save(figure, Path(path))


def _values(history: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Return one column of the history as float64 (epochs,), NaN if a value is not finite."""
    values = np.array([math.nan if row.get(key) is None else row[key] for row in history], np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _draw_curve(axes: Axes, epochs: list[int], values: np.ndarray, colour: str, label: str) -> None:
    """Draw a line with markers, because a single epoch, or one between gaps, has no line."""
    if np.isfinite(values).any():
        size = 4.0 if len(epochs) <= 40 else 1.5
        axes.plot(epochs, values, color=colour, label=label, marker="o", markersize=size, linewidth=1.4)


def _mark_best_epoch(loss: Axes, score: Axes, history: Sequence[Mapping[str, Any]], best_epoch: int) -> None:
    """Draw a vertical line through both panels, and put the score of that epoch into the legend."""
    row = next((row for row in history if row["epoch"] == best_epoch), {})
    best = [row[key] for key in ("val_score", "train_score") if row.get(key) is not None]
    label = f"best: epoch {best_epoch}" + (f" ({best[0]:.4g})" if best else "")
    for axes in (loss, score):
        axes.axvline(best_epoch, color="0.35", linestyle="--", linewidth=1, label=label)


def draw_confusion_matrix(matrix: np.ndarray, class_names: Sequence[str], path: str | Path) -> None:
    """Draw a confusion matrix, which `learning.confusion` describes.

    A cell's colour is its share of the true class's examples; up to MAX_COUNTED_CLASSES classes, cells have counts.

    :raises ValueError: another shape, negative or fractional counts, or a different number of names.
    """
    counts = checked_counts(matrix, class_names)
    num_classes = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (K, K) in [0, 1]
    side = min(4.0 + 0.42 * num_classes, 17.0)  # inches, about 3 of them for the names
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8, pad=0.02)
    axes.set(xlabel="predicted class", ylabel="true class")
    _name_classes(axes, class_names)
    if num_classes <= MAX_COUNTED_CLASSES:
        _write_counts(axes, counts, shares, cell_points=72 * (side - 3) / num_classes)
    save(figure, Path(path))


def _name_classes(axes: Axes, class_names: Sequence[str]) -> None:
    """Write the class names at both axes: shortened, and only every n-th of too many."""
    stride = math.ceil(len(class_names) / MAX_NAMED_CLASSES)
    positions = range(0, len(class_names), stride)
    names = [plain(shortened(class_names[k])) for k in positions]
    size = 10 if len(class_names) <= 12 else 8
    is_horizontal = len(class_names) <= 6 and max(map(len, names)) <= 8
    rotation = 0 if is_horizontal else 45 if len(class_names) <= 12 else 90
    axes.set_yticks(positions, names, fontsize=size)
    axes.set_xticks(positions, names, fontsize=size, rotation=rotation)
    if rotation == 45:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray, cell_points: float) -> None:
    """Write every count into its cell, smaller for many classes or digits; zeros stay faint."""
    size = min(11.0, 1.3 * cell_points / len(str(counts.max())))  # a digit is 0.64 of its size wide
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.55 else "0.1" if count else "0.7"
        axes.text(column, row, str(count), ha="center", va="center", fontsize=size, color=colour)


def draw_image_grid(
    images: np.ndarray, captions: Sequence[str], path: str | Path, *, columns: int = 8
) -> None:
    """Draw images in rows, each below its caption.

    :param images: (N, H, W, C), C 1 or 3; uint8, or float in [0, 1]; N from 1 to MAX_GRID_IMAGES.
    :param captions: N texts; two lines of each are shown.
    :param columns: images in a row.
    :raises ValueError: another shape, dtype, value range or number of captions.
    """
    pixels = _checked_images(images)
    if len(captions) != len(pixels):
        raise ValueError(f"{len(captions)} captions for {len(pixels)} images; give one for each image")
    if columns < 1:
        raise ValueError(f"columns is {columns}; give 1 or more")
    columns = min(columns, len(pixels))
    rows = math.ceil(len(pixels) / columns)
    height = 1.6 * pixels.shape[1] / pixels.shape[2]
    figure = Figure(figsize=(1.6 * columns, (height + 0.45) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, caption in zip(grid, pixels, captions, strict=False):
        axes.imshow(image, interpolation="nearest" if max(image.shape) < 100 else "antialiased")
        axes.set_title(wrapped(caption), fontsize=7, pad=2)
    save(figure, Path(path))


def _checked_images(images: np.ndarray) -> np.ndarray:
    """Return the images as (N, H, W, 3), uint8 or float32."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"images have shape {images.shape}; give (N, H, W, C) with C of 1 or 3 and N above 0"
        )
    if len(images) > MAX_GRID_IMAGES:
        raise ValueError(f"{len(images)} images are too many for a picture; give at most {MAX_GRID_IMAGES}")
    if np.issubdtype(images.dtype, np.floating):
        if not (images.min() >= -1e-5 and images.max() <= 1 + 1e-5):
            raise ValueError(
                f"float images have values from {images.min()} to {images.max()}; scale them to [0, 1]"
            )
        images = np.clip(images.astype(np.float32), 0, 1)
    elif images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}; give uint8, or float in [0, 1]")
    return np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images
