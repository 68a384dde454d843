"""models/weights/maps/keras.py against keras.applications."""

import numpy as np
import pytest

from models.catalogue import model_class
from models.nn import ResNet50
from models.weights.load import load_weights
from models.weights.maps.catalogue import recognise
from models.weights.maps.keras import KERAS_APPLICATIONS_RESNET, KERAS_RESNET
from tests.support.published_nets import (
    CLASSES,
    build,
    check_logits,
    check_names,
    random_images,
    random_tensors,
)


def variables_of(peer):
    return {f"{layer.name}/{weight.name}": weight for layer in peer.layers for weight in layer.weights}


def test_the_logits_are_those_of_keras(session, tmp_path):
    import keras

    peer = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=CLASSES, classifier_activation=None
    )
    model = build(ResNet50, 64, KERAS_RESNET)
    variables, tensors = variables_of(peer), random_tensors(model, KERAS_RESNET)
    assert variables.keys() == tensors.keys()
    for name, variable in variables.items():
        variable.assign(tensors[name])
    path = tmp_path / "resnet50.weights.h5"
    peer.save_weights(path)
    sess, images = session(model), random_images(model)
    load_weights(sess, model, path)
    inputs = keras.applications.resnet.preprocess_input(images.astype(np.float32))
    check_logits(sess, model, images, peer(inputs, training=False).numpy())


@pytest.mark.parametrize(
    "depth", [50, *(pytest.param(depth, marks=pytest.mark.long) for depth in (101, 152))]
)
def test_every_variable_of_keras_has_ours(depth):
    import keras

    peer = getattr(keras.applications, f"ResNet{depth}")(weights=None)
    shapes = {name: tuple(variable.shape) for name, variable in variables_of(peer).items()}
    assert recognise(shapes) is KERAS_RESNET
    model = build(model_class(f"resnet{depth}"), 32, KERAS_RESNET, num_classes=1000)
    check_names(model, KERAS_RESNET, shapes)
    renamed = {name.replace("predictions/", "probs/"): shape for name, shape in shapes.items()}
    assert recognise(renamed) is KERAS_APPLICATIONS_RESNET
    check_names(model, KERAS_APPLICATIONS_RESNET, renamed)
