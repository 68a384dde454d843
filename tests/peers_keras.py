"""The CIFAR post's ResNet-20 as a Keras user writes it, for the parity tests."""

import keras
from keras import layers, regularizers


def conv_norm(x, name, filters, side, stride):
    """A convolution and its normalisation, with Keras' own biases, epsilon 0.001 and momentum 0.99."""
    x = layers.Conv2D(
        filters,
        side,
        strides=stride,
        padding="same",
        kernel_regularizer=regularizers.l2(0.0001),
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return layers.BatchNormalization(name=f"{name}_norm")(x)


def resnet20(num_classes):
    """(N, 32, 32, 3) -> probabilities (N, num_classes); every stage starts with stride 2, the first one too."""
    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(conv_norm(inputs, "stem", 16, 3, 1))
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(1, 4):
            name = f"stage{stage}_block{block}"
            stride = 2 if block == 1 else 1
            shortcut = conv_norm(x, f"{name}_shortcut", filters, 1, stride) if stride == 2 else x
            x = layers.ReLU()(conv_norm(x, f"{name}_conv1", filters, 3, stride))
            x = layers.ReLU()(layers.add([shortcut, conv_norm(x, f"{name}_conv2", filters, 3, 1)]))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(
        num_classes, activation="softmax", kernel_regularizer=regularizers.l2(0.0001), name="fc"
    )(x)
    return keras.Model(inputs, outputs)


KINDS = {"weights": "kernel", "biases": "bias"}


def keras_variable(model, name):
    """The peer's variable of `name`: stage1/block2/conv1/weights is `kernel` of the layer stage1_block2_conv1."""
    scope, _, variable = name.rpartition("/")
    layer_name = scope.replace("/", "_")
    layer = model.get_layer(layer_name if variable in KINDS else f"{layer_name}_norm")
    return getattr(layer, KINDS.get(variable, variable))
