"""The AlexNet post's scripts work, without the defects of its code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from PIL import Image

from datasets import asirra as dataset
from datasets.errors import DataError
from learning.evaluators import AccuracyEvaluator as Evaluator
from learning.optimizers import MomentumOptimizer as Optimizer
from learning.runs.directory import default_path
from models.nn import AlexNet
from models.nn import AlexNet as ConvNet


@pytest.fixture
def asirra_dir(tmp_path, monkeypatch):
    """Twelve cats (dark) and twelve dogs (light) under Kaggle's names, of several sizes."""
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "train"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        for name, level in (("cat", 60), ("dog", 190)):
            pixels = rng.integers(level - 40, level + 41, (30 + i, 40 - i, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}.{i}.jpg")
    return folder


@pytest.mark.long  # the scripts below do the same with small crops
def test_the_scripts_of_the_post(asirra_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # training saves under runs/

    # 1. the data sets
    X_trainval, y_trainval = dataset.read_asirra_subset(str(asirra_dir), one_hot=True)
    assert X_trainval.shape == (24, 256, 256, 3)
    assert y_trainval.shape == (24, 2)
    val_size = int(X_trainval.shape[0] * 0.25)
    val_set = dataset.DataSet(X_trainval[:val_size], y_trainval[:val_size])
    train_set = dataset.DataSet(X_trainval[val_size:], y_trainval[val_size:])
    assert train_set.images.shape == (18, 256, 256, 3)
    assert 0 <= train_set.images.min() < train_set.images.max() <= 255
    assert (train_set.labels[:, 1] == 1).sum() + (val_set.labels[:, 1] == 1).sum() == 12

    # 2. the hyper-parameters
    hp_d = {
        "image_mean": train_set.images.mean(axis=(0, 1, 2)),
        "batch_size": 6,
        "num_epochs": 1,
        "augment_train": True,
        "augment_pred": True,
        "init_learning_rate": 0.001,
        "momentum": 0.9,
        "learning_rate_patience": 30,
        "learning_rate_decay": 0.1,
        "eps": 1e-8,
        "weight_decay": 0.0005,
        "dropout_prob": 0.5,
        "score_threshold": 1e-4,
    }

    # 3. graph, session, training
    graph = tf.Graph()
    with graph.as_default():
        config = tf.compat.v1.ConfigProto()
        config.gpu_options.allow_growth = True
        model = ConvNet([227, 227, 3], 2, **hp_d)
        optimizer = Optimizer(model, train_set, Evaluator(), val_set=val_set, **hp_d)
        sess = tf.compat.v1.Session(graph=graph, config=config)
        train_results = optimizer.train(sess, details=True, verbose=True, **hp_d)
    assert len(train_results["step_losses"]) == 3
    assert len(train_results["step_scores"]) == len(train_results["eval_scores"]) == 1

    # 4. test.py
    X_test, y_test = dataset.read_asirra_subset(str(asirra_dir), one_hot=True, sample_size=4)
    test_set = dataset.DataSet(X_test, y_test)
    with graph.as_default():
        saver = v1.train.Saver()
        saver.restore(sess, str(optimizer.save_dir / "model.ckpt"))
    test_y_pred = model.predict(sess, test_set, **hp_d)
    assert test_y_pred.shape == (4, 2)
    assert 0 <= Evaluator().score(test_set.labels, test_y_pred) <= 1
    sess.close()


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("way", ["import_alone", "disable_v2_behavior"])
def test_the_scripts_of_the_post_run_as_they_stand(way, asirra_dir, tmp_path, call_script):
    """At module level, with the default graph, in both ways to run TF1 code on TensorFlow 2.

    Only a process that has imported nothing yet shows that the project can be imported after the switch; train.py
    imports all that test.py does.
    """
    save_dir = tmp_path / "saved"
    save_dir.mkdir()

    def run(script):
        command = [ROOT / "tests" / "post" / script, way, asirra_dir, save_dir]
        if (way, script) == ("disable_v2_behavior", "train.py"):
            done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=tmp_path)
        else:
            done = call_script(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    assert run("train.py") == {"step_losses": 3, "step_scores": 1, "eval_scores": 1}
    tested = run("test.py")
    assert tested["shape"] == [24, 2]
    assert sum(tested["mean"]) == pytest.approx(1, abs=1e-5)
    assert 0 <= tested["score"] <= 1


class TestDefects:
    """The defects of the post's code are gone.

    Others are tested with their modules: dropout after fc7 in tests/models/test_alexnet.py, the decay of biases in
    test_convnet.py, momentum in tests/learning/test_optimizers.py, the best score and the state of the learning
    rate in tests/learning/training/test_loop.py.
    """

    def test_predict_on_a_set_of_a_multiple_of_the_batch_size(self):
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess:
            model = AlexNet([67, 67, 3], 2)
            sess.run(v1.global_variables_initializer())
            images = np.zeros((4, 67, 67, 3), np.uint8)
            pred = model.predict(sess, dataset.DataSet(images), batch_size=2, augment_pred=False)
        assert pred.shape == (4, 2)

    def test_the_last_offset_is_picked_and_equal_sizes_are_allowed(self):
        rng = np.random.default_rng(0)
        ramp = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None], (200, 4, 4, 1))
        tops = dataset.random_crop_reflect(ramp, 2, rng=rng)[:, 0, 0, 0]
        assert set(tops.tolist()) == {0, 1, 2}
        assert dataset.random_crop_reflect(ramp, 4, rng=rng, reflect=False).tolist() == ramp.tolist()

    def test_a_file_that_is_neither_cat_nor_dog_is_refused(self, asirra_dir):
        (asirra_dir / "cat.1.jpg").rename(asirra_dir / "bird.1.jpg")
        with pytest.raises(DataError, match=r"bird\.1\.jpg"):
            dataset.read_asirra_subset(str(asirra_dir))

    def test_the_same_seed_reads_the_same_order(self, asirra_dir):
        first, again, other = (dataset.read_asirra_subset(str(asirra_dir), seed=s)[1] for s in (1, 1, 2))
        assert first.tolist() == again.tolist()
        assert first.tolist() != other.tolist()

    def test_every_run_has_a_path_of_its_own(self, tmp_path):
        first = default_path("post", tmp_path)
        first.mkdir()
        assert default_path("post", tmp_path) != first

    def test_the_last_partial_batch_is_not_lost(self):
        images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
        train_set = dataset.DataSet(images, seed=0)
        seen = np.concatenate([train_set.next_batch(2)[0].ravel() for _ in range(5)])
        assert sorted(seen.tolist()) == sorted([0, 1, 2, 3, 4] * 2)
