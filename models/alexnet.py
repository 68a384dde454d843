"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, as the AlexNet post builds it, with published variants."""

from collections.abc import Sequence
from typing import Literal

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.convnet import ConvNet
from models.layers import conv_layer, dropout, fc_layer, local_response_norm, max_pool
from models.options import check, check_among, check_sizes, is_size

WIDTHS = (96, 256, 384, 384, 256)
CAFFE_NORM = {"bias": 1.0, "alpha": 1e-4 / 5}  # Caffe divides alpha by the number of channels


class AlexNet(ConvNet):
    """Five convolutions and three fully connected layers; 58,289,538 parameters at 227x227 and two classes.

    The defaults are the post's. Deviations from the paper: one tower instead of two, 227 pixels instead of 224, and
    no local response normalisation. Deviation from the post: its fc8 read relu7, so that fc7's dropout never
    reached the output; here fc8 reads drop7.

    Two published networks are this class with other options:

    - Caffe's bvlc_alexnet, 60,965,224 parameters at 227x227 and 1,000 classes: `groups=2` and
      `local_response_norm="caffe"`. It is the paper's network with other constants of the normalisation.
    - torchvision's, 61,100,840 parameters at 224x224 and 1,000 classes (Krizhevsky 2014, "One weird trick for
      parallelizing convolutional neural networks"): `widths=[64, 192, 384, 256, 256]`, `image_padding=2`,
      `dropout_on="inputs"`. It averages the last pooling to 6x6 for any size of image, which is that pooling itself
      at 224; here fc6 has as many inputs as the pooling has values.
    """

    head = "fc8"

    def _build_model(
        self,
        dropout_prob: float = 0.0,
        local_response_norm: bool | Literal["caffe"] = False,
        initial_weights: Literal["post", "he_normal"] = "post",
        widths: Sequence[int] = WIDTHS,
        groups: int = 1,
        image_padding: int = 0,
        dropout_on: Literal["outputs", "inputs"] = "outputs",
    ) -> dict[str, tf.Tensor]:
        """Build the layers, named as in the AlexNet post; `d['features']` is relu7.

        :param dropout_prob: probability that a unit is dropped in training.
        :param local_response_norm: normalise relu1 and relu2: True with the constants of the paper (section 3.3),
            'caffe' with those of bvlc_alexnet.
        :param initial_weights: 'post': normal with standard deviation 0.01, and 0.005 in fc6 and fc7; with pixels
            in [0, 1] the signals vanish, and training makes no progress for many epochs. 'he_normal' (He et al.
            2015b, every layer but fc8) avoids that.
        :param widths: channels of the five convolutions.
        :param groups: of conv2, conv4 and conv5: 2 lets each half of their filters read half of the channels, as in
            the two towers of the paper.
        :param image_padding: zeros around the images (pixels).
        :param dropout_on: drop 'outputs' of fc6 and fc7, as in the paper, or their 'inputs', as torchvision does.
        """
        check_among("initial_weights", initial_weights, ("post", "he_normal"))
        check_among("dropout_on", dropout_on, ("outputs", "inputs"))
        _check_options(local_response_norm, widths, groups, image_padding)
        wide, narrow = (0.01, 0.005) if initial_weights == "post" else (None, None)
        before, after = (dropout_prob, 0.0) if dropout_on == "inputs" else (0.0, dropout_prob)
        d = {}
        with v1.variable_scope("conv1"):
            x = _padded(self.inputs, image_padding)
            d["conv1"] = conv_layer(x, 11, 4, widths[0], "VALID", weights_stddev=wide, biases_value=0.0)
            d["relu1"] = tf.nn.relu(d["conv1"])  # (N, 55, 55, 96) at 227
            x = _normalised(d["relu1"], local_response_norm)
            d["pool1"] = max_pool(x, 3, 2, padding="VALID")  # (N, 27, 27, 96)
        with v1.variable_scope("conv2"):
            d["conv2"] = conv_layer(
                d["pool1"], 5, 1, widths[1], groups=groups, weights_stddev=wide, biases_value=0.1
            )
            d["relu2"] = tf.nn.relu(d["conv2"])  # (N, 27, 27, 256)
            x = _normalised(d["relu2"], local_response_norm)
            d["pool2"] = max_pool(x, 3, 2, padding="VALID")  # (N, 13, 13, 256)
        with v1.variable_scope("conv3"):
            d["conv3"] = conv_layer(d["pool2"], 3, 1, widths[2], weights_stddev=wide, biases_value=0.0)
            d["relu3"] = tf.nn.relu(d["conv3"])  # (N, 13, 13, 384)
        with v1.variable_scope("conv4"):
            d["conv4"] = conv_layer(
                d["relu3"], 3, 1, widths[3], groups=groups, weights_stddev=wide, biases_value=0.1
            )
            d["relu4"] = tf.nn.relu(d["conv4"])  # (N, 13, 13, 384)
        with v1.variable_scope("conv5"):
            d["conv5"] = conv_layer(
                d["relu4"], 3, 1, widths[4], groups=groups, weights_stddev=wide, biases_value=0.1
            )
            d["relu5"] = tf.nn.relu(d["conv5"])  # (N, 13, 13, 256)
            d["pool5"] = max_pool(d["relu5"], 3, 2, padding="VALID")  # (N, 6, 6, 256)
        flat = tf.reshape(d["pool5"], [-1, d["pool5"].shape[1:].num_elements()])  # (N, 9216)
        with v1.variable_scope("fc6"):
            x = dropout(flat, before, self.is_train)
            d["fc6"] = fc_layer(x, 4096, weights_stddev=narrow, biases_value=0.1)
            d["relu6"] = tf.nn.relu(d["fc6"])
            d["drop6"] = dropout(d["relu6"], after, self.is_train)  # (N, 4096)
        with v1.variable_scope("fc7"):
            x = dropout(d["drop6"], before, self.is_train)
            d["fc7"] = fc_layer(x, 4096, weights_stddev=narrow, biases_value=0.1)
            d["relu7"] = tf.nn.relu(d["fc7"])
            d["features"] = d["relu7"]
            d["drop7"] = dropout(d["relu7"], after, self.is_train)  # (N, 4096)
        with v1.variable_scope("fc8"):
            d["logits"] = fc_layer(d["drop7"], self.num_classes, weights_stddev=0.01, biases_value=0.0)
        return d


def _padded(images: tf.Tensor, edge: int) -> tf.Tensor:
    """Return images with `edge` zeros on each side."""
    return images if edge == 0 else tf.pad(images, [[0, 0], [edge, edge], [edge, edge], [0, 0]])


def _normalised(x: tf.Tensor, constants: bool | str) -> tf.Tensor:
    """Normalise `x` by the option `local_response_norm` of the network."""
    if constants == "caffe":
        return local_response_norm(x, **CAFFE_NORM)
    return local_response_norm(x) if constants else tf.identity(x)


def _check_options(norm: object, widths: Sequence[int], groups: int, edge: int) -> None:
    check(norm in (False, True, "caffe"), "local_response_norm", norm, "true, false or caffe")
    check_sizes("widths", widths, len(WIDTHS))
    check(is_size(groups), "groups", groups, "a positive integer")
    check(isinstance(edge, int) and edge >= 0, "image_padding", edge, "an integer of at least 0")
