"""The formats of exports, in one table."""

import importlib.util
from typing import NamedTuple

from learning.errors import UsageError

EXTRA = "pip install -e '.[export]'"


class Format(NamedTuple):
    """A format.

    :ivar writer: dotted path of a function that takes (contents, folder).
    :ivar packages: what writing and checking it need beside TensorFlow, by the names that they are installed by.
    """

    writer: str
    packages: tuple[str, ...] = ()


FORMATS = {
    "saved_model": Format("learning.export.formats.saved_model.write"),
    "tflite": Format("learning.export.formats.tflite_file.write", ("ai-edge-litert",)),
    "onnx": Format("learning.export.formats.onnx_file.write", ("onnx", "tf2onnx", "onnxruntime")),
}


def require_packages(kind: str) -> None:
    """Raise UsageError if a package that a format needs is not installed."""
    missing = [
        name for name in FORMATS[kind].packages if importlib.util.find_spec(name.replace("-", "_")) is None
    ]
    if missing:
        raise UsageError(f"the format {kind} needs {' and '.join(missing)}; install them with {EXTRA}")
