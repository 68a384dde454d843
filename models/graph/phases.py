"""Choose between what a graph computes in training and in prediction, when it runs."""

from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow.compat.v1 as v1

Branch = Callable[..., Sequence[tf.Tensor]]


def by_phase(
    is_train: tf.Tensor, inputs: Sequence[tf.Tensor], training: Branch, prediction: Branch
) -> list[tf.Tensor]:
    """Return the results of `training(*inputs)` or, where `is_train` is False, of `prediction(*inputs)`.

    These are the Switch and Merge operations that the runtime makes of a `tf.cond`. TensorFlow 2.21 computes the
    gradient of a `tf.cond` on the processor even if its branches ran on a GPU. There, batch norm keeps the inverse
    of the standard deviation for its gradient, which the processor's kernel takes for the variance: the gradients
    are wrong, and nothing says so. A `tf.cond` also cannot be differentiated once a session has run it.

    :param is_train: bool scalar.
    :param inputs: all tensors that gradients pass through; each result must be computed from at least one of them.
    :param training: returns as many tensors as `prediction`, of the same dtypes.
    """
    context = v1.get_default_graph()._get_control_flow_context()  # it has no public name
    if tf.inside_function() or context is not None:  # inside a condition or a loop of the user's
        return list(tf.cond(is_train, lambda: list(training(*inputs)), lambda: list(prediction(*inputs))))
    pairs = [tf.raw_ops.Switch(data=tensor, pred=is_train) for tensor in inputs]
    # An operation that waits for one of these identities does not run in the other phase either.
    predicted = prediction(*(tf.identity(pair.output_false) for pair in pairs))
    trained = training(*(tf.identity(pair.output_true) for pair in pairs))
    return [tf.raw_ops.Merge(inputs=both).output for both in zip(predicted, trained, strict=True)]
