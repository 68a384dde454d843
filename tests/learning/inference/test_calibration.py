"""learning/inference/calibration.py: the error by hand, temperatures with a closed form, and the file of a run."""

import json

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from learning.config.run_config import RunConfig
from learning.errors import CheckpointError
from learning.inference.calibration import (
    Temperature,
    calibration,
    fit_temperature,
    has_softmax,
    read_temperature,
    reliability,
    tempered,
    use_temperature,
    write_temperature,
)
from learning.runs.directory import RunDirectory
from models.nn import ConvNet
from tests.conftest import make_set, tf, tiny_model, v1


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


@pytest.mark.parametrize("count", [4, 40])  # 40: ten crops each, by the folded graph
def test_a_calibrated_network_averages_over_crops_afterwards(session, count):
    model, dataset = tiny_model(), make_set(count)
    sess = session(model)
    with model.graph.as_default():
        sess.run(v1.global_variables_initializer())
    crops, _ = dataset.batch(slice(None), augment=True)  # (N, 10, h, w, C)
    logits = sess.run(model.logits, model.feed(crops.reshape(-1, *crops.shape[2:])))
    expected = softmax(logits / 0.01, axis=1).reshape(count, 10, 2).mean(axis=1)
    plain = model.predict(sess, dataset)
    assert has_softmax(model)
    use_temperature(model, 0.01)
    np.testing.assert_allclose(model.predict(sess, dataset), expected, rtol=1e-3)
    assert np.abs(plain - expected).max() > 0.01


def test_a_network_with_probabilities_of_its_own_is_known():
    class Own(ConvNet):
        def _build_model(self):
            logits = tf.reduce_mean(self.inputs, axis=[1, 2])
            return {"logits": logits, "pred": tf.nn.sigmoid(logits)}

    with tf.Graph().as_default():
        assert not has_softmax(Own((4, 4, 3), 3))


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(
        tmp_path / "run", RunConfig(), {"class_names": ["a", "b"], "input_shape": [8, 8, 3]}
    )


def test_a_run_keeps_its_temperature(run):
    write_temperature(run.path, Temperature(1.25, "", 60, 0.5, 0.4), 3)
    assert read_temperature(run) == read_temperature(run, 3) == 1.25
    with pytest.raises(
        CheckpointError, match=r"of epoch 3, and these are of epoch 4; fit it with test.py --run"
    ):
        read_temperature(run, 4)


def test_a_run_without_a_temperature_says_why(run):
    with pytest.raises(CheckpointError, match=r"has no temperature in calibration.json; fit it with test.py"):
        read_temperature(run)
    write_temperature(run.path, Temperature(None, "there is no validation set"), 3)
    with pytest.raises(CheckpointError, match=r"has no temperature \(there is no validation set\); use"):
        read_temperature(run)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"temperature": "x"}', '{"temperature": -1}', '{"temperature": 1e999}']
)
@pytest.mark.fault(42)
def test_a_broken_file_is_one_line(run, text):
    (run.path / "calibration.json").write_text(text)
    with pytest.raises(
        CheckpointError, match=r"cannot read .*calibration.json: .*; fit it with test.py --run"
    ):
        read_temperature(run)


def test_a_published_run_has_it_beside_its_results_or_brings_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    info = {"class_names": ["a", "b"], "input_shape": [8, 8, 3], "published": True}
    published = RunDirectory.create(tmp_path / "net", RunConfig(), info)
    results = tmp_path / "runs" / "tests" / "net"
    results.mkdir(parents=True)
    write_temperature(results, Temperature(2.0), 3)
    assert read_temperature(published) == 2.0
    write_temperature(published.path, Temperature(1.5), 3)
    assert read_temperature(published) == 1.5
