"""Add metadata to a TFLite file, by which Android Studio and MediaPipe find the labels.

The metadata is a FlatBuffer of its own inside the model (TensorFlow Lite's metadata_schema.fbs, version 1.1.0), and
labels.txt, to which it refers, is in a zip archive that is appended to the file, so `zipfile` reads it. The library
that wrote both, tflite-support, is no longer maintained; few of its tables are needed.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from learning.machine.session import tf  # noqa: F401  before any other module imports TensorFlow  # isort: skip
import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from learning.export.contents import Contents
from learning.export.inference_graph import IMAGES, PROBABILITIES

LABELS, FACTS = "labels.txt", "facts.json"
_NAME, _IDENTIFIER, _PARSER_VERSION = "TFLITE_METADATA", b"M001", "1.0.0"
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_IMAGE_PROPERTIES = 2  # ContentProperties
_COLOR_SPACES = {1: 2, 3: 1}  # ColorSpaceType by channels: grey, RGB
_MADE = (1980, 1, 1, 0, 0, 0)  # of the archive's file, so that equal exports are equal files


def with_metadata(model: bytes, contents: Contents) -> bytes:
    """Return a TFLite model with metadata and a zip archive at the end.

    The archive has labels.txt, one class in a line, and facts.json, what `Contents.described` returns.
    """
    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = _metadata(contents)
    parsed.buffers.append(buffer)
    entry.name, entry.buffer = _NAME, len(parsed.buffers) - 1
    parsed.metadata = [*(parsed.metadata or []), entry]
    file = io.BytesIO(flatbuffer_utils.convert_object_to_bytearray(parsed))
    with zipfile.ZipFile(file, "a") as archive:
        lines = [" ".join(name.splitlines()) for name in contents.class_names]
        archive.writestr(zipfile.ZipInfo(LABELS, _MADE), "\n".join(lines) + "\n")
        facts = json.dumps(contents.described(), indent=1, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(FACTS, _MADE), facts)
    return file.getvalue()


def _metadata(contents: Contents) -> bytes:
    """Return the FlatBuffer, a ModelMetadata."""
    made = _Tables()
    height, width, channels = contents.image_shape
    size = made.table((0, "Uint32", width), (1, "Uint32", height))
    properties = made.table((0, "Int8", _COLOR_SPACES[channels]), (1, "UOffsetTRelative", size))
    content = made.table((0, "Uint8", _IMAGE_PROPERTIES), (1, "UOffsetTRelative", properties))
    labels = made.table((0, "UOffsetTRelative", made.text(LABELS)), (2, "Int8", _TENSOR_AXIS_LABELS))
    files = made.vector([labels])
    taken = f"{contents.resize}: how pictures of another shape were resized in training"
    images = made.tensor(IMAGES, taken, (3, "UOffsetTRelative", content))
    probabilities = made.tensor(PROBABILITIES, "of each class", (6, "UOffsetTRelative", files))
    both = [made.vector([table]) for table in (images, probabilities)]
    graph = made.table((2, "UOffsetTRelative", both[0]), (3, "UOffsetTRelative", both[1]))
    return made.finished(
        made.table(
            (0, "UOffsetTRelative", made.text("image classifier")),
            (3, "UOffsetTRelative", made.vector([graph])),
            (7, "UOffsetTRelative", made.text(_PARSER_VERSION)),
        )
    )


class _Tables:
    """Builds tables of a FlatBuffer from their fields: (number in the schema, kind, value)."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder()

    def text(self, value: str) -> int:
        return self._builder.CreateString(value)

    def table(self, *fields: tuple[int, str, int]) -> int:
        self._builder.StartObject(1 + max(number for number, _, _ in fields))
        for number, kind, value in fields:
            getattr(self._builder, f"Prepend{kind}Slot")(number, value, 0)
        return self._builder.EndObject()

    def vector(self, tables: Sequence[int]) -> int:
        self._builder.StartVector(4, len(tables), 4)
        for offset in reversed(tables):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def tensor(self, name: str, description: str, field: tuple[int, str, int]) -> int:
        """Return a TensorMetadata."""
        texts = [
            (number, "UOffsetTRelative", self.text(text)) for number, text in enumerate((name, description))
        ]
        return self.table(*texts, field)

    def finished(self, root: int) -> Any:
        self._builder.Finish(root, _IDENTIFIER)
        return bytes(self._builder.Output())
