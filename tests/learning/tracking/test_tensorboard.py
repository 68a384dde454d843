"""learning/tracking/tensorboard.py: what is in the events, and that writing them changes nothing."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from learning.config.options import TrainConfig
from learning.config.run_config import RunConfig
from learning.errors import UsageError
from learning.fit import fit
from learning.optimizers import MomentumOptimizer
from tests.conftest import v1
from tests.support.tiny_training import assert_same_state, train


def events(folder):
    """The values of each step by tag."""
    [path] = folder.glob("events.out.tfevents.*")
    found = {}
    for event in v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            found.setdefault(event.step, {})[value.tag] = value
    return found


def pixels(value):
    with Image.open(io.BytesIO(value.image.encoded_image_string)) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Events of three epochs, and the optimizer with its session."""
    from tests.conftest import sessions

    folder = tmp_path_factory.mktemp("tensorboard")
    with sessions() as session:
        yield folder, *train(session, folder, tensorboard=True)


def test_scores_of_every_epoch(trained):
    folder, optimizer, _, _ = trained
    found = events(folder)
    assert sorted(found) == [0, 4, 8, 12]
    for row in optimizer.state.history:
        for key in ("train_loss", "val_score", "val_loss"):
            assert found[row["step"]][key].simple_value == pytest.approx(row[key])


def test_training_images_as_the_network_sees_them(trained):
    found = events(trained[0])[0]
    images = [pixels(found[f"training images/{k}"]) for k in range(8)]
    assert {image.shape for image in images} == {(240, 240, 3)}  # 10 pixels, each 24 times as large
    expected, _ = trained[1].train_set.batch([0], augment=True, is_train=True)
    np.testing.assert_array_equal(images[0][::24, ::24], expected[0])


def test_norms_of_weights_and_gradients(trained):
    folder, optimizer, sess, _ = trained
    norms = [np.linalg.norm(value) for value in sess.run(optimizer.model.trainable_variables)]
    last = events(folder)[12]
    weights, gradients = (last[f"norms/{name}"].histo for name in ("weights", "gradients"))
    assert (weights.num, gradients.num) == (len(norms), len(norms))
    assert (weights.max, weights.sum) == pytest.approx((max(norms), sum(norms)), rel=1e-5)
    assert sum(weights.bucket) == len(norms)
    assert gradients.max > 0


def test_a_confusion_matrix_of_each_better_epoch(trained):
    matrix = pixels(events(trained[0])[4]["confusion matrix"])
    assert matrix.shape == (240, 240, 3)  # 2 x 2 cells
    assert matrix[60, 60, 0] != matrix[60, 180, 0] or matrix[180, 60, 0] != matrix[180, 180, 0]


def test_options(trained):
    hparams = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    [value] = [value for tag, value in events(trained[0])[0].items() if "hparams" in tag]
    data = hparams.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    options = data.session_start_info.hparams
    assert options["train.batch_size"].number_value == 10
    assert options["optimizer.name"].string_value == "momentum"


def test_training_is_the_same_with_and_without(session, trained, tmp_path):
    assert_same_state(trained[1:], train(session, tmp_path))


def test_an_update_rule_that_shows_no_gradients(session, tmp_path):
    class Plain(MomentumOptimizer):
        def _optimize_op(self, **hp):
            rule = v1.train.GradientDescentOptimizer(self.learning_rate_placeholder)
            return rule.minimize(self.model.loss, var_list=self.model.trainable_variables)

    train(session, tmp_path, kind=Plain, tensorboard=True, num_epochs=1)
    assert "norms/gradients" not in events(tmp_path)[4]
    assert "norms/weights" in events(tmp_path)[4]


def test_without_tensorboard_nothing_is_trained(session, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    message = r"needs tensorboard; install with pip install -e '.\[tensorboard\]'"
    config = RunConfig(train=TrainConfig(tensorboard=True))
    with pytest.raises(UsageError, match=f"^the callback TensorBoard {message}$"):
        train(session, tmp_path / "run", tensorboard=True)
    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    for index in (None, 0, 1):  # alone, and as each of two workers, of which none waits for the other
        if index is not None:
            task = {"type": "worker", "index": index}
            monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        otherwise = "or give --train.tensorboard false"
        with pytest.raises(UsageError, match=f"^--train.tensorboard true {message}, {otherwise}$"):
            fit(config, tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()
