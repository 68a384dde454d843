"""Suggest what to try next, each suggestion with the figure that it comes from."""

import numpy as np

from datasets.errors import escape_name
from learning.class_balance import is_balanced, is_imbalanced, listed_counts
from learning.evaluation.mirroring import mirroring_hint
from learning.findings.classes import weak_classes
from learning.findings.fitting import fit_of, rise
from learning.findings.intervals import interval
from learning.runs.files import RunFiles, Tested

FEW_IMAGES = 1000  # of a class, with which published weights usually help
SMALL_CROP = 128  # pixels
USUAL_DECAY = 5e-4
FEWEST_IMAGES = 50  # that a temperature is fitted to, see `learning.evaluation.calibration`
MIN_ECE = 0.05
MOST = 5  # suggestions
MADE_SMALL = ("digits", "mnist", "cifar10")  # whose images have no more pixels


def advice(files: RunFiles) -> list[str]:
    """Return suggestions that the figures of the run support, the most useful first."""
    tested = files.tested
    if tested is None:
        return []
    found = [
        *_about_classes(files, tested),
        *_about_fit(files),
        *_about_tests(tested, files.run.num_images.get("val", 0)),
    ]
    return list(dict.fromkeys(found))[:MOST]


def _about_classes(files: RunFiles, tested: Tested) -> list[str]:
    """Return what helps weak classes: more images of them, a larger share of the loss."""
    weak = weak_classes(tested)
    if not weak:
        return []
    counts = files.run.info.get("class_counts", {}).get("train")
    names = ", ".join(f"'{escape_name(found.name)}'" for found in weak[:3])
    look = "; check the worst errors below first, since their labels may be wrong" if tested.errors else ""
    found = [f"More training images of {names}{look}."]
    if not counts or len(counts) != len(tested.class_names):
        return found
    counts = np.asarray(counts)
    small = [item for item in weak if counts[item.number] < 0.5 * counts[counts > 0].mean()]
    if small:
        listed = ", ".join(f"{counts[item.number]} of '{escape_name(item.name)}'" for item in small[:3])
        found = [
            f"More training images of the weak classes: there are {listed}, and "
            f"{counts[counts > 0].mean():.0f} per class on average."
        ]
    if is_imbalanced(counts) and small and not is_balanced(files.run.config):
        found.insert(
            0,
            "Equal weight for small classes, --train.class_weights balanced or --data.order balanced: training "
            f"had {listed_counts(counts, tested.class_names)}.",
        )
    return found


def _about_fit(files: RunFiles) -> list[str]:
    fitted = fit_of(files)
    if fitted is not None and fitted.kind == "overfits":
        return _against_overfitting(files)
    return _against_underfitting(files) if fitted is not None and fitted.kind == "underfits" else []


def _against_overfitting(files: RunFiles) -> list[str]:
    """Return what narrows the gap between training and held-out images."""
    config, info = files.run.config, files.run.info
    count, num_classes = files.run.num_images.get("train", 0), len(files.run.class_names)
    each = count / num_classes
    found = []
    if not config.train.augment_train or not config.data.redraw:
        found.append("Augmentation, --train.augment_train true: this run saw the same crops in every epoch.")
    if each < FEW_IMAGES and count:
        found.append(f"More training images: there are {each:.0f} per class on average.")
    is_photographs = config.data.name not in MADE_SMALL
    if config.model.init is None and "init" not in info and each < FEW_IMAGES and is_photographs:
        found.append(
            "Fine-tuning published weights, which need fewer images (train.py --config folder): this run started "
            "from random ones."
        )
    if config.model.weight_decay < USUAL_DECAY:
        found.append(f"More weight decay: --model.weight_decay is {config.model.weight_decay:g}.")
    if config.model.freeze is None and config.data.crop_scale is None and is_photographs:
        found.append("Stronger augmentation, such as crops of random size (--data.crop_scale '[0.35, 1.0]').")
    return found


def _against_underfitting(files: RunFiles) -> list[str]:
    """Return what lets the network fit its training images."""
    config = files.run.config
    found = []
    if rise(files):
        found.append(f"More epochs: the score was still improving after {files.history[-1]['epoch']}.")
    if config.model.freeze is not None:
        found.append(f"Training more layers: --model.freeze is {config.model.freeze}.")
    side = min(files.run.input_shape[:2])
    if side < SMALL_CROP and config.data.name not in MADE_SMALL:
        found.append(f"Larger images and crops (--data.image_size): the network sees {side} pixels.")
    if config.model.weight_decay > USUAL_DECAY:
        found.append(f"Less weight decay: --model.weight_decay is {config.model.weight_decay:g}.")
    if config.model.init is None and config.data.name not in MADE_SMALL:
        found.append(
            "Fine-tuning published weights (train.py --config folder): this run started from random ones."
        )
    return [*found, "A larger network, or another learning rate."][:4]


def _about_tests(tested: Tested, num_val: int) -> list[str]:
    """Return suggestions about mirroring, confidence, and the size of the test."""
    found = []
    if hint := mirroring_hint(tested.raw):
        found.append(f"No mirror images, --data.reflect false: {hint.split(':')[0]}.")
    calibration = tested.calibration if num_val >= FEWEST_IMAGES else None
    if calibration and calibration["ece"] > MIN_ECE and calibration["temperature"] is None:
        found.append(f"A fitted temperature: probabilities are off by {calibration['ece']:.4f} on average.")
    whole = interval(tested.num_right, tested.num_images)
    if not tested.is_seen and whole.high - whole.low > 0.1:
        found.append(
            f"More {tested.split} images: {tested.num_images} only show that the accuracy is between "
            f"{whole.low:.2f} and {whole.high:.2f}."
        )
    return found
