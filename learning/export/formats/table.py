"""The formats of exports, in one table."""

from typing import NamedTuple


class Format(NamedTuple):
    """A format.

    :ivar writer: dotted path of a function that takes (contents, folder).
    :ivar packages: needed besides TensorFlow to write and check it, by the names under which pip installs them.
    """

    writer: str
    packages: tuple[str, ...] = ()


FORMATS = {
    "saved_model": Format("learning.export.formats.saved_model.write"),
    "tflite": Format("learning.export.formats.tflite_file.write", ("ai-edge-litert",)),
    "onnx": Format("learning.export.formats.onnx_file.write", ("onnx", "tf2onnx", "onnxruntime")),
}
