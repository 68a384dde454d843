"""models/catalogue.py: the table of models, and one contract for every model in it."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.dataset import DataSet
from learning.checkpoints.saved_variables import restore
from models import nn
from models.catalogue import MODELS, dotted_path, model_class

# The smallest input of a net, where it is not SMALL, and options that show all its parts.
SMALL = (8, 8, 3)
SMALLEST = {"alexnet": (67, 67, 3), "mini-resnet": (8, 8, 1), "smallnet": (8, 8, 1)}
OPTIONS = {"alexnet": {"dropout_prob": 0.5, "local_response_norm": True}, "smallnet": {"dropout_prob": 0.5}}

# The plain twins of a basic and a bottleneck net, beside the names of the catalogue.
PLAIN = {"plain18": "resnet18", "plain50": "resnet50"}
# What the contract asks shows with one block to each of two stages; whole depths are left to the long tests.
SHORT = {
    name: {"stages": (1, 1), "widths": (16, 32)} for name in ("resnet18", "resnet20", "resnet50", "plain18")
}
QUICK = [
    *(
        (name, precision)
        for name in ("alexnet", "smallnet", "resnet20")
        for precision in ("float32", "bfloat16")
    ),
    *((name, "bfloat16") for name in ("mini-resnet", "resnet18", "resnet50", "plain18")),
]

# An option of the model's own with a letter too many or too few, and what it should have been.
MISSPELT = {
    "alexnet": ("local_response_nrm", "local_response_norm"),
    "smallnet": ("widht", "width"),
}


def build(name, *, is_whole=False, **options):
    """Build the net of that name, with few blocks unless `is_whole`."""
    twin = {"is_plain": True} if name in PLAIN else {}
    depth = {} if is_whole else SHORT.get(name, {})
    options = {**OPTIONS.get(name, {}), **depth, **twin, **options}
    with tf.Graph().as_default():
        return model_class(PLAIN.get(name, name))(SMALLEST.get(name, SMALL), 3, **options)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_a_class_that_nn_exports(name):
    found = model_class(name)
    assert getattr(nn, found.__name__) is found
    assert found.__name__ in nn.__all__
    assert dotted_path(name) == MODELS[name].path == f"{found.__module__}.{found.__name__}"


class TestContract:
    @pytest.mark.parametrize(("name", "precision"), QUICK)
    def test_builds_trains_saves_restores_and_predicts(self, name, precision, session, tmp_path):
        self.check(name, session, tmp_path, precision=precision)

    @pytest.mark.long
    @pytest.mark.parametrize("name", [*MODELS, *PLAIN])
    def test_every_net_does_so_in_its_full_depth(self, name, session, tmp_path):
        self.check(name, session, tmp_path, is_whole=True)

    def check(self, name, session, tmp_path, **options):
        model = build(name, **options)
        height, _, channels = model.input_shape
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (5, height + 2, height + 2, channels), np.uint8)
        dataset = DataSet(images, np.eye(3)[[0, 1, 2, 0, 1]], crop_size=height)
        with model.graph.as_default():
            # clipped: the last norms of a deep net see five values each here, and its gradients are huge
            gradients, _ = tf.clip_by_global_norm(tf.gradients(model.loss, model.trainable_variables), 1.0)
            update = v1.train.GradientDescentOptimizer(0.01).apply_gradients(
                zip(gradients, model.trainable_variables, strict=True)
            )
            sess = session(model)
            sess.run(v1.global_variables_initializer())
            loss, _, _ = sess.run(
                [model.loss, update, model.update_ops], model.feed(*dataset.next_batch(5), is_train=True)
            )
            v1.train.Saver().save(sess, str(tmp_path / "model.ckpt"), write_meta_graph=False)
        pred = model.predict(sess, dataset, batch_size=4)

        assert np.isfinite(loss)
        assert model.pred.dtype == model.logits.dtype == tf.float32
        assert all(v.dtype.base_dtype == tf.float32 for v in model.variables)
        assert pred.shape == (5, 3)
        np.testing.assert_allclose(pred.sum(axis=1), 1, rtol=1e-5)
        again = build(name, seed=9, **options)
        sess = session(again)
        restore(sess, again.variables, tmp_path)
        np.testing.assert_array_equal(again.predict(sess, dataset, batch_size=4), pred)

    @pytest.mark.parametrize("name", ["alexnet", "smallnet", "resnet50", "mini-resnet"])
    def test_unknown_option_is_an_error_with_a_suggestion(self, name):
        misspelt, option = MISSPELT.get(name, ("shortcutt", "shortcut"))
        with pytest.raises(TypeError, match=f"'{misspelt}'; did you mean '{option}'"):
            build(name, **{misspelt: 1})
        with pytest.raises(TypeError, match="'weight_decayy'; did you mean 'weight_decay'"):
            build(name, weight_decayy=0.1)

    @pytest.mark.parametrize("name", ["alexnet", "smallnet", "resnet18", "mini-resnet"])
    def test_options_of_other_parts_are_passed_over(self, name):
        build(name, batch_size=256, learning_rate_patience=30, augment_pred=True)
