"""serve.py answers TensorFlow Serving's requests as the exported SavedModel does."""

import base64
import contextlib
import io
import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from PIL import Image

from learning.export.exporting import export_run
from learning.runs.directory import RunDirectory
from learning.serving.classifier import Classifier
from tests.support.served import serving

TOLERANCE = 0.001  # that of an export: a pixel of a resized file may differ by a level
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 1), dtype=np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.getvalue()


# Files of the run's size and of another one, which has to be resized.
FILES = [png(IMAGES[0]), png(IMAGES[1]), png(IMAGES[2].repeat(3, axis=0).repeat(2, axis=1))]
SENT = [{"b64": base64.b64encode(content).decode()} for content in FILES]


@pytest.fixture(scope="module")
def saved_model(digits_run, tmp_path_factory):
    """A function that runs a signature of the run's export, as TensorFlow Serving does: its outputs by name."""
    [export] = export_run(RunDirectory(digits_run), output=tmp_path_factory.mktemp("served") / "export")
    with tf.Graph().as_default(), v1.Session() as sess:
        loaded = v1.saved_model.load(sess, [v1.saved_model.tag_constants.SERVING], str(export.path))

        def run(name, values):
            signature = loaded.signature_def[name]
            [(_, source)] = signature.inputs.items()
            outputs = {key: info.name for key, info in signature.outputs.items()}
            return sess.run(outputs, {source.name: values})

        yield run


@pytest.fixture(scope="module")
def client(digits_run):
    with (
        contextlib.closing(Classifier(RunDirectory(digits_run))) as classifier,
        serving(classifier, name="digits") as (client, _),
    ):
        yield client


def columns(answer):
    """The outputs of an answer as columns; TensorFlow Serving's rows are one dictionary for each image."""
    if "outputs" in answer:
        return answer["outputs"]
    return {name: [row[name] for row in answer["predictions"]] for name in answer["predictions"][0]}


@pytest.mark.parametrize(
    ("signature", "request_"),
    [
        ("serving_default", {"instances": IMAGES.tolist()}),
        ("serving_default", {"instances": [{"images": image} for image in IMAGES.tolist()]}),
        ("serving_default", {"inputs": IMAGES.tolist()}),
        ("serving_default", {"inputs": {"images": IMAGES.tolist()}}),
        ("encoded", {"instances": SENT}),
        ("encoded", {"instances": [{"encoded": content} for content in SENT]}),
        ("encoded", {"inputs": SENT}),
        ("encoded", {"inputs": {"encoded": SENT}}),
    ],
)
def test_a_request_of_any_form_is_answered_as_the_signature_of_the_export_answers(
    saved_model, client, signature, request_
):
    expected = saved_model(signature, FILES if signature == "encoded" else IMAGES)
    body = json.dumps({**request_, "signature_name": signature})
    status, answer, _ = client.ask("/v1/models/digits:predict", body)
    assert status == 200, answer
    assert answer.keys() == ({"predictions"} if "instances" in request_ else {"outputs"})
    found = columns(answer)
    assert found.keys() == expected.keys() == {"probabilities", "classes"}
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=TOLERANCE)
    assert found["classes"] == [name.decode() for name in expected["classes"]]
