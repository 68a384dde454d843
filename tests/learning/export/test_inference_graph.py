"""learning/export/inference_graph.py: a graph of constants that gives what the network gives."""

import numpy as np
import pytest

from datasets.augment.windows import center_window, corner_center_crop_reflect, fixed_windows
from learning.export.inference_graph import IMAGES, PROBABILITIES, inference_graph
from learning.inference.temperature import use_temperature
from tests.conftest import make_set, tf, v1
from tests.support.frozen_nets import shaken

# What may stand in a graph of these nets; nothing that reads a variable, draws a number or decides by `is_train`.
PLAIN = {
    *("Placeholder", "Const", "Identity", "Cast", "StridedSlice", "ReverseV2", "Pack", "Reshape", "Mean"),
    *(
        "Conv2D",
        "DepthwiseConv2dNative",
        "BiasAdd",
        "Relu",
        "Relu6",
        "MaxPool",
        "AddV2",
        "Sub",
        "Mul",
        "MatMul",
    ),
    *("Softmax", "BroadcastTo", "FusedBatchNormV3", "AvgPool", "RealDiv"),
}
CLOSE = 1e-5  # folding and constants round other numbers than the net does, by 6e-8 of each


def answers(graph_def, images, dtype=np.uint8):
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess:
        tf.import_graph_def(graph_def, name="")
        return sess.run(f"{PROBABILITIES}:0", {f"{IMAGES}:0": images.astype(dtype)})


def mean_of_crops(model, sess, tensor, crops):
    """The mean of a tensor over the crops (N, P, h, w, C), computed in the model's own graph."""
    return np.stack([sess.run(tensor, model.feed(image)).mean(axis=0) for image in crops])


@pytest.mark.parametrize("name", ["biased", "smallnet", "Depthwise", "OwnNorm"])
def test_ten_crops_of_any_net(session, name):
    model, sess = shaken(session, name)
    images = make_set(4, num_classes=3).images
    graph_def = inference_graph(model, sess, (12, 12), fixed_windows(12, 12, 10))
    expected = mean_of_crops(model, sess, model.pred, corner_center_crop_reflect(images, 10))
    assert np.ptp(expected, axis=0).max() > 100 * CLOSE
    np.testing.assert_allclose(answers(graph_def, images), expected, atol=CLOSE)
    assert {node.op for node in graph_def.node} <= PLAIN
    assert [node.name for node in graph_def.node if node.op == "Placeholder"] == [IMAGES]
    assert len(graph_def.library.function) == 0


@pytest.mark.parametrize("name", ["Branches", "Nested"])
def test_conditions_on_the_images_stay(session, name):
    model, sess = shaken(session, name)
    images = make_set(3, num_classes=3).images
    graph_def = inference_graph(model, sess, (12, 12), center_window(12, 12, 10))
    expected = sess.run(model.pred, model.feed(images[:, 1:11, 1:11]))
    np.testing.assert_allclose(answers(graph_def, images), expected, atol=CLOSE)
    assert not any("Variable" in node.op or "Random" in node.op for node in graph_def.node)


def test_a_temperature_divides_the_logits_of_each_crop(session):
    model, sess = shaken(session, "smallnet")
    images = make_set(3, num_classes=3).images
    use_temperature(model, 2.5)
    graph_def = inference_graph(model, sess, (12, 12), fixed_windows(12, 12, 10))
    crops = corner_center_crop_reflect(images, 10)
    logits = np.stack([sess.run(model.logits, model.feed(image)) for image in crops])  # (N, 10, K)
    powers = np.exp(logits / 2.5)
    expected = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=1)
    np.testing.assert_allclose(answers(graph_def, images), expected, atol=CLOSE)


def test_crops_as_large_as_the_images_and_images_as_numbers(session):
    model, sess = shaken(session, "smallnet")
    images = make_set(3, size=10, num_classes=3).images
    windows = fixed_windows(10, 10, 10)
    assert len(windows[0]) == 2
    graph_def = inference_graph(model, sess, (10, 10), windows, dtype=tf.float32)
    mirrored = np.stack([images, images[:, :, ::-1]], axis=1)
    expected = mean_of_crops(model, sess, model.pred, mirrored)
    np.testing.assert_allclose(answers(graph_def, images, np.float32), expected, atol=CLOSE)


def test_the_network_goes_on_working(session):
    model, sess = shaken(session, "smallnet")
    dataset = make_set(8, num_classes=3)
    before = model.predict(sess, dataset)
    inference_graph(model, sess, (12, 12), center_window(12, 12, 10))
    np.testing.assert_allclose(model.predict(sess, dataset), before, atol=CLOSE)
