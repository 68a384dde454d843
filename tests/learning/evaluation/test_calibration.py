"""learning/evaluation/calibration.py: the error by hand, and temperatures with a closed form."""

import json

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from learning.evaluation.calibration import calibration, fit_temperature, reliability, tempered
from learning.inference.temperature import Temperature


def two_classes(confidences):
    """Predictions of class 0 with these probabilities."""
    return np.array([[value, 1 - value] for value in confidences])


def test_the_error_is_the_mean_gap_between_confidence_and_accuracy():
    # 13/15 to 14/15: confidence 0.9, one of two right. 9/15 to 10/15: confidence 0.62, both right.
    found = reliability(two_classes([0.9, 0.9, 0.62, 0.62]), np.array([0, 1, 0, 0]))
    assert found["ece"] == pytest.approx((0.4 + 0.38) / 2)
    filled = {number: bin_ for number, bin_ in enumerate(found["bins"]) if bin_["count"]}
    assert sorted(filled) == [9, 13]
    assert filled[13] == {
        "lower": 13 / 15,
        "upper": 14 / 15,
        "count": 2,
        "confidence": pytest.approx(0.9),
        "accuracy": 0.5,
    }
    assert len(found["bins"]) == 15
    assert found["bins"][0] == {"lower": 0, "upper": 1 / 15, "count": 0, "confidence": None, "accuracy": None}


def test_certainty_is_in_the_last_bin_and_what_is_no_number_in_none():
    predictions = two_classes([1.0, 1.0, np.nan])
    found = reliability(predictions, np.array([0, 0, 0]))
    assert (found["ece"], found["bins"][-1]["count"], sum(bin_["count"] for bin_ in found["bins"])) == (
        0,
        2,
        2,
    )
    assert reliability(predictions[2:], np.array([0]))["ece"] is None
    json.dumps(reliability(predictions[2:], np.array([0])), allow_nan=False)


@pytest.mark.parametrize(("margin", "right"), [(2.0, 73), (2.0, 96), (-1.5, 80)])
def test_a_temperature_with_a_closed_form(margin, right):
    # All images have the logits (margin, 0), and log odds of margin / T: those of the share that is right are best.
    truth = np.repeat([0, 1], [right, 100 - right] if margin > 0 else [100 - right, right])
    fitted = fit_temperature(np.tile([margin, 0.0], (100, 1)), truth)
    assert fitted.temperature == pytest.approx(abs(margin) / np.log(right / (100 - right)), rel=1e-3)
    share = right / 100
    assert fitted.nll_calibrated == pytest.approx(-share * np.log(share) - (1 - share) * np.log(1 - share))
    assert fitted.nll_calibrated < fitted.nll
    assert fitted.num_images == 100


def test_the_temperature_lowers_the_nll_most_on_a_grid():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 300)
    logits = 6 * (np.eye(5)[truth] + rng.normal(0, 0.7, (300, 5)))
    best = fit_temperature(logits, truth).temperature
    nll = [
        -log_softmax(logits / t, axis=1)[np.arange(300), truth].mean() for t in (0.9 * best, best, 1.1 * best)
    ]
    assert nll[1] == min(nll)


@pytest.mark.parametrize(
    ("logits", "truth", "reason"),
    [
        (
            np.tile([1.0, 0.0], (49, 1)),
            np.arange(49) % 2,
            "the validation set has 49 images, and 50 are needed",
        ),
        (np.tile([1.0, 0.0], (60, 1)), np.zeros(60, int), "all or nearly all of the 60 validation images"),
        (np.tile([1.0, 0.0], (60, 1)), np.ones(60, int), "the 60 validation images are hardly recognised"),
        (np.full((60, 2), np.nan), np.zeros(60, int), "some logits of the validation set are not finite"),
    ],
)
def test_why_there_is_no_temperature(logits, truth, reason):
    fitted = fit_temperature(logits, truth)
    assert fitted.temperature is None
    assert reason in fitted.reason
    found = calibration(softmax(logits, axis=1), truth, fitted)
    assert (found["temperature"], found["ece_calibrated"], found["reason"]) == (None, None, fitted.reason)


def test_tempered_probabilities_are_those_of_the_divided_logits():
    logits = np.array([[300.0, 0.0, -4.0], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(
        tempered(softmax(logits, axis=1), 2.5), softmax(logits / 2.5, axis=1), atol=1e-9
    )
    assert np.isnan(tempered(np.full((1, 2), np.nan), 2.0)).all()


def test_calibrated_figures_use_the_temperature():
    predictions = two_classes([0.9] * 4)
    truth = np.array([0, 0, 0, 1])
    # T = log 9 / log 3 = 2 makes 0.75 of 0.9.
    assert calibration(predictions, truth, Temperature(2.0))["ece_calibrated"] == pytest.approx(0, abs=1e-12)
    assert calibration(predictions, truth)["ece"] == pytest.approx(0.15)
