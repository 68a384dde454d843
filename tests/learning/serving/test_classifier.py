"""learning/serving/classifier.py: a server says what predict.py says of the same files."""

import contextlib
import json

import numpy as np
import pytest
from PIL import Image

from datasets.dataset import DataSet
from learning.config.run_config import DataConfig, ModelConfig, RunConfig, TrainConfig
from learning.errors import CheckpointError, NonFiniteError
from learning.fit import build_training
from learning.inference.prediction import predict_run
from learning.machine.session import open_session
from learning.runs.data import open_data, run_info
from learning.runs.directory import RunDirectory
from learning.serving.classifier import Classifier, Job
from learning.terminal.image_files import image_files
from tests.conftest import tf
from tests.support.made_sets import write_dark_and_bright

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
CLOSE = 1e-5  # of probabilities computed in batches of other sizes, by other kernels


def trained(path, photos, data, model):
    """Train a run for an update or two, without pictures."""
    config = RunConfig(
        data_dir=str(photos),
        data=data,
        model=model,
        train=TrainConfig(batch_size=6, num_epochs=1, augment_pred=False, threads=1),
    )
    splits = open_data(config)
    optimizer = build_training(config, splits)
    shape = (*data.crop_sides, data.channels)
    run = RunDirectory.create(path, config, run_info(splits, shape))
    with contextlib.closing(open_session(optimizer.model, 1)) as sess:
        optimizer.train(sess, path, verbose=False)
    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_dark_and_bright(tmp_path_factory.mktemp("serve"), 10)


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    """A run on pictures of 40x48 pixels, whose middle is cut out."""
    data = DataConfig(image_size="20x30", crop_size="16x24", resize="crop")
    model = ModelConfig(name="smallnet", options={"width": 2})
    with tf.Graph().as_default():
        return trained(tmp_path_factory.mktemp("runs") / "photos", photos, data, model)


@contextlib.contextmanager
def served(run, **options):
    with tf.Graph().as_default():
        classifier = Classifier(run, **options)
    with contextlib.closing(classifier):
        yield classifier


@pytest.fixture(scope="module")
def plain(run):
    with served(run) as classifier:
        yield classifier


def expected(run, paths):
    with tf.Graph().as_default():
        rows = predict_run(run, image_files([str(path) for path in paths]), top_k=2)
        return np.array([[dict(row.classes)[name] for name in run.class_names] for row in rows])


def test_files_get_the_probabilities_of_predict(run, photos, plain):
    paths = [photos / "cat" / "0.png", photos / "dog" / "3.png", photos / "cat" / "5.png"]
    assert plain.class_names == ("cat", "dog")
    images = [plain.decode(path.read_bytes()) for path in paths]
    assert {image.shape for image in images} == {plain.image_shape} == {(20, 30, 3)}
    together = [answer.probabilities for answer in plain.answer([Job(image) for image in images])]
    alone = [plain.answer([Job(image)])[0].probabilities for image in images]
    np.testing.assert_allclose(together, expected(run, paths), atol=CLOSE)
    np.testing.assert_allclose(alone, together, atol=CLOSE)


def test_pixels_are_resized_as_files_are(photos, plain):
    path = photos / "cat" / "0.png"
    image = plain.decode(path.read_bytes())
    np.testing.assert_array_equal(plain.resize(np.asarray(Image.open(path))), image)
    assert plain.resize(image) is image


def test_pictures_are_the_centre_and_where_the_best_class_is(plain):
    assert plain.has_maps
    without, shown = plain.answer([Job(NOISE), Job(NOISE, has_pictures=True)])
    assert (without.crop, without.heat) == (None, None)
    np.testing.assert_array_equal(shown.crop, NOISE[2:18, 3:27])
    assert shown.heat.shape == (16, 24)
    assert 0 <= shown.heat.min() <= shown.heat.max() <= 1
    np.testing.assert_allclose(without.probabilities, shown.probabilities, atol=CLOSE)


def test_calibrated_probabilities_of_ten_crops(run, photos, plain):
    with pytest.raises(CheckpointError, match="no temperature"), served(run, is_calibrated=True):
        pass
    path = run.path / "calibration.json"
    path.write_text(json.dumps({"temperature": 2.0, "epoch": 1}))
    try:
        with served(run, ten_crop=True, is_calibrated=True) as classifier:
            [found] = classifier.answer([Job(NOISE)])
    finally:
        path.unlink()
    crops, _ = DataSet(NOISE[np.newaxis], crop_size="16x24").batch([0], augment=True)  # (1, 10, 16, 24, 3)
    logits = plain._plain_sess.run(plain._model.logits, plain._model.feed(crops[0]))
    powers = np.exp(logits / 2)
    by_hand = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(found.probabilities, by_hand, atol=CLOSE)


def test_a_network_without_a_softmax_and_without_a_feature_map(photos, tmp_path, monkeypatch):
    (tmp_path / "served_nets.py").write_text(
        "import tensorflow as tf\n"
        "from models.layers import fc_layer\n"
        "from models.nn import ConvNet\n"
        "class Sigmoid(ConvNet):\n"
        "    def _build_model(self):\n"
        "        logits = fc_layer(tf.reduce_mean(self.inputs, axis=[1, 2]), self.num_classes)\n"
        "        return {'logits': logits, 'pred': tf.sigmoid(logits)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = DataConfig(image_size=8, crop_size=8)
    with tf.Graph().as_default():
        run = trained(tmp_path / "run", photos, data, ModelConfig(name="served_nets.Sigmoid"))
    paths = [photos / "cat" / "0.png"]
    with served(run) as classifier:
        assert not classifier.has_maps
        [answer] = classifier.answer([Job(classifier.decode(paths[0].read_bytes()), has_pictures=True)])
    assert answer.crop.shape == (8, 8, 3)
    assert answer.heat is None
    np.testing.assert_allclose([answer.probabilities], expected(run, paths), atol=CLOSE)


def test_probabilities_that_are_not_numbers_are_an_error(plain, monkeypatch):
    monkeypatch.setattr(
        type(plain._model), "predict", lambda self, *arguments, **options: np.full((1, 2), np.nan)
    )
    with pytest.raises(NonFiniteError, match="not finite; train it again"):
        plain.answer([Job(NOISE)])
