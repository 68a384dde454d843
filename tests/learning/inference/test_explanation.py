"""learning/inference/explanation.py: Grad-CAM against calculation by hand, and pictures of maps."""

import numpy as np
import pytest

from learning.errors import UsageError
from learning.inference.explanation import GradCam, feature_maps, overlay, picture
from models.catalogue import MODELS
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool
from models.nn import ConvNet
from tests.conftest import tf, tiny_model, v1, whole_net
from tests.support.hand_net import HandNet, build, started


class DeepNet(ConvNet):
    """Batch norm, dropout and a shortcut behind its first feature map."""

    def _build_model(self):
        d = {}
        for name, stride in (("first", 1), ("second", 2)):
            with v1.variable_scope(name):
                x = conv_layer(d.get("first", self.inputs), 3, stride, 4, weights_stddev=None)
                d[name] = tf.nn.relu(batch_norm(x, self.is_train))
        with v1.variable_scope("fc"):
            d["features"] = dropout(global_average_pool(tf.cast(d["second"], tf.float32)), 0.5, self.is_train)
            d["logits"] = fc_layer(d["features"], self.num_classes, weights_stddev=0.5)
        return {"logits": d.pop("logits"), "second": d.pop("second"), **d, "kernel": tf.zeros([1, 2, 2, 1])}


def by_hand(coarse, factor_rows, factor_columns):
    """A map of 2 x 3 positions, at 4 x 6 pixels, divided by its maximum."""
    fine = factor_rows @ np.maximum(coarse, 0) @ factor_columns.T
    return fine / fine.max()


ROWS = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
COLUMNS = np.array([[4, 0, 0], [3, 1, 0], [1, 3, 0], [0, 3, 1], [0, 1, 3], [0, 0, 4]]) / 4
LEVELS = np.array([[255, 204, 51], [0, 102, 153]], np.uint8)  # 1, 0.8, 0.2, 0, 0.4, 0.6
CELLS = {0: [[2, 1.4, -0.4], [-1, 0.2, 0.8]], 1: [[-1, -0.2, 2.2], [3, 1.4, 0.6]]}  # 3x - 1 and 3 - 4x


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_map_is_that_of_the_paper(session, precision):
    model = build(HandNet, (4, 6, 1), precision=precision)
    sess = started(session, model)
    image = np.kron(LEVELS, np.ones((2, 2), np.uint8))[..., np.newaxis]  # (4, 6, 1)
    maps = GradCam(model).maps(sess, np.stack([image, image, 0 * image]), np.array([0, 1, 0]), batch_size=2)
    assert maps.dtype == np.float32
    tolerance = 1e-5 if precision == "float32" else 0.02
    for row in (0, 1):
        expected = by_hand(np.array(CELLS[row]), ROWS, COLUMNS)
        np.testing.assert_allclose(maps[row], expected, atol=tolerance)
    assert not maps[2].any()  # black: nothing speaks for class 0


def test_the_weights_are_mean_gradients_not_the_weights_of_the_last_layer(session):
    class Squared(HandNet):
        def _build_model(self):
            d = super()._build_model()
            return {**d, "logits": d["features"] ** 2}  # the gradient by channel k is 2 mean_k for class k

    model = build(Squared, (4, 6, 1))
    image = np.kron(LEVELS, np.ones((2, 2), np.uint8))[..., np.newaxis]
    maps = GradCam(model).maps(started(session, model), image[np.newaxis], np.array([1]))
    np.testing.assert_allclose(maps[0], by_hand(1 - LEVELS / 255, ROWS, COLUMNS), atol=1e-5)


@pytest.mark.parametrize("freeze", [None, "head-only"])
def test_an_early_layer_of_a_graph_that_has_run(session, freeze):
    model = build(DeepNet, (8, 6, 3), freeze=freeze)
    sess = started(session, model)
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), np.uint8)
    classes = np.array([1, 0, 1])
    maps = GradCam(model, "first").maps(sess, images, classes)
    # The logits change along the gradient, which central differences find without TensorFlow's gradients.
    first = sess.run(model.d["first"], model.feed(images)).astype(np.float64)
    weights = np.zeros((3, 1, 1, 4))
    for channel in range(4):
        step = np.zeros(4)
        step[channel] = 1e-2
        low, high = (
            sess.run(model.logits, {**model.feed(images), model.d["first"]: first + sign * step})
            for sign in (-1, 1)
        )
        weights[:, 0, 0, channel] = (high - low)[np.arange(3), classes]
    expected = np.maximum((weights * first).sum(axis=3), 0)
    expected /= np.maximum(expected.max(axis=(1, 2), keepdims=True), 1e-9)
    np.testing.assert_allclose(maps, expected, atol=0.02)


def test_the_last_map_of_the_graph_is_explained_unless_another_is_named():
    model = build(DeepNet, (8, 6, 3))
    assert feature_maps(model) == ["first", "second"]
    assert GradCam(model).layer == "second"
    with pytest.raises(UsageError, match="DeepNet has no feature map 'third'; .* to the last: first, second"):
        GradCam(model, "third")


@pytest.mark.parametrize(
    ("name", "last", "shape"),
    [
        ("alexnet", "pool5", [6, 6, 256]),
        ("resnet18", "stage4/block2", [7, 7, 512]),
        ("resnet20", "stage3/block3", [8, 8, 64]),
        ("mini-resnet", "stage1/block2", [9, 9, 64]),
        ("efficientnet-lite0", "head", [7, 7, 1280]),
        ("smallnet", "block3", [4, 4, 128]),
    ],
)
def test_every_family_has_a_last_map(name, last, shape):
    model = whole_net(name)
    assert feature_maps(model)[-1] == last
    assert model.d[last].shape[1:].as_list() == shape
    assert name in MODELS


def test_a_network_without_a_map_says_so():
    with pytest.raises(
        UsageError, match="TinyNet has no feature map to explain; let its _build_model return"
    ):
        GradCam(tiny_model())


@pytest.mark.parametrize(
    "operation",
    [
        lambda logits: tf.cast(tf.argsort(logits), tf.float32),  # has no gradient
        lambda logits: tf.linalg.lu(logits[..., None, None])[0][..., 0, 0],  # TensorFlow does not know it
    ],
)
def test_logits_without_a_gradient_are_one_line(operation):
    class Stepped(HandNet):
        def _build_model(self):
            d = super()._build_model()
            return {**d, "logits": operation(d["logits"])}

    with pytest.raises(UsageError, match="the logits of Stepped have no gradient by 'maps'"):
        GradCam(build(Stepped, (4, 6, 1)))


def test_training_sees_nothing_of_it(session):
    model = build(DeepNet, (8, 6, 3))
    before = (list(model.variables), list(model.update_ops), model.loss.name)
    num_variables = len(model.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES))
    GradCam(model)
    assert (model.variables, model.update_ops, model.loss.name) == before
    assert len(model.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)) == num_variables
    model.graph.finalize()
    with pytest.raises(UsageError, match="the graph is finalized"):
        GradCam(model)


def test_logits_that_are_not_numbers_have_an_empty_map(session):
    model = build(HandNet, (4, 6, 1))
    sess = started(session, model)
    image = np.full((1, 4, 6, 1), np.nan, np.float32)
    np.testing.assert_array_equal(GradCam(model).maps(sess, image, np.array([0])), np.zeros((1, 4, 6)))
    assert GradCam(model).maps(sess, image[:0], np.array([], int)).shape == (0, 4, 6)


def test_an_overlay_leaves_the_image_where_nothing_speaks():
    image = np.array([[[10], [200], [100]]], np.uint8)
    magenta = [140 + 0.3 * 240, 140, 140 + 0.3 * 130]
    expected = [[[10, 10, 10], magenta, [40 + 0.6 * 255, 40 + 0.6 * 255, 40]]]
    found = overlay(image, np.array([[0, 0.5, 1]]))
    assert (found.dtype, found.shape) == (np.uint8, (1, 3, 3))
    np.testing.assert_allclose(found, expected, atol=0.51)  # rounded


@pytest.mark.parametrize(
    ("shape", "heat", "size"),
    [((28, 20, 1), True, (160, 112)), ((28, 20, 1), False, (80, 112)), ((512, 256, 3), True, (256, 256))],
)
def test_a_picture_has_the_image_and_the_overlay(shape, heat, size):
    image = np.full(shape, 0.4, np.float32)
    drawn = picture(image, np.zeros(shape[:2]) if heat else None)
    assert drawn.size == size
    assert drawn.getextrema() == ((102, 102),) * 3
