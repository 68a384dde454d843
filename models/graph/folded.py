"""A copy of a model's prediction graph with `is_train` false and batch norm folded into the convolutions.

Normalisation by moving statistics is linear. With s = gamma / sqrt(variance + epsilon), a convolution by W * s and
a bias of beta - mean * s give the normalised result at once, and the runtime adds the bias, the shortcut of a
residual block and ReLU within the convolution, which saves up to three passes over its result.

The copy is in the same graph as the original and reads the same variables. The folded weights are computed once per
call of `ConvNet.predict` and fed to its runs, so they are never stale. The original predicts for a model, session
or feed that this module does not understand.
"""

from typing import Any, NamedTuple, Protocol

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.batch_norms import COLLECTION as BATCH_NORMS
from models.graph.batch_norms import BatchNorm
from models.graph.batch_share import COLLECTION as BATCH_SHARES
from models.graph.building import operations_behind
from models.graph.copying import GraphCopy, Unsupported

DEPTHWISE = "DepthwiseConv2dNative"
FEWEST_CROPS = 64  # in one call of predict; for fewer, folding may take longer than it saves
# Operations that give the same in every run of the graph until a variable changes.
READS = frozenset({"VarHandleOp", "ReadVariableOp", "VariableV2", "Variable", "Identity", "Cast", "Const"})


class Frozen(NamedTuple):
    """The copy of a model's prediction, and of the tensors on the way to it."""

    source: tf.Tensor  # the model's `pred`
    pred: tf.Tensor | None  # the copy; None if there is no batch norm to fold, or the graph cannot be copied
    weights: list[tf.Tensor]  # folded filters and biases that the copy takes; functions of variables alone
    copy: GraphCopy | None = None

    def copied(self, tensor: Any) -> tf.Tensor | None:
        """Return the copy of `tensor`; None if it is not in the copied graph, or the copy does not change it."""
        if tensor is self.source:
            return self.pred
        if self.copy is None or not isinstance(tensor, tf.Tensor) or tensor.graph is not self.source.graph:
            return None
        found = self.copy.of(tensor)
        return None if found is tensor else found


class Predictor(Protocol):
    """The attributes of a `models.convnet.ConvNet` that are used here."""

    graph: tf.Graph
    X: tf.Tensor
    is_train: tf.Tensor
    pred: tf.Tensor
    _frozen: Frozen | None


class FrozenSession:
    """A session that runs the copies of `model.pred` and of the tensors before it, with the current weights."""

    def __init__(self, sess: v1.Session, model: Predictor, frozen: Frozen) -> None:
        self._sess, self._model, self._frozen = sess, model, frozen
        self._weights = dict(zip(frozen.weights, sess.run(frozen.weights), strict=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sess, name)

    def run(self, fetches: Any, feed_dict: Any = None, **options: Any) -> Any:
        """Run as `Session.run` does."""
        feed = feed_dict or {}
        copied = self._frozen.copied(fetches)
        if copied is not None and not options and self._is_plain(feed):
            return self._sess.run(copied, {**feed, **self._weights})
        return self._sess.run(fetches, feed_dict, **options)

    def _is_plain(self, feed: dict[Any, Any]) -> bool:
        """Return whether only tensors that the copy shares with the original are fed, and `is_train` is false."""
        own = self._model.X, self._model.is_train
        return not feed.get(self._model.is_train, False) and all(
            any(key is tensor for tensor in own)
            or (isinstance(key, tf.Tensor) and key.op.type == "Placeholder")
            for key in feed
        )


def frozen_session(sess: v1.Session, model: Predictor, num_crops: int) -> Any:
    """Return a FrozenSession if that is faster and gives the same results, else `sess` itself.

    The choice depends only on the model, the session and `num_crops`, the number of crops to predict.
    """
    if num_crops < FEWEST_CROPS or not _is_local_cpu(sess) or sess.graph is not model.graph:
        return sess
    frozen = model._frozen
    if frozen is None or frozen.source is not model.pred:
        if model.graph.finalized:
            return sess
        frozen = model._frozen = freeze(model)
    return sess if frozen.pred is None else FrozenSession(sess, model, frozen)


def _is_local_cpu(sess: Any) -> bool:
    """Return whether `sess` is TensorFlow's own, in this process and on CPUs only, with a graph that may grow.

    A worker's session is on a server, which is in this process.
    """
    if type(sess) not in (v1.Session, v1.InteractiveSession):
        return False
    if sess.sess_str and not sess.graph.get_collection(BATCH_SHARES):
        return False
    config = getattr(sess, "_config", None)
    if config is not None and config.experimental.optimize_for_static_graph:
        return False
    return all(device.device_type == "CPU" for device in sess.list_devices())


def freeze(model: Predictor) -> Frozen:
    """Add the frozen copy of `model.pred` to its graph."""
    graph = model.graph
    norms = {norm.out.name: norm for norm in graph.get_collection(BATCH_NORMS) if isinstance(norm, BatchNorm)}
    norms = {name: norm for name, norm in norms.items() if _is_foldable(norm, graph)}
    needed = _needed(model.pred, norms)
    if model.pred.graph is not graph or not any(op.name + ":0" in norms for op in needed):
        return Frozen(model.pred, None, [])
    with graph.as_default(), graph.control_dependencies(None), graph.device(None), v1.name_scope("frozen/"):
        copy, weights = GraphCopy(model.is_train), list[tf.Tensor]()
        try:
            for op in filter(needed.__contains__, graph.get_operations()):
                norm = norms.get(op.outputs[0].name) if op.outputs else None
                if norm is None:
                    copy.add(op)
                else:
                    out, folded = _fold(norm, copy)
                    copy.put(op, [out])
                    weights += folded
        except (Unsupported, TypeError, ValueError):  # the last two: TensorFlow's, of an unusual operation
            return Frozen(model.pred, None, [])
    is_shared = copy.of(model.X) is model.X  # else it could not be fed
    return (
        Frozen(model.pred, copy.of(model.pred), weights, copy) if is_shared else Frozen(model.pred, None, [])
    )


def _needed(pred: tf.Tensor, norms: dict[str, BatchNorm]) -> set[tf.Operation]:
    """Return the operations that `pred` is computed from if the batch norms are folded."""
    needed: set[tf.Operation] = set()
    waiting = [pred.op]
    while waiting:
        op = waiting.pop()
        if op in needed:
            continue
        needed.add(op)
        norm = next((norms[out.name] for out in op.outputs if out.name in norms), None)
        if norm is None:
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
        else:
            waiting.append(_convolution(norm.x)[0].inputs[0].op)
    return needed


def _convolution(x: tf.Tensor) -> tuple[tf.Operation, tf.Tensor | None]:
    """Return the operation that `x` comes from, and the bias that is added to it, if any."""
    if x.op.type == "BiasAdd":
        return x.op.inputs[0].op, x.op.inputs[1]
    return x.op, None


def _is_foldable(norm: BatchNorm, graph: tf.Graph) -> bool:
    """Return whether `norm` follows a convolution, and its and the convolution's parameters are variables."""
    if norm.out.graph is not graph:  # in the body of a function
        return False
    conv, bias = _convolution(norm.x)
    if conv.type not in ("Conv2D", DEPTHWISE) or conv.get_attr("data_format") != b"NHWC":
        return False
    if conv.type == DEPTHWISE and conv.inputs[1].shape[-1] != 1:  # more than one filter for each channel
        return False
    if any(op.control_inputs for op in (conv, norm.x.op, norm.out.op)):
        return False
    sources = [conv.inputs[1], *norm.parameters, *([] if bias is None else [bias])]
    return all(
        op.type in READS and not op.control_inputs for source in sources for op in operations_behind(source)
    )


def _fold(norm: BatchNorm, copy: GraphCopy) -> tuple[tf.Tensor | None, list[tf.Tensor]]:
    """Return a convolution that normalises too (None if its input is never computed), and the weights to feed."""
    conv, bias = _convolution(norm.x)
    x = copy.of(conv.inputs[0])
    if x is None:
        return None, []
    gamma, beta, mean, variance = norm.parameters
    filters = conv.inputs[1].op.inputs[0] if conv.inputs[1].op.type == "Cast" else conv.inputs[1]
    scale = gamma * tf.math.rsqrt(variance + norm.epsilon)  # (oc,)
    shift = beta - scale * (mean if bias is None else mean - tf.cast(bias, tf.float32))
    scales = tf.reshape(scale, [-1, 1]) if conv.type == DEPTHWISE else scale  # filters (fh, fw, ic, oc or 1)
    filters, biases = tf.cast(tf.cast(filters, tf.float32) * scales, x.dtype), tf.cast(shift, x.dtype)
    weights = [filters, biases]
    # A fed tensor has no shape, and without shapes the runtime's optimizer does not fuse the shortcut.
    filters, biases = (tf.ensure_shape(tensor, tensor.shape) for tensor in (filters, biases))
    return tf.nn.bias_add(copy.create(conv, [x, filters], []).outputs[0], biases), weights
