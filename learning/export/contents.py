"""Describe what goes into an export, whatever its format."""

from typing import Any, NamedTuple

import numpy as np

from datasets.options.loading import Fit


class Quantization(NamedTuple):
    """What is needed to convert an export to integers.

    :ivar graph: GraphDef of `learning.export.inference_graph` for float32 images in [0, 255].
    :ivar images: uint8 (M, H, W, C), which set the range of every tensor.
    """

    graph: Any
    images: np.ndarray


class Contents(NamedTuple):
    """What an export holds.

    :ivar graph: GraphDef of `learning.export.inference_graph` for uint8 images.
    :ivar class_names: K names in the order of the probabilities.
    :ivar image_shape: (H, W, C) of the images that it takes.
    :ivar resize: how images of another shape were resized, see `datasets.images.resizing`.
    :ivar num_crops: windows of each image, whose probabilities are averaged.
    :ivar temperature: by which the logits are divided, or None.
    :ivar quantization: for an export that computes in integers.
    """

    graph: Any
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    resize: Fit
    num_crops: int
    temperature: float | None = None
    quantization: Quantization | None = None

    def described(self) -> dict[str, Any]:
        """Return all but graphs and images, ready for JSON."""
        left_out = ("graph", "quantization")
        return {name: value for name, value in self._asdict().items() if name not in left_out}
