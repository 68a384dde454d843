"""Describe what goes into an export, whatever its format."""

from typing import Any, NamedTuple

from datasets.options.loading import Fit


class Contents(NamedTuple):
    """What an export holds.

    :ivar graph: GraphDef of `learning.export.inference_graph`.
    :ivar class_names: K names in the order of the probabilities.
    :ivar image_shape: (H, W, C) of the images that it takes.
    :ivar resize: how images of another shape were resized, see `datasets.images.resizing`.
    :ivar num_crops: windows of each image, whose probabilities are averaged.
    :ivar temperature: that the logits are divided by; None: they are not.
    """

    graph: Any
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    resize: Fit
    num_crops: int
    temperature: float | None
