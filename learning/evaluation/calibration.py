"""Measure how well probabilities match the accuracy, and fit a temperature that improves them.

Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks".
"""

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from learning.inference.temperature import Temperature

NUM_BINS = 15  # of the confidences, as in the paper
FEWEST_IMAGES = 50  # that a temperature is fitted to
TEMPERATURES = (0.05, 20.0)  # between which it is looked for
CHUNK = 4096  # images


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> Temperature:
    """Return the T for which softmax(logits / T) has the lowest NLL (paper, section 4.2).

    The NLL is convex in 1 / T. It has no minimum if all images are recognised, because it then falls as T
    approaches 0, nor if the logits of the true classes are below the average.

    :param logits: (N, K), not of images that the network was trained on.
    :param truth: (N,) classes.
    """
    count = len(truth)
    if count < FEWEST_IMAGES:
        return Temperature(None, f"the validation set has {count} images, and {FEWEST_IMAGES} are needed")
    if not np.isfinite(logits).all():
        return Temperature(None, "some logits of the validation set are not finite")

    def nll(inverse: float) -> float:
        total = 0.0
        for start in range(0, count, CHUNK):  # all logits in float64 at once would take much memory
            scaled = inverse * logits[start : start + CHUNK].astype(np.float64)
            of_truth = scaled[np.arange(len(scaled)), truth[start : start + CHUNK]]
            total += float(np.sum(logsumexp(scaled, axis=1) - of_truth))
        return total / count

    coldest, hottest = TEMPERATURES
    inverse = float(minimize_scalar(nll, bounds=(1 / hottest, 1 / coldest), method="bounded").x)
    if (logits.argmax(axis=1) == truth).all() or inverse > 0.99 / coldest:
        return Temperature(None, f"all or nearly all of the {count} validation images are recognised")
    if inverse < 1.01 / hottest:
        return Temperature(None, f"the {count} validation images are hardly recognised")
    return Temperature(1 / inverse, "", count, nll(1.0), nll(inverse))


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(logits / T) for probabilities (N, K) that are softmax(logits), in their dtype."""
    with np.errstate(divide="ignore"):
        values = np.log(probabilities)  # (N, K), and no second array of a set that may be large
    values /= temperature
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Return the expected calibration error and the bins of the reliability diagram (paper, section 2).

    Images whose probabilities are not numbers are left out.

    :param probabilities: (N, K) in [0, 1].
    :param truth: (N,) classes.
    :return: ece, the mean absolute difference between confidence and accuracy over the bins, weighted by their
        numbers of images, None if there are no images; bins: [{lower, upper, count, confidence, accuracy}], each
        with its upper bound, confidence and accuracy None if it is empty.
    """
    known = np.isfinite(probabilities).all(axis=1)
    confidences = probabilities.max(axis=1)[known]  # (M,)
    is_right = (probabilities.argmax(axis=1) == truth)[known]
    bin_of = np.clip(np.ceil(confidences * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    bins, error = [], 0.0
    for number in range(NUM_BINS):
        inside = bin_of == number
        count, confidence, accuracy = int(inside.sum()), None, None
        if count:
            confidence, accuracy = float(confidences[inside].mean()), float(is_right[inside].mean())
            error += count / len(confidences) * abs(confidence - accuracy)
        bounds = {"lower": number / NUM_BINS, "upper": (number + 1) / NUM_BINS}
        bins.append({**bounds, "count": count, "confidence": confidence, "accuracy": accuracy})
    return {"ece": error if len(confidences) else None, "bins": bins}


def calibration(
    probabilities: np.ndarray, truth: np.ndarray, temperature: Temperature | None = None
) -> dict[str, Any]:
    """Return the calibration of predictions by one crop: that of `reliability`, and what the temperature changes.

    :param probabilities: (N, K), softmax(logits).
    :return: ece, bins; temperature, None if there is none, then with its reason; ece_calibrated, with the
        temperature.
    """
    value = temperature.temperature if temperature else None
    after = None if value is None else reliability(tempered(probabilities, value), truth)["ece"]
    reason = temperature.reason if temperature else ""
    return {
        **reliability(probabilities, truth), "temperature": value, "ece_calibrated": after, "reason": reason,
    }  # fmt: skip
