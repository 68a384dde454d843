"""models/weights/maps/caffe.py against Caffe's network, written again in PyTorch."""

import numpy as np
import pytest

from models.nn import AlexNet
from models.weights.load import load_weights
from models.weights.maps.caffe import CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED
from models.weights.maps.catalogue import recognise
from tests.support.published_nets import (
    build,
    check_logits,
    check_names,
    random_images,
    random_tensors,
    their_inputs,
)

SIDE = 99  # the least whose last pooling is more than one pixel, so that the order of fc6's inputs matters
CONVOLUTIONS = {
    "conv1": (4, 0, 1),
    "conv2": (1, 2, 2),
    "conv3": (1, 1, 1),
    "conv4": (1, 1, 2),
    "conv5": (1, 1, 2),
}
POOLED, NORMALISED = ("conv1", "conv2", "conv5"), ("conv1", "conv2")


def caffe_logits(layers, inputs):
    """Compute bvlc_alexnet, by `deploy.prototxt`, with the weights and biases of each layer as converted."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x = torch.tensor(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2)))
    with torch.no_grad():
        for name, (stride, padding, groups) in CONVOLUTIONS.items():
            weights, biases = (torch.tensor(value) for value in layers[name])
            x = functional.conv2d(x, weights.permute(3, 2, 0, 1), biases, stride, padding, groups=groups)
            x = functional.relu(x)
            if name in NORMALISED:
                x = functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)
            if name in POOLED:
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = x.permute(0, 2, 3, 1).flatten(1)
        for name in ("fc6", "fc7", "fc8"):
            weights, biases = (torch.tensor(value) for value in layers[name])
            x = x @ weights + biases
            x = functional.relu(x) if name != "fc8" else x
    return x.numpy()


@pytest.mark.parametrize("source", [CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED], ids=["lists", "dictionaries"])
def test_the_logits_are_those_of_caffe(source, session, tmp_path, one_torch_thread):
    model = build(AlexNet, SIDE, source)
    tensors, images = random_tensors(model, source), random_images(model)
    names = [*CONVOLUTIONS, "fc6", "fc7", "fc8"]
    kinds = ("0", "1") if source is CAFFE_ALEXNET else ("weights", "biases")
    layers = {name: [tensors[f"{name}/{kind}"] for kind in kinds] for name in names}
    stored = (
        layers if source is CAFFE_ALEXNET else {n: dict(zip(kinds, layers[n], strict=True)) for n in names}
    )
    np.save(tmp_path / "bvlc_alexnet.npy", np.array(stored, dtype=object), allow_pickle=True)
    sess = session(model)
    load_weights(sess, model, tmp_path / "bvlc_alexnet.npy")
    check_logits(sess, model, images, caffe_logits(layers, their_inputs(images, source.preprocessing)))


@pytest.mark.parametrize("source", [CAFFE_ALEXNET, CAFFE_ALEXNET_NAMED], ids=["lists", "dictionaries"])
def test_every_published_array_has_its_variable(source):
    weights, biases = ("0", "1") if source is CAFFE_ALEXNET else ("weights", "biases")
    arrays = {
        "conv1": (11, 11, 3, 96),
        "conv2": (5, 5, 48, 256),
        "conv3": (3, 3, 256, 384),
        "conv4": (3, 3, 192, 384),
        "conv5": (3, 3, 192, 256),
        "fc6": (9216, 4096),
        "fc7": (4096, 4096),
        "fc8": (4096, 1000),
    }
    shapes = {f"{name}/{weights}": shape for name, shape in arrays.items()}
    shapes |= {f"{name}/{biases}": shape[-1:] for name, shape in arrays.items()}
    assert recognise(shapes) is source
    check_names(build(AlexNet, 227, source, num_classes=1000), source, shapes)


def test_our_own_weights_are_not_taken_for_caffes():
    model = build(AlexNet, SIDE, CAFFE_ALEXNET)
    shapes = {v.op.name: tuple(v.shape.as_list()) for v in model.variables}
    assert not CAFFE_ALEXNET_NAMED.recognises(shapes)
