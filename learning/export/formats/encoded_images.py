"""Decode and resize image files inside a graph, as `datasets.images` does outside.

The same steps in the same order, with TensorFlow's decoders: a large JPEG is decoded at a fraction of its size, the
EXIF orientation is applied, transparent pixels are put on white, and a bilinear filter, antialiased where it
shrinks, runs along the rows and then along the columns, with bytes in between. TensorFlow cannot do two of the
steps: colour profiles are not converted, and 16 bits are cut to 8.
"""

import tensorflow as tf

from datasets.images.resizing import GREY
from datasets.options.loading import Fit

_REDUCTIONS = (1, 2, 4, 8)  # of the sides, which a JPEG decoder can do by itself
# The orientation is one of the first entries, of 12 bytes each, in the EXIF block: its tag, type 3, count 1 and the
# value, in the order of bytes that the block states. In a PNG the block has another name.
_FIRST_BYTES = 4096
_ENTRIES = r"\C\C(?:\C{12}){0,32}?"
_ORIENTATION = (
    r"\C*?(?:Exif\x00\x00|eXIf)(?:"
    rf"II\*\x00\x08\x00\x00\x00{_ENTRIES}\x12\x01\x03\x00\x01\x00\x00\x00([\x01-\x08])\x00"
    rf"|MM\x00\*\x00\x00\x00\x08{_ENTRIES}\x01\x12\x00\x03\x00\x00\x00\x01\x00([\x01-\x08])"
    r")\C*"
)


def decoded_images(files: tf.Tensor, height: int, width: int, channels: int, fit: Fit) -> tf.Tensor:
    """Return the images in files, resized as `datasets.images.decode.read_resized` does.

    :param files: string (N,), the bytes of JPEG, PNG, GIF or BMP files.
    :return: uint8 (N, height, width, channels), upright.
    """

    def one(data: tf.Tensor) -> tf.Tensor:
        pixels = _upright(_decoded(data, at_least=2 * max(height, width)), _orientation(data))
        if channels == 1:
            pixels = _luminance(pixels)
        return tf.ensure_shape(_resized(pixels, (height, width), fit), [height, width, channels])

    return tf.map_fn(one, files, fn_output_signature=tf.uint8)


def _decoded(data: tf.Tensor, at_least: int) -> tf.Tensor:
    """Return uint8 (h, w, 3); a JPEG may be decoded smaller, but not below at_least pixels."""
    pixels = tf.cond(tf.io.is_jpeg(data), lambda: _decoded_jpeg(data, at_least), lambda: _decoded_other(data))
    return tf.ensure_shape(pixels, [None, None, 3])


def _decoded_jpeg(data: tf.Tensor, at_least: int) -> tf.Tensor:
    def at(ratio: int) -> tf.Tensor:
        return tf.io.decode_jpeg(data, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    times = tf.reduce_min(tf.io.extract_jpeg_shape(data)[:2]) // at_least
    number = sum(tf.cast(times >= ratio, tf.int32) for ratio in _REDUCTIONS[1:])
    return tf.switch_case(number, [lambda ratio=ratio: at(ratio) for ratio in _REDUCTIONS])


def _decoded_other(data: tf.Tensor) -> tf.Tensor:
    """Return a PNG, GIF or BMP, with transparent pixels on white."""
    pixels = tf.io.decode_image(data, expand_animations=False)  # (h, w, 1 to 4)

    def on_white() -> tf.Tensor:
        values = tf.cast(pixels, tf.float32)
        colours, opacity = values[..., :-1], values[..., -1:] / 255.0
        return tf.cast(tf.round(255.0 + (colours - 255.0) * opacity), tf.uint8)

    has_alpha = tf.equal(tf.shape(pixels)[-1] % 2, 0)
    pixels = tf.cond(has_alpha, on_white, lambda: pixels)  # (h, w, 1 or 3)
    return tf.broadcast_to(pixels, tf.concat([tf.shape(pixels)[:2], [3]], axis=0))


def _orientation(data: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation, 1 to 8: int32 ()."""
    start = tf.strings.substr(data, 0, _FIRST_BYTES)
    found = tf.strings.regex_replace(start, _ORIENTATION, r"\1\2")
    value = tf.cast(tf.io.decode_raw(tf.strings.substr(found, 0, 1), tf.uint8), tf.int32)[0]
    is_found = tf.equal(tf.strings.length(found), 1)
    return tf.cond(is_found, lambda: value, lambda: 1)


def _upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return the picture turned and mirrored as its orientation asks (Exif 2.32, section 4.6.4)."""
    turned = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    for axis, orientations in ((0, (3, 4, 7, 8)), (1, (2, 3, 6, 7))):
        is_mirrored = tf.reduce_any(tf.equal(orientation, orientations))
        turned = tf.cond(is_mirrored, lambda t=turned, a=axis: tf.reverse(t, [a]), lambda t=turned: t)
    return turned


def _luminance(pixels: tf.Tensor) -> tf.Tensor:
    """Return (h, w, 1), by ITU-R 601 in 16 bits as Pillow computes it."""
    weighted = tf.reduce_sum(tf.cast(pixels, tf.int32) * [19595, 38470, 7471], axis=-1, keepdims=True)
    return tf.cast((weighted + 2**15) // 2**16, tf.uint8)


def _resized(pixels: tf.Tensor, target: tuple[int, int], fit: Fit) -> tf.Tensor:
    """Return the picture resized by the policy `fit`, see `datasets.images.resizing`."""
    sides = tf.cast(tf.shape(pixels)[:2], tf.float64)
    ratios = tf.constant(target, tf.float64) / sides
    if fit == "letterbox":
        inner = tf.maximum(1, tf.cast(tf.round(sides * tf.reduce_min(ratios)), tf.int32))
        whole = _scaled(pixels, inner, tf.cast(inner, tf.float64) / sides, tf.zeros([2], tf.float64))
        before = (target - inner) // 2
        frame = tf.stack([before, target - inner - before], axis=1)
        return tf.pad(
            whole, tf.concat([frame, [[0, 0]]], axis=0), constant_values=tf.constant(GREY, tf.uint8)
        )
    scales, origin = ratios, tf.zeros([2], tf.float64)
    if fit == "crop":
        box = tf.minimum(sides, tf.constant(target, tf.float64) / tf.reduce_max(ratios))
        scales, origin = tf.constant(target, tf.float64) / box, (sides - box) / 2
    return _scaled(pixels, tf.constant(target), scales, -origin * scales)


def _scaled(pixels: tf.Tensor, target: tf.Tensor, scales: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Scale and then shift along the rows and after that along the columns; the result has the sides `target`."""
    scales, shifts = tf.cast(scales, tf.float32), tf.cast(shifts, tf.float32)
    height = tf.shape(pixels)[0]
    for size, chosen in (([height, target[1]], [0.0, 1.0]), ([target[0], target[1]], [1.0, 0.0])):
        values = tf.raw_ops.ScaleAndTranslate(
            images=pixels[tf.newaxis],
            size=tf.stack(size),
            scale=tf.where(tf.constant(chosen) > 0, scales, tf.ones([2])),
            translation=shifts * chosen,
            kernel_type="triangle",
            antialias=True,
        )
        pixels = tf.cast(tf.clip_by_value(tf.floor(values[0] + 0.5), 0.0, 255.0), tf.uint8)
    return pixels
