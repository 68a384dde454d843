"""learning/evaluation/evaluate.py: what a test finds out, on predictions that are known."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from learning.evaluation.evaluate import evaluate
from learning.inference.temperature import Temperature
from learning.reports.scores import calibration_line
from tests.support.by_brightness import TRUTH, eight_images


def test_figures_of_each_class(net):
    results, images = evaluate(*net, eight_images(), evaluator="accuracy", batch_size=4)
    predicted = [0, 0, 0, 2, 2, 1, 2, 0]
    assert images.predicted.tolist() == predicted
    assert results["per_class"][:3] == [
        {"class": "0", "precision": 3 / 4, "recall": 3 / 4, "f1": pytest.approx(3 / 4), "support": 4},
        {"class": "1", "precision": 1.0, "recall": 1 / 2, "f1": pytest.approx(2 / 3), "support": 2},
        {"class": "2", "precision": 2 / 3, "recall": 1.0, "f1": pytest.approx(4 / 5), "support": 2},
    ]
    assert results["per_class"][3] == {
        "class": "3",
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
    }
    f1 = [row["f1"] for row in results["per_class"][:3]]
    np.testing.assert_allclose(f1, f1_score(TRUTH, predicted, average=None))
    json.dumps(results, allow_nan=False)


def test_one_crop_only_if_that_is_asked(net):
    dataset = eight_images()
    options = {"evaluator": "accuracy", "batch_size": 4}
    assert [entry["crops"] for entry in evaluate(*net, dataset, **options).results["scores"]] == [1, 10]
    results, _ = evaluate(*net, dataset, all_crops=False, **options)
    assert [entry["crops"] for entry in results["scores"]] == [1]
    assert results["mirroring"] is None


def test_calibration_is_that_of_one_crop_with_and_without_a_temperature(net):
    known = Temperature(4.0)
    results, _ = evaluate(*net, eight_images(), evaluator="accuracy", batch_size=4, temperature=known)
    found = results["calibration"]
    assert sum(bin_["count"] for bin_ in found["bins"]) == 8
    assert found["temperature"] == 4.0
    assert found["ece"] != found["ece_calibrated"]
    line = f"calibration error of one crop {found['ece']:.4f}, with the temperature 4.000 "
    assert calibration_line(results) == line + f"{found['ece_calibrated']:.4f}"
    assert calibration_line({"scores": []}) is None  # results of earlier versions
