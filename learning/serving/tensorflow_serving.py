"""TensorFlow Serving's REST API: answer as TensorFlow Serving would for the exported network.

The signature `serving_default` takes `images`, pixels as nested lists; `encoded` takes files as {"b64": ...}. The
outputs are `probabilities`, in the order of the classes, and `classes`, the best one. A request has rows
("instances") or columns ("inputs"), and the answer has the same form ("predictions", "outputs"). See
https://www.tensorflow.org/tfx/serving/api_rest; batches of a size other than the number of images, `metadata`,
`classify` and `regress` are left out.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from datasets.storage.untrusted import parse_json
from learning.serving.limits import Refused

IMAGES, ENCODED = "images", "encoded"  # signatures' inputs
SIGNATURES = ("serving_default", ENCODED)
VERSION = "1"
MOST_VALUES = 10_000_000  # in a body; each takes up to 50 bytes of memory while it is parsed


class PredictRequest(NamedTuple):
    """The images of a request: files as bytes, or pixels (H, W, C) uint8; and whether they came as rows."""

    images: list[bytes | np.ndarray]
    is_row: bool


def parse_predict(body: bytes, channels: int) -> PredictRequest:
    """Read the body of a request.

    :param channels: C of the network.
    :raises Refused: it has another form; the message says which part.
    """
    request = _parse_json(body)
    if not isinstance(request, dict):
        raise Refused(400, 'the body must be a JSON object with "instances" or "inputs"')
    signature = request.get("signature_name", SIGNATURES[0])
    if signature not in SIGNATURES:
        raise Refused(400, f"there is no signature {signature!r}; there are: {', '.join(SIGNATURES)}")
    if ("instances" in request) == ("inputs" in request):
        raise Refused(400, 'give either "instances" or "inputs"')
    is_row = "instances" in request
    values = request["instances"] if is_row else _column(request["inputs"])
    if not isinstance(values, list):
        raise Refused(400, f'"{"instances" if is_row else "inputs"}" must be a list of images')
    return PredictRequest([_image(value, place, channels) for place, value in enumerate(values)], is_row)


def predict_response(
    probabilities: Sequence[np.ndarray], class_names: Sequence[str], *, is_row: bool
) -> dict[str, Any]:
    """Return the answer: for each image its probabilities, (K,), and its best class."""
    rows = [
        {"probabilities": row.astype(float).tolist(), "classes": class_names[int(row.argmax())]}
        for row in probabilities
    ]
    if is_row:
        return {"predictions": rows}
    return {"outputs": {name: [row[name] for row in rows] for name in ("probabilities", "classes")}}


def status_response() -> dict[str, Any]:
    """Return the status of a model that answers."""
    state = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": VERSION, "state": "AVAILABLE", "status": state}]}


def _parse_json(body: bytes) -> Any:
    try:
        return parse_json(body.decode("utf-8"), MOST_VALUES)
    except ValueError as error:  # also bytes that are not text
        raise Refused(400, f"the body is not JSON that is read here: {error}") from None


def _column(inputs: Any) -> Any:
    """Return the only column of a request in columns."""
    if isinstance(inputs, dict) and len(inputs) == 1 and inputs.keys() <= {IMAGES, ENCODED}:
        return next(iter(inputs.values()))
    return inputs


def _image(value: Any, place: int, channels: int) -> bytes | np.ndarray:
    """Return the image in one value, which may carry the name of its input."""
    where = f"image {place}"
    if isinstance(value, dict) and len(value) == 1:
        name, content = next(iter(value.items()))
        if name == "b64":
            return _file(content, where)
        if name in (IMAGES, ENCODED):
            return _image(content, place, channels) if not _is_named(content) else _wrong(where, channels)
    return _pixels(value, where, channels) if isinstance(value, list) else _wrong(where, channels)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() != {"b64"}


def _wrong(where: str, channels: int) -> Any:
    raise Refused(
        400,
        f'{where} must be {{"b64": "..."}}, a file in base64, or pixels as lists [H][W][{channels}] of 0 to 255',
    )


def _file(content: Any, where: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Refused(400, f"{where} is not base64") from None


def _pixels(value: list[Any], where: str, channels: int) -> np.ndarray:
    """Return nested lists as (H, W, C) uint8."""
    try:
        pixels = np.array(value)
    except (ValueError, OverflowError):  # lists of several lengths
        return _wrong(where, channels)
    if pixels.dtype.kind not in "iu" or pixels.ndim != 3 or pixels.shape[-1] != channels or not pixels.size:
        return _wrong(where, channels)
    if pixels.min() < 0 or pixels.max() > 255:
        raise Refused(400, f"{where} has values from {pixels.min()} to {pixels.max()}; give 0 to 255")
    return pixels.astype(np.uint8)
