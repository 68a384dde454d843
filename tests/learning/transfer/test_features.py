"""learning/transfer/features.py: training on features that are computed once equals training on images."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.callbacks import Callback
from learning.config.run_config import RunConfig
from learning.errors import Interrupted
from learning.fit import fit
from learning.transfer import features
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet

CACHE = "cache"


class FeatureNet(ConvNet):
    """A convolution, features, dropout and a last layer."""

    def _build_model(self, early_dropout=0.0, from_images=False):
        with v1.variable_scope("conv1"):
            x = tf.nn.relu(batch_norm(conv_layer(self.inputs, 3, 2, 6, weights_stddev=None), self.is_train))
            x = dropout(x, early_dropout, self.is_train)
        d = {"features": global_average_pool(x)}
        with v1.variable_scope("fc"):
            x = dropout(d["features"], 0.3, self.is_train)
            if from_images:
                x = tf.concat([x, global_average_pool(self.inputs)], axis=1)
            d["logits"] = fc_layer(x, self.num_classes, weights_stddev=0.1, biases_value=0.0)
        return d


def config(freeze="head-only", crop_size=12, reflect=True, network="FeatureNet", **train):
    return RunConfig.from_dict(
        {
            "data": {"name": "digits", "image_size": 12, "crop_size": crop_size, "reflect": reflect},
            "model": {"name": f"{__name__}.{network}", "freeze": freeze, "weight_decay": 0.01},
            "optimizer": {"init_learning_rate": 0.5},
            "train": {"batch_size": 256, "num_epochs": 3, "threads": 1, **train},
        }
    )  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(without_pictures, monkeypatch, tmp_path):
    """Draw nothing, and keep features in a cache of each test's own."""
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / CACHE))


def history(path):
    rows = [line.split(",") for line in (path / "history.csv").read_text().splitlines()]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def without_features(monkeypatch):
    monkeypatch.setattr(features, "are_constant", lambda model: False)


@pytest.mark.parametrize(
    "options",
    [{}, {"reflect": False}, {"crop_size": 10, "augment_train": False}, {"augment_pred": False}],
)
def test_losses_and_scores_are_those_of_training_on_images(tmp_path, monkeypatch, capsys, options):
    options = config(**options)
    results = fit(options, tmp_path / "features")
    assert "training images computed once" in capsys.readouterr().out
    without_features(monkeypatch)
    expected = fit(options, tmp_path / "images")
    for ours, theirs in zip(history(tmp_path / "features"), history(tmp_path / "images"), strict=True):
        assert float(ours["train_loss"]) == pytest.approx(float(theirs["train_loss"]), rel=1e-4)
        assert float(ours["val_score"]) == pytest.approx(float(theirs["val_score"]), abs=0.01)
    accuracy = results["scores"][-1]["accuracy"]
    assert accuracy == pytest.approx(expected["scores"][-1]["accuracy"], abs=0.01)


class Stop(Callback):
    def on_step(self, training):
        if training.global_step == 5:
            raise KeyboardInterrupt


def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    options = config(save_every_steps=1)
    fit(options, tmp_path / "whole", verbose=False)
    with pytest.raises(Interrupted):
        fit(options, tmp_path / "parts", callbacks=[Stop()], verbose=False)
    for file in (tmp_path / CACHE / features.FOLDER).iterdir():
        file.unlink()  # they are computed again, from the weights of the checkpoint
    fit(options, tmp_path / "parts", resume=True, verbose=False)
    assert history(tmp_path / "whole") == history(tmp_path / "parts")


def test_features_are_kept_for_the_same_weights_data_and_crops(tmp_path):
    folder = tmp_path / CACHE / features.FOLDER
    fit(config(), tmp_path / "first", verbose=False)
    made = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert len(made) == 2  # of the training and the validation images
    fit(config(num_epochs=1), tmp_path / "second", verbose=False)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == made
    fit(config(seed=1), tmp_path / "third", verbose=False)  # other weights and another split
    assert len(list(folder.iterdir())) == 4
    fit(config(batch_size=128, num_epochs=1), tmp_path / "fourth", verbose=False)
    assert len(list(folder.iterdir())) == 6


def digest(activation):
    """The digest of a network called Net whose code has this activation."""

    class Net(ConvNet):
        def _build_model(self):
            with v1.variable_scope("conv1"):
                x = conv_layer(self.inputs, 3, 2, 4, weights_stddev=0.1)
            x = tf.cond(tf.reduce_mean(x) > 9.0, lambda: x * 2.0, lambda: activation(x))
            d = {"features": global_average_pool(x)}
            with v1.variable_scope("fc"):
                d["logits"] = fc_layer(d["features"], self.num_classes)
            return d

    with tf.Graph().as_default():
        model = Net((8, 8, 3), 2, freeze="head-only")
    with v1.Session(graph=model.graph) as sess:
        sess.run([variable.initializer for variable in model.variables])
        return features._digest_of_network(sess, model)


def test_features_are_known_by_the_code_of_the_network():
    for activation in (tf.nn.relu, tf.nn.silu):  # whatever the process has built before
        assert digest(activation) == digest(activation)
    assert digest(tf.nn.relu) != digest(tf.nn.tanh)


@pytest.mark.bfloat16
def test_features_in_bfloat16_are_read_back(tmp_path, caplog):
    options = config(num_epochs=1)
    options = dataclasses.replace(options, model=dataclasses.replace(options.model, precision="bfloat16"))
    fit(options, tmp_path / "first", verbose=False)
    for file in (tmp_path / CACHE / features.FOLDER).iterdir():
        assert np.load(file)["features"].dtype == np.float32
    fit(options, tmp_path / "second", verbose=False)
    assert history(tmp_path / "first") == history(tmp_path / "second")
    assert "damaged" not in caplog.text


@pytest.mark.fault(12)
def test_features_of_another_dtype_are_computed_again(tmp_path, caplog):
    fit(config(), tmp_path / "first", verbose=False)
    for file in (tmp_path / CACHE / features.FOLDER).iterdir():
        np.savez(file, features=np.load(file)["features"].astype("V4"))
    fit(config(), tmp_path / "second", verbose=False)
    assert history(tmp_path / "first") == history(tmp_path / "second")
    assert "they are |V4 instead of float32" in caplog.text


@pytest.mark.fault(12)
@pytest.mark.parametrize("kept", [slice(0), slice(1000), slice(-300)])
def test_damaged_features_are_computed_again(tmp_path, kept, caplog):
    fit(config(), tmp_path / "first", verbose=False)
    for file in (tmp_path / CACHE / features.FOLDER).iterdir():
        file.write_bytes(file.read_bytes()[kept])
    fit(config(), tmp_path / "second", verbose=False)
    assert history(tmp_path / "first") == history(tmp_path / "second")
    assert "are damaged" in caplog.text


def test_crops_that_differ_in_every_epoch_are_computed_in_every_epoch(tmp_path, capsys):
    fit(config(crop_size=10, num_epochs=1), tmp_path / "run")
    assert "give --train.augment_train false, or crops as large" in capsys.readouterr().out
    assert not (tmp_path / CACHE / features.FOLDER).exists()


class Dropping(FeatureNet):
    def _build_model(self):
        return super()._build_model(early_dropout=0.5)


class Bypassed(FeatureNet):
    def _build_model(self):
        return super()._build_model(from_images=True)


class InPython(FeatureNet):
    def _build_model(self):
        self.inputs = tf.reshape(v1.py_func(lambda x: x, [self.inputs], tf.float32), (-1, 12, 12, 3))
        return super()._build_model()


class Shifting(FeatureNet):
    def feed(self, images, labels=None, is_train=False):
        return super().feed(np.flip(images, axis=1), labels, is_train)


@pytest.mark.parametrize(
    ("network", "freeze", "constant"),
    [
        (FeatureNet, "head-only", True),
        (FeatureNet, "conv1", True),
        (FeatureNet, "conv1/weights", False),  # its batch norm is trained
        (FeatureNet, None, False),
        (Dropping, "head-only", False),
        (Bypassed, "head-only", False),
        (InPython, "head-only", False),
        (Shifting, "head-only", False),
    ],
)
def test_features_count_as_constant_only_where_nothing_before_them_changes(network, freeze, constant):
    with tf.Graph().as_default():
        model = network((12, 12, 3), 2, freeze=freeze)
    assert features.are_constant(model) == constant
