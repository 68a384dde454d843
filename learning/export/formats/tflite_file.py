"""Write a TFLite file: for phones and small computers, run by LiteRT."""

from collections.abc import Iterator
from pathlib import Path

from learning.machine.session import tf, v1  # before any other module imports TensorFlow

# isort: split
import numpy as np

from learning.export.contents import Contents, Quantization
from learning.export.formats.tflite_metadata import with_metadata
from learning.export.inference_graph import IMAGES, PROBABILITIES
from learning.export.quiet import without_notes

FILE = "model.tflite"


def write(contents: Contents, folder: Path) -> None:
    """Write model.tflite in `folder`, with metadata and the labels.

    It takes `images`, uint8 (N, H, W, C), and gives `probabilities`, float32 (N, K). With a quantization it
    computes in integers only; the probabilities are uint8 then, with a scale of 1/256.
    """
    quantization = contents.quantization
    graph_def = contents.graph if quantization is None else quantization.graph
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as sess, without_notes(native=True):
        tf.import_graph_def(graph_def, name="")
        images, probabilities = (graph.get_tensor_by_name(f"{name}:0") for name in (IMAGES, PROBABILITIES))
        converter = v1.lite.TFLiteConverter.from_session(sess, [images], [probabilities])
        if quantization is not None:
            _quantize(converter, quantization)
        model = converter.convert()
    (folder / FILE).write_bytes(with_metadata(model, contents))


def _quantize(converter: v1.lite.TFLiteConverter, quantization: Quantization) -> None:
    """Ask for integers everywhere: in the weights, between the layers, as input and as output."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _representative(quantization.images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8


def _representative(images: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yield images one by one as float32 (1, H, W, C) in [0, 255].

    Two pixels of the first one become black and white, so that the input has the range of bytes and an image's
    bytes are its quantized values.
    """
    for number, image in enumerate(images):
        values = image[np.newaxis].astype(np.float32)
        if number == 0:
            values[0, 0, 0], values[0, -1, -1] = 0.0, 255.0
        yield [values]
