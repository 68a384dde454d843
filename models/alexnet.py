"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, in one tower as the AlexNet post builds it."""

from typing import Literal

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models import layers
from models.convnet import ConvNet
from models.layers import conv_layer, dropout, fc_layer, max_pool
from models.options import check_among


class AlexNet(ConvNet):
    """Five convolutions and three fully connected layers; 58,289,538 parameters at 227x227 and two classes.

    Deviations from the paper: one tower instead of two, 227 pixels instead of 224, and (as in the post) no
    local response normalisation by default. Deviation from the post: its fc8 read relu7, so that fc7's
    dropout never reached the output; here fc8 reads drop7.
    """

    head = "fc8"

    def _build_model(
        self,
        dropout_prob: float = 0.0,
        local_response_norm: bool = False,
        initial_weights: Literal["post", "he_normal"] = "post",
    ) -> dict[str, tf.Tensor]:
        """Build the layers, named as in the AlexNet post; `d['features']` is relu7.

        :param dropout_prob: probability that a unit of fc6 and fc7 is dropped in training.
        :param local_response_norm: normalise relu1 and relu2 (paper, section 3.3).
        :param initial_weights: 'post': normal with standard deviation 0.01, and 0.005 in fc6 and fc7; with pixels
            in [0, 1] the signals vanish, and training makes no progress for many epochs. 'he_normal' (He et al.
            2015b, every layer but fc8) avoids that.
        """
        check_among("initial_weights", initial_weights, ("post", "he_normal"))
        wide, narrow = (0.01, 0.005) if initial_weights == "post" else (None, None)
        d = {}
        normalise = layers.local_response_norm if local_response_norm else tf.identity
        with v1.variable_scope("conv1"):
            d["conv1"] = conv_layer(self.inputs, 11, 4, 96, "VALID", weights_stddev=wide, biases_value=0.0)
            d["relu1"] = tf.nn.relu(d["conv1"])  # (N, 55, 55, 96) at 227
            d["pool1"] = max_pool(normalise(d["relu1"]), 3, 2, padding="VALID")  # (N, 27, 27, 96)
        with v1.variable_scope("conv2"):
            d["conv2"] = conv_layer(d["pool1"], 5, 1, 256, weights_stddev=wide, biases_value=0.1)
            d["relu2"] = tf.nn.relu(d["conv2"])  # (N, 27, 27, 256)
            d["pool2"] = max_pool(normalise(d["relu2"]), 3, 2, padding="VALID")  # (N, 13, 13, 256)
        with v1.variable_scope("conv3"):
            d["conv3"] = conv_layer(d["pool2"], 3, 1, 384, weights_stddev=wide, biases_value=0.0)
            d["relu3"] = tf.nn.relu(d["conv3"])  # (N, 13, 13, 384)
        with v1.variable_scope("conv4"):
            d["conv4"] = conv_layer(d["relu3"], 3, 1, 384, weights_stddev=wide, biases_value=0.1)
            d["relu4"] = tf.nn.relu(d["conv4"])  # (N, 13, 13, 384)
        with v1.variable_scope("conv5"):
            d["conv5"] = conv_layer(d["relu4"], 3, 1, 256, weights_stddev=wide, biases_value=0.1)
            d["relu5"] = tf.nn.relu(d["conv5"])  # (N, 13, 13, 256)
            d["pool5"] = max_pool(d["relu5"], 3, 2, padding="VALID")  # (N, 6, 6, 256)
        flat = tf.reshape(d["pool5"], [-1, d["pool5"].shape[1:].num_elements()])  # (N, 9216)
        with v1.variable_scope("fc6"):
            d["fc6"] = fc_layer(flat, 4096, weights_stddev=narrow, biases_value=0.1)
            d["relu6"] = tf.nn.relu(d["fc6"])
            d["drop6"] = dropout(d["relu6"], dropout_prob, self.is_train)  # (N, 4096)
        with v1.variable_scope("fc7"):
            d["fc7"] = fc_layer(d["drop6"], 4096, weights_stddev=narrow, biases_value=0.1)
            d["relu7"] = tf.nn.relu(d["fc7"])
            d["features"] = d["relu7"]
            d["drop7"] = dropout(d["relu7"], dropout_prob, self.is_train)  # (N, 4096)
        with v1.variable_scope("fc8"):
            d["logits"] = fc_layer(d["drop7"], self.num_classes, weights_stddev=0.01, biases_value=0.0)
        return d
