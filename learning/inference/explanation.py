"""Show which parts of an image support a class: Grad-CAM, and pictures of its maps."""

from learning.machine.session import tf, v1  # before any other module imports TensorFlow

# isort: split
import numpy as np
from PIL import Image

from learning.errors import UsageError
from models.convnet import ConvNet
from models.graph.building import names_behind, operations_behind
from models.graph.copying import Unsupported, copied_from

MOST_OPACITY = 0.6  # of the colours over a picture
# The colours of a map from 0 to 1: violet and magenta, which are rare in photographs, then yellow.
LEVELS, COLOURS = (0.0, 0.5, 1.0), ((80, 0, 180), (240, 0, 130), (255, 255, 0))
SMALLEST, LARGEST = 112, 256  # sides of a picture (pixels)


class GradCam:
    """Class activation maps by gradients: Selvaraju et al. 2017, "Grad-CAM", section 3.

    The weight of a channel of a feature map is the mean gradient of the class's logit over the positions (eq. 1).
    The map is the ReLU of the weighted sum of the channels (eq. 2), resized to the input bilinearly and divided by
    its largest value.

    A few tensors are added to the graph, once. They are computed with `is_train` false.

    :param layer: a key of `model.d`, one of `feature_maps`; None: the last one.
    :ivar layer: that key.
    :raises UsageError: the network has no such feature map, its logits have no gradient there, or its graph is
        finalized.
    """

    def __init__(self, model: ConvNet, layer: str | None = None) -> None:
        self._model, self.layer = model, _checked_layer(model, layer)
        features, logits = _differentiable(model, model.d[self.layer])
        with model.graph.as_default(), v1.name_scope("grad_cam"):
            self._classes = v1.placeholder(tf.int32, [None], name="classes")
            of_class = logits * tf.one_hot(self._classes, model.num_classes)
            gradients = _gradients(of_class, features)  # (N, h, w, C)
            if gradients is None:
                raise UsageError(f"the logits of {type(model).__name__} have no gradient by '{self.layer}'")
            weights = tf.reduce_mean(tf.cast(gradients, tf.float32), axis=[1, 2], keepdims=True)
            weighted = weights * tf.cast(features, tf.float32)
            maps = tf.nn.relu(tf.reduce_sum(weighted, axis=3, keepdims=True))  # (N, h, w, 1)
            maps = tf.image.resize(maps, model.input_shape[:2])  # (N, H, W, 1)
            largest = tf.reduce_max(maps, axis=[1, 2, 3], keepdims=True)
            self._maps = tf.math.divide_no_nan(maps, largest)[..., 0]

    def maps(
        self, sess: v1.Session, images: np.ndarray, classes: np.ndarray, *, batch_size: int = 32
    ) -> np.ndarray:
        """Return which parts of each image support the given class.

        :param images: (N, H, W, C) of the network's input size, uint8 in [0, 255] or float in [0, 1].
        :param classes: (N,) class numbers.
        :param batch_size: the most images in one run of the graph.
        :return: float32 (N, H, W) in [0, 1]: 1 at the strongest place of each image; all 0 if no part supports the
            class, or its logit is not a number.
        """
        parts = [np.empty((0, *self._model.input_shape[:2]), np.float32)]
        for start in range(0, len(images), batch_size):
            rows = slice(start, start + batch_size)
            feed = {**self._model.feed(images[rows]), self._classes: classes[rows]}
            parts.append(np.nan_to_num(sess.run(self._maps, feed)))
        return np.concatenate(parts)


def feature_maps(model: ConvNet) -> list[str]:
    """Return the keys of `model.d` that can be explained, in the order of the graph.

    These are the tensors (N, h, w, C) of more than one position that are computed from the images, and the logits
    from them.
    """
    behind = {op.name for op in operations_behind(model.logits)}
    maps = {
        name: tensor
        for name, tensor in model.d.items()
        if tensor.shape.rank == 4
        and tensor.dtype.is_floating
        and tensor.shape[1:3].as_list() != [1, 1]
        and tensor.op.name in behind
    }
    return names_behind(maps, model.images)


def _checked_layer(model: ConvNet, layer: str | None) -> str:
    """Return `layer` or, if it is None, the last feature map."""
    if model.graph.finalized:
        raise UsageError("the graph is finalized; make the GradCam before that")
    known = feature_maps(model)
    if not known:
        raise UsageError(
            f"{type(model).__name__} has no feature map to explain; let its _build_model return one, (N, h, w, C), "
            "beside the logits"
        )
    if layer is not None and layer not in known:
        raise UsageError(
            f"{type(model).__name__} has no feature map '{layer}'; there are, from the first to the last: "
            f"{', '.join(known)}"
        )
    return known[-1] if layer is None else layer


def _differentiable(model: ConvNet, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the features, and the logits that can be differentiated by them."""
    try:
        return copied_from(features, model.logits, model.is_train)
    except (Unsupported, TypeError, ValueError):  # the last two are TensorFlow's, of an unusual operation
        return features, model.logits


def _gradients(values: tf.Tensor, features: tf.Tensor) -> tf.Tensor | None:
    """Return the gradient of the sum of `values`, or None if there is none, or an operation does not have one."""
    try:
        return tf.gradients(values, features)[0]
    except LookupError:
        return None


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return an image under the colours of a map: unchanged where it is 0, mostly yellow where it is 1.

    :param image: uint8 (H, W, C), C of 1 or 3.
    :param heat: float (H, W) in [0, 1].
    :return: uint8 (H, W, 3).
    """
    colours = np.stack([np.interp(heat, LEVELS, values) for values in zip(*COLOURS, strict=True)], axis=2)
    opacity = MOST_OPACITY * heat[..., np.newaxis]
    return np.rint(image * (1 - opacity) + colours * opacity).astype(np.uint8)


def picture(image: np.ndarray, heat: np.ndarray | None) -> Image.Image:
    """Return an image and beside it, if there is a map, the image under the map's colours.

    Small images are enlarged by a whole number, large ones reduced, so that the longer side of each has about 112
    to 256 pixels.

    :param image: (H, W, C), C of 1 or 3, uint8 in [0, 255] or float in [0, 1].
    :param heat: float (H, W) in [0, 1], or None.
    """
    pixels = image if image.dtype == np.uint8 else np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    drawn = Image.fromarray(pixels if heat is None else np.hstack([pixels, overlay(pixels, heat)]))
    side = max(pixels.shape[:2])
    if side > LARGEST:
        return drawn.resize([max(1, round(size * LARGEST / side)) for size in drawn.size])
    factor = -(-SMALLEST // side)
    return drawn.resize([factor * size for size in drawn.size], Image.Resampling.NEAREST)
