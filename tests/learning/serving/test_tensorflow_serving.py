"""learning/serving/tensorflow_serving.py: the REST form of TensorFlow Serving."""

import base64
import json

import numpy as np
import pytest

from learning.serving import tensorflow_serving
from learning.serving.limits import Refused
from learning.serving.tensorflow_serving import parse_predict, predict_response, status_response
from tests.support.made_weights import taking_less_than

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
LISTS = PIXELS.tolist()
FILE = {"b64": base64.b64encode(b"a file").decode()}


def parsed(value, channels=3):
    return parse_predict(json.dumps(value).encode(), channels)


@pytest.mark.parametrize(
    "request_",
    [
        {"instances": [FILE, FILE]},
        {"instances": [{"encoded": FILE}, {"encoded": FILE}], "signature_name": "encoded"},
        {"inputs": [FILE, FILE], "signature_name": "encoded"},
        {"inputs": {"encoded": [FILE, FILE]}},
    ],
)
def test_files_come_as_rows_or_columns_with_or_without_their_name(request_):
    found = parsed(request_)
    assert found.images == [b"a file"] * 2
    assert found.is_row == ("instances" in request_)


@pytest.mark.parametrize(
    "request_",
    [
        {"instances": [LISTS]},
        {"instances": [{"images": LISTS}], "signature_name": "serving_default"},
        {"inputs": [LISTS]},
        {"inputs": {"images": [LISTS]}},
    ],
)
def test_pixels_come_as_lists(request_):
    [image] = parsed(request_).images
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, PIXELS)


IMAGE = r'image 1 must be {"b64": "..."}, a file in base64, or pixels as lists \[H\]\[W\]\[3\] of 0 to 255'


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([1], "must be a JSON object"),
        ({}, 'either "instances" or "inputs"'),
        ({"instances": [], "inputs": []}, 'either "instances" or "inputs"'),
        ({"instances": 3}, '"instances" must be a list of images'),
        ({"inputs": {"images": 3}}, '"inputs" must be a list of images'),
        (
            {"instances": [FILE], "signature_name": "x"},
            "no signature 'x'; there are: serving_default, encoded",
        ),
        ({"instances": [FILE], "signature_name": ["x"]}, "no signature"),
        ({"instances": [FILE, {"b64": "?"}]}, "image 1 is not base64"),
        ({"instances": [FILE, {"b64": 3}]}, "image 1 is not base64"),
        ({"instances": [FILE, {"b64": "ä"}]}, "image 1 is not base64"),
        ({"instances": [FILE, {"other": FILE}]}, IMAGE),
        ({"instances": [FILE, {"images": {"images": LISTS}}]}, IMAGE),
        ({"instances": [FILE, "text"]}, IMAGE),
        ({"instances": [FILE, None]}, IMAGE),
        ({"instances": [FILE, []]}, IMAGE),
        ({"instances": [FILE, [[[]]]]}, IMAGE),
        ({"instances": [FILE, [[[1, 2, 3]], [[1, 2]]]]}, IMAGE),
        ({"instances": [FILE, [[[1, 2]]]]}, IMAGE),
        ({"instances": [FILE, [[[0.5, 0, 0]]]]}, IMAGE),
        ({"instances": [FILE, [[[True, False, True]]]]}, IMAGE),
        ({"instances": [FILE, [[["1", "2", "3"]]]]}, IMAGE),
        ({"instances": [FILE, [[[10**30, 0, 0]]]]}, IMAGE),
        ({"instances": [FILE, [[[0, 0, 256]]]]}, "image 1 has values from 0 to 256"),
        ({"instances": [FILE, [[[-1, 0, 0]]]]}, "image 1 has values from -1 to 0"),
    ],
)
def test_a_wrong_request_is_refused_with_the_reason(request_, message):
    with pytest.raises(Refused, match=message) as caught:
        parsed(request_)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe{", b"[" * 100_000, b'{"instances": [' + b"9" * 9999 + b"]}"]
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(Refused, match="not JSON that is read here: "):
        parse_predict(body, 3)


@pytest.mark.parametrize("value", [b"{},", b"[],", b"[0],"])
def test_more_values_than_pixels_are_refused_before_they_take_memory(monkeypatch, value):
    monkeypatch.setattr(tensorflow_serving, "MOST_VALUES", 100_000)
    body = b'{"instances": [%s0]}' % (60_000 * value)
    with taking_less_than(1_000_000), pytest.raises(Refused, match="more than 100000 values"):
        parse_predict(body, 3)


def test_the_answer_has_the_form_of_the_request():
    rows = [np.array([0.25, 0.75], np.float32), np.array([1, 0], np.float32)]
    assert predict_response(rows, ("a", "b"), is_row=True) == {
        "predictions": [
            {"probabilities": [0.25, 0.75], "classes": "b"},
            {"probabilities": [1.0, 0.0], "classes": "a"},
        ]
    }
    assert predict_response(rows, ("a", "b"), is_row=False) == {
        "outputs": {"probabilities": [[0.25, 0.75], [1.0, 0.0]], "classes": ["b", "a"]}
    }


def test_the_status_is_that_of_a_model_that_answers():
    [version] = status_response()["model_version_status"]
    assert (version["version"], version["state"]) == ("1", "AVAILABLE")
    assert version["status"] == {"error_code": "OK", "error_message": ""}
