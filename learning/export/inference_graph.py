"""Build the graph that an export holds: images in, probabilities out, weights as constants, no training nodes."""

from collections.abc import Sequence

from learning.machine.session import tf, v1  # before any other module imports TensorFlow

# isort: split
import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.grappler import tf_optimizer

from datasets.augment.windows import Windows
from learning.export.quiet import without_notes
from models.convnet import ConvNet
from models.graph.folded import freeze

IMAGES, PROBABILITIES = "images", "probabilities"
# Of TensorFlow's graph optimizer: inline the branches of conditions, resolve those that are decided, and compute
# what does not depend on the images. The second pass removes what the first has made superfluous.
SIMPLIFICATIONS = ("function", "constfold", "pruning", "dependency", "loop")


def inference_graph(
    model: ConvNet,
    sess: v1.Session,
    image_sides: tuple[int, int],
    windows: Windows,
    dtype: tf.DType = tf.uint8,
) -> v1.GraphDef:
    """Return the graph of a network with its weights as constants, and with batch norm folded where possible.

    The placeholder `images` is (N, H, W, C) in [0, 255]; the tensor `probabilities` is float32 (N, K).

    :param sess: holds the weights.
    :param image_sides: H, W in pixels.
    :param windows: the crops of each image, whose probabilities are averaged: see `datasets.augment.windows`.
    :param dtype: of the images; float32 for a converter that is to replace numbers by integers.
    """
    with tf.Graph().as_default() as graph:
        images = v1.placeholder(dtype, [None, *image_sides, model.input_shape[-1]], name=IMAGES)
        pred = _predicted(model, sess, cut(images, windows, model.input_shape[:2]))  # (N * P, K)
        if len(windows[0]) > 1:
            pred = tf.reduce_mean(tf.reshape(pred, [-1, len(windows[0]), model.num_classes]), axis=1)
        tf.identity(pred, name=PROBABILITIES)
    return _simplified(graph)


def _predicted(model: ConvNet, sess: v1.Session, crops: tf.Tensor) -> tf.Tensor:
    """Add a copy of the network to the current graph, with constants in place of variables.

    :param crops: (M, h, w, C) in [0, 255], uint8 or float32.
    :return: the probabilities (M, K).
    """
    frozen = freeze(model)
    pred = model.pred if frozen.pred is None else frozen.pred
    _initialize_step(model, sess)
    with without_notes():
        definition = v1.graph_util.convert_variables_to_constants(
            sess, model.graph.as_graph_def(), [pred.op.name]
        )
    for node in definition.node:
        node.device = ""  # of the machine that trained it
    folded = zip(frozen.weights, sess.run(frozen.weights), strict=True) if frozen.weights else ()
    given = [(tensor, tf.constant(value)) for tensor, value in folded]
    source = model.images if crops.dtype == tf.uint8 else model.X.op.inputs[0]
    given += [(source, crops), (model.is_train, tf.constant(False))]
    names = {node.name for node in definition.node}
    known = {tensor.name: value for tensor, value in given if tensor.op.name in names}
    (copied,) = tf.import_graph_def(definition, known, [pred.name], name="network")
    return copied


def _initialize_step(model: ConvNet, sess: v1.Session) -> None:
    """Give the global step a value if it has none: dropout reads it, and every variable becomes a constant."""
    with model.graph.as_default():
        if sess.run(v1.report_uninitialized_variables([model.global_step])).size:
            sess.run(model.global_step.initializer)


def cut(images: tf.Tensor, windows: Windows, crop_sides: Sequence[int]) -> tf.Tensor:
    """Cut windows out of images (N, H, W, C), as `datasets.augment.windows.crop_windows` does: (N * P, h, w, C)."""
    height, width = crop_sides
    crops = []
    for top, left, flip in zip(*(np.asarray(values).tolist() for values in windows), strict=True):
        crop = images[:, top : top + height, left : left + width]
        crops.append(tf.reverse(crop, [2]) if flip else crop)
    if len(crops) == 1:
        return crops[0]
    return tf.reshape(tf.stack(crops, axis=1), [-1, height, width, images.shape[-1]])


def _simplified(graph: tf.Graph) -> v1.GraphDef:
    """Return what `probabilities` is computed from, after TensorFlow's graph optimizer has simplified it."""
    config = v1.ConfigProto()
    options = config.graph_options.rewrite_options
    options.optimizers.extend(SIMPLIFICATIONS)
    options.min_graph_nodes = -1  # simplify small graphs, too
    options.meta_optimizer_iterations = options.TWO
    with graph.as_default():
        whole = v1.train.export_meta_graph()
    kept = meta_graph_pb2.CollectionDef()
    kept.node_list.value.extend([f"{IMAGES}:0", f"{PROBABILITIES}:0"])
    whole.collection_def["train_op"].CopyFrom(kept)  # where the optimizer looks for what is asked for
    with without_notes():  # the optimizer keeps every placeholder
        return v1.graph_util.extract_sub_graph(tf_optimizer.OptimizeGraph(config, whole), [PROBABILITIES])
