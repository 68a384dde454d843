"""Write a network of your own, and train it with an optimizer of the project."""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # fewer of TensorFlow's notes

import tensorflow.compat.v1 as tf

from datasets.digits import load_digits_splits
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import NesterovOptimizer
from models.layers import batch_norm, conv_layer, dropout, fc_layer, global_average_pool, max_pool
from models.nn import ConvNet


class TwoLayerNet(ConvNet):
    """Two convolutions; 'dropout_prob' and 'width' are its options."""

    def _build_model(self, width: int = 32, dropout_prob: float = 0.0) -> dict[str, tf.Tensor]:
        with tf.variable_scope("conv1"):
            x = conv_layer(self.inputs, 5, 2, width, weights_stddev=None, biases_value=None)
            x = max_pool(tf.nn.relu(batch_norm(x, self.is_train)), 2, 2)  # (N, 7, 7, width)
        with tf.variable_scope("conv2"):
            x = conv_layer(x, 3, 1, 2 * width, weights_stddev=None, biases_value=None)
            x = tf.nn.relu(batch_norm(x, self.is_train))  # (N, 7, 7, 2 * width)
        with tf.variable_scope("fc"):
            features = dropout(global_average_pool(x), dropout_prob, self.is_train)  # (N, 2 * width)
            return {"logits": fc_layer(features, self.num_classes, biases_value=0.0)}


splits = load_digits_splits()
evaluator = AccuracyEvaluator()

with tf.Graph().as_default(), tempfile.TemporaryDirectory() as save_dir:
    model = TwoLayerNet(
        splits.train.crop_shape,
        len(splits.class_names),
        image_mean=splits.train.image_mean,
        dropout_prob=0.1,
    )
    optimizer = NesterovOptimizer(
        model,
        splits.train,
        evaluator,
        splits.val,
        batch_size=32,
        num_epochs=5,
        init_learning_rate=0.2,
        schedule="cosine",
    )
    print(f"{model.num_parameters:,} parameters in {[v.op.name for v in model.trainable_variables]}")
    with tf.Session(graph=model.graph) as sess:
        optimizer.train(sess, save_dir=save_dir)
        probabilities = model.predict(sess, splits.test)  # (N, 10)

print("the first test image is labelled", splits.class_names[probabilities[0].argmax()])
print(f"test accuracy: {evaluator.score(splits.test.labels, probabilities):.4f}")
