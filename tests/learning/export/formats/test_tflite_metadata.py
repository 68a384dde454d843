"""learning/export/formats/tflite_metadata.py: metadata as readers of metadata_schema.fbs find it."""

import zipfile

import numpy as np
import pytest

from learning.export.contents import Contents
from tests.conftest import tf, v1

flatbuffers = pytest.importorskip("flatbuffers")
CONTENTS = Contents(None, ("ant", "bée"), (4, 6, 3), "letterbox", 1)


class Reader:
    """A table of a FlatBuffer, read by the numbers of the schema's fields."""

    def __init__(self, table):
        self._table = table

    def _place(self, number):
        return self._table.Offset(4 + 2 * number)

    def number(self, number, flags):
        place = self._place(number)
        return self._table.Get(flags, self._table.Pos + place) if place else 0

    def text(self, number):
        return self._table.String(self._table.Pos + self._place(number)).decode()

    def table(self, number):
        place = self._table.Pos + self._place(number)
        return Reader(flatbuffers.table.Table(self._table.Bytes, self._table.Indirect(place)))

    def tables(self, number):
        start, count = self._table.Vector(self._place(number)), self._table.VectorLen(self._place(number))
        places = [self._table.Indirect(start + 4 * row) for row in range(count)]
        return [Reader(flatbuffers.table.Table(self._table.Bytes, place)) for place in places]


@pytest.fixture(scope="module")
def model():
    """A network that returns the mean of its first two channels' pixels."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess:
        images = v1.placeholder(tf.uint8, [None, 4, 6, 3], name="images")
        means = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2])[:, :2]
        return v1.lite.TFLiteConverter.from_session(sess, [images], [means]).convert()


def test_the_metadata_names_the_labels_and_describes_the_image(model, tmp_path):
    from tensorflow.lite.tools import flatbuffer_utils

    from learning.export.formats.tflite_metadata import with_metadata

    path = tmp_path / "model.tflite"
    path.write_bytes(with_metadata(model, CONTENTS))
    parsed = flatbuffer_utils.read_model(str(path))
    (entry,) = [entry for entry in parsed.metadata if entry.name == b"TFLITE_METADATA"]
    data = bytes(parsed.buffers[entry.buffer].data)
    assert data[4:8] == b"M001"
    root = Reader(flatbuffers.table.Table(data, int.from_bytes(data[:4], "little")))
    assert root.text(7) == "1.0.0"
    (graph,) = root.tables(3)
    (images,), (probabilities,) = graph.tables(2), graph.tables(3)
    flags = flatbuffers.number_types
    assert (images.text(0), probabilities.text(0)) == ("images", "probabilities")
    content = images.table(3)
    assert content.number(0, flags.Uint8Flags) == 2  # ImageProperties
    properties = content.table(1)
    assert properties.number(0, flags.Int8Flags) == 1  # RGB
    size = properties.table(1)
    assert [size.number(number, flags.Uint32Flags) for number in (0, 1)] == [6, 4]
    (file,) = probabilities.tables(6)
    assert (file.text(0), file.number(2, flags.Int8Flags)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS
    with zipfile.ZipFile(path) as archive:
        assert archive.read(file.text(0)).decode().splitlines() == ["ant", "bée"]


def test_the_model_still_runs_and_equal_exports_are_equal_files(model, tmp_path):
    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    from learning.export.formats.tflite_metadata import with_metadata

    path = tmp_path / "model.tflite"
    path.write_bytes(with_metadata(model, CONTENTS))
    assert path.read_bytes() == with_metadata(model, CONTENTS)
    interpreter = interpreters.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    image = np.arange(72, dtype=np.uint8).reshape(1, 4, 6, 3)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, [[34.5, 35.5]])
