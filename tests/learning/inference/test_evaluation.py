"""learning/inference/evaluation.py: what a test finds out, on predictions that are known."""

import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score

from datasets.dataset import DataSet
from datasets.splits import Splits
from learning.config.run_config import RunConfig
from learning.inference.calibration import Temperature
from learning.inference.evaluation import RunTest, evaluate
from learning.reports.scores import calibration_line, score_lines
from models.nn import ConvNet

LEVELS = np.array([10, 10, 10, 250, 250, 130, 250, 10])
TRUTH = np.array([0, 0, 1, 2, 2, 1, 0, 0])


class ByBrightness(ConvNet):
    """Predicts class 0 for dark images, 1 for grey and 2 for bright ones; class 3 never."""

    def _build_model(self, sharpness=20.0):
        level = tf.reduce_mean(self.inputs, axis=[1, 2, 3])
        distances = tf.abs(level[:, tf.newaxis] - [0.0, 0.5, 1.0, 9.0])
        return {"logits": -sharpness * distances}


def brightness_set(levels=LEVELS, truth=TRUTH, **options):
    images = np.broadcast_to(levels[:, None, None, None], (len(levels), 12, 12, 3)).astype(np.uint8)
    return DataSet(images, np.eye(4, dtype=np.uint8)[truth], crop_size=10, **options)


@pytest.fixture
def net(session):
    with tf.Graph().as_default():
        model = ByBrightness((10, 10, 3), 4)
        sess = session(model)
        sess.run(tf.compat.v1.global_variables_initializer())
    return sess, model


def test_figures_of_each_class(net):
    results, images = evaluate(*net, brightness_set(), evaluator="accuracy", batch_size=4)
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
    dataset = brightness_set()
    options = {"evaluator": "accuracy", "batch_size": 4}
    assert [entry["crops"] for entry in evaluate(*net, dataset, **options).results["scores"]] == [1, 10]
    results, _ = evaluate(*net, dataset, all_crops=False, **options)
    assert [entry["crops"] for entry in results["scores"]] == [1]
    assert results["mirroring"] is None


def test_calibration_is_that_of_one_crop_with_and_without_a_temperature(net):
    known = Temperature(4.0)
    results, _ = evaluate(*net, brightness_set(), evaluator="accuracy", batch_size=4, temperature=known)
    found = results["calibration"]
    assert sum(bin_["count"] for bin_ in found["bins"]) == 8
    assert found["temperature"] == 4.0
    assert found["ece"] != found["ece_calibrated"]
    line = f"calibration error of one crop {found['ece']:.4f}, with the temperature 4.000 "
    assert calibration_line(results) == line + f"{found['ece_calibrated']:.4f}"
    assert calibration_line({"scores": []}) is None  # results of earlier versions


def test_predictions_that_are_not_numbers_are_reported(session, tmp_path):
    with tf.Graph().as_default():
        model = ByBrightness((10, 10, 3), 4, sharpness=float("nan"))
        sess = session(model)
        sess.run(tf.compat.v1.global_variables_initializer())
    splits = Splits(brightness_set(), None, brightness_set(), tuple("abcd"), "")
    results, names = RunTest(sess, model, RunConfig(), 1).on_held_out(splits, tmp_path)
    assert (results["calibration"]["ece"], results["errors"]) == (None, [])
    assert all((tmp_path / name).is_file() for name in names)
    assert json.loads((tmp_path / "test.json").read_text()) == results
    assert score_lines(results)[0] == "8 test images, weights of epoch 1"


@pytest.mark.parametrize("repeats", [1, 10])
def test_a_test_of_what_was_held_out_fits_the_temperature_on_the_validation_set(net, tmp_path, repeats):
    val = brightness_set(np.tile(LEVELS, repeats), np.tile(TRUTH, repeats))
    splits = Splits(brightness_set(), val, brightness_set(file_names=map(str, LEVELS)), tuple("abcd"), "")
    results, names = RunTest(*net, RunConfig(), 7).on_held_out(splits, tmp_path)
    written = json.loads((tmp_path / "calibration.json").read_text())
    assert (written["epoch"], results["epoch"], results["split"]) == (7, 7, "test")
    assert written["temperature"] == results["calibration"]["temperature"]
    if repeats == 1:
        assert written["reason"] == "the validation set has 8 images, and 50 are needed"
        assert written["reason"] in score_lines(results)[3]
    else:  # two of eight are wrong, of which the network is nearly certain
        assert 3 < written["temperature"] < 12
        assert written["nll_calibrated"] < written["nll"]
        assert results["calibration"]["ece_calibrated"] < results["calibration"]["ece"]
    assert [entry["predicted"] for entry in results["errors"]] == ["2", "0"]
    expected = {"test.json", "test-confusion.png", "test-predictions.csv", "test-errors", "calibration.json"}
    assert set(names) == {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    ("config", "asked", "crops"),
    [
        ({}, None, [1, 10]),
        ({"test_crops": "one"}, None, [1]),
        ({"test_crops": "one"}, True, [1, 10]),
        ({}, False, [1]),
    ],
)
def test_a_run_is_tested_by_the_crops_of_its_configuration_unless_others_are_asked_for(
    net, tmp_path, config, asked, crops
):
    splits = Splits(brightness_set(), None, brightness_set(), tuple("abcd"), "")
    config = RunConfig.from_dict({"train": config})
    test = RunTest(*net, config, 7, all_crops=asked, label_issues=True)
    results, _ = test.on_held_out(splits, tmp_path)
    assert [entry["crops"] for entry in results["scores"]] == crops
    assert [issue["file"] for issue in results["label_issues"]] == ["6", "2"]
    table = (tmp_path / "test-label-issues.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in table[1:]] == [["6", "0", "2"], ["2", "1", "0"]]
