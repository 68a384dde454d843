"""SmallNet: a residual net for small images, and an example of how little a new architecture needs."""

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.convnet import ConvNet
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool, max_pool


class SmallNet(ConvNet):
    """Three residual blocks with max pooling between them, for images of about 28x28 and up."""

    def _build_model(self, width: int = 32, dropout_prob: float = 0.0) -> dict[str, tf.Tensor]:
        """Build a 3x3 stem, three residual blocks, global average pooling and one fully connected layer.

        :param width: channels of the first block; each further block has twice as many.
        :param dropout_prob: probability that a pooled feature is dropped in training.
        """
        d = {"stem": self._conv_bn_relu("stem", self.inputs, width)}
        x = d["stem"]
        for block in range(3):
            with v1.variable_scope(f"block{block + 1}"):
                x = self._conv_bn_relu("enter", max_pool(x, 2, 2), width * 2**block)
                x = x + self._conv_bn_relu("residual", x, width * 2**block)
                d[f"block{block + 1}"] = x
        with v1.variable_scope("fc"):
            d["features"] = global_average_pool(x)  # (N, 4 * width)
            x = dropout(d["features"], dropout_prob, self.is_train)
            d["logits"] = fc_layer(x, self.num_classes, biases_value=0.0)
        return d

    def _conv_bn_relu(self, name: str, x: tf.Tensor, depth: int) -> tf.Tensor:
        with v1.variable_scope(name):
            x = conv_layer(x, 3, 1, depth, weights_stddev=None, biases_value=None)
            return tf.nn.relu(batch_norm(x, self.is_train))
