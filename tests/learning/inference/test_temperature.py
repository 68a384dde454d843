"""learning/inference/temperature.py: calibrated predictions, and the file of a run."""

import numpy as np
import pytest
from scipy.special import softmax

from learning.config.run_config import RunConfig
from learning.errors import CheckpointError
from learning.inference.temperature import (
    Temperature,
    has_softmax,
    read_temperature,
    use_temperature,
    write_temperature,
)
from learning.runs.directory import RunDirectory
from models.nn import ConvNet
from tests.conftest import make_set, tf, tiny_model, v1


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
    with pytest.raises(CheckpointError, match=r"has no temperature \(there is no validation set\); leave"):
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
