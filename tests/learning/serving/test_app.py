"""learning/serving/app.py: the addresses of a server, asked over a socket."""

import base64
import json
import threading

import numpy as np
import pytest
from PIL import Image

from learning.serving.limits import Limits
from tests.support.planted import DAMAGED, NAMES, ODD
from tests.support.served import Brightness, photo, serving

# What the stand-in says of photo(): 102 / 255 is light.
CLASSES = [
    {"name": "dark", "probability": pytest.approx(0.6)},
    {"name": "light", "probability": pytest.approx(0.4)},
]


def classes(row):
    return [label["name"] for label in row["classes"]]


def encoded(content):
    return {"b64": base64.b64encode(content).decode()}


def instances(*values):
    return json.dumps({"instances": values})


def test_the_body_of_a_request_is_an_image(client):
    status, content, headers = client.ask("/predict", photo())
    assert (status, content) == (200, {"model": "net", "predictions": [{"file": None, "classes": CLASSES}]})
    assert headers["Content-Type"] == "application/json"


def test_curl_may_call_an_image_a_form(client):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl --data-binary` says
    assert client.ask("/predict", photo(), headers=headers)[0] == 200


def test_the_files_of_a_form_are_answered_in_order(client):
    files = [("a.png", photo(255)), ("b.jpg", photo(0, kind="JPEG")), ("c.png", photo(255, size=900))]
    status, content, _ = client.form("/predict?top_k=1", files)
    assert status == 200
    assert [row["file"] for row in content["predictions"]] == ["a.png", "b.jpg", "c.png"]
    assert [classes(row) for row in content["predictions"]] == [["light"], ["dark"], ["light"]]


def test_an_unreadable_file_among_others_carries_the_reason(client):
    status, content, _ = client.form("/predict", [("a.png", photo()), ("b.png", b"no image")])
    good, bad = content["predictions"]
    assert (status, good["classes"]) == (200, CLASSES)
    assert bad.keys() == {"file", "error"}
    assert bad["error"].startswith("not an image of a known format")


@pytest.mark.fault(1)
def test_nothing_readable_is_an_error_of_the_client(client):
    status, content, _ = client.ask("/predict", b"no image")
    assert (status, content.keys()) == (422, {"error"})
    assert content["error"].startswith("not an image of a known format")
    status, content, _ = client.form("/predict", [("a", b""), ("b", b"")])
    assert (status, content) == (422, {"error": "a: the file is empty; b: the file is empty"})


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    "body",
    [
        b"--frontier--\r\n",
        b'--frontier\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--frontier--\r\n',
    ],
)
def test_a_form_without_images(client, body):
    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    status, content, _ = client.ask("/predict", body, headers=headers)
    assert (status, content) == (400, {"error": "there are no images; send 1 to 32 in a request"})


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_form_that_cannot_be_read(client, kind):
    status, content, _ = client.ask("/predict", b"\r\nno form", headers={"Content-Type": kind})
    assert (status, content.keys()) == (400, {"error"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("top_k=0", "top_k is '0'"),
        ("top_k=x", "top_k is 'x'"),
        ("pictures=1", "pictures is '1'; give true or false"),
    ],
)
def test_an_impossible_option_is_refused(client, query, message):
    status, content, _ = client.ask(f"/predict?{query}", photo())
    assert status == 400
    assert content["error"].startswith(message)


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 7)
def test_the_server_survives_every_kind_of_file(client):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    for kind, (_, content) in DAMAGED.items():
        status, answer, _ = client.ask("/predict", content(picture))
        assert (status, answer.keys()) == (422, {"error"}), kind
        assert "Traceback" not in answer["error"]
        assert client.ask("/v1/models/net:predict", instances(encoded(content(picture))))[0] == 400, kind
    for kind, (_, content) in ODD.items():
        assert client.ask("/predict", content(picture))[0] == 200, kind


@pytest.mark.fault(8, 11)
def test_a_name_is_only_repeated(client):
    names = [
        ".DS_Store",
        "../../etc/passwd",
        "<script>",
        *(name for name in NAMES.values() if name.isprintable()),
    ]
    names = [name.replace('"', "%22") for name in names]
    _, content, _ = client.form("/predict", [(name, photo()) for name in names])
    assert [row["file"] for row in content["predictions"]] == names
    _, content, _ = client.form("/predict", [("clear\x1b[2J", photo())])
    assert content["predictions"][0]["file"] == "clear\\x1b[2J"


def test_tensorflow_serving_gets_rows_for_rows(client):
    pixels = np.full((8, 8, 3), 102).tolist()
    body = instances(encoded(photo(255)), pixels, np.full((90, 50, 3), 0).tolist())
    status, content, _ = client.ask("/v1/models/net:predict", body)
    first, second, third = content["predictions"]
    assert status == 200
    assert first == {"probabilities": [0.0, 1.0], "classes": "light"}
    assert second == {"probabilities": pytest.approx([0.6, 0.4]), "classes": "dark"}
    assert third["classes"] == "dark"
    assert client.ask("/v1/models/net/versions/1:predict", body)[1] == content


def test_tensorflow_serving_refuses_all_for_one_bad_image(client):
    status, content, _ = client.ask("/v1/models/net:predict", instances(encoded(photo()), encoded(b"x")))
    assert status == 400
    assert content["error"].startswith("image 1: not an image of a known format")


def test_the_status_of_the_model(client):
    status, content, _ = client.ask("/v1/models/net")
    assert (status, content["model_version_status"][0]["state"]) == (200, "AVAILABLE")


@pytest.mark.parametrize("path", ["/v1/models/other", "/v1/models/net/versions/2", "/v1/models/%0a"])
def test_another_model_does_not_exist(client, path):
    for status, content, _ in (client.ask(path), client.ask(f"{path}:predict", b"{}")):
        assert status == 404
        assert content["error"].endswith("there is net, version 1")
        assert "\n" not in content["error"]


def test_a_model_may_have_any_name():
    with serving(Brightness(), name="ü a:b") as (client, _):
        assert client.ask("/v1/models/%C3%BC%20a%3Ab:predict", instances(encoded(photo())))[0] == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/predict", 405), ("/v1/models/net:predict", 404), ("/x", 404)]
)
def test_other_addresses_are_errors_in_json(client, path, status):
    found, content, _ = client.ask(path)
    assert (found, content.keys()) == (status, {"error"})


def test_the_server_is_healthy(client, net):
    net.go_on.clear()
    thread = threading.Thread(target=client.ask, args=["/predict", photo()])
    thread.start()
    assert net.has_begun.wait(600)
    status, content, _ = client.ask("/health")
    net.go_on.set()
    thread.join()
    assert (status, content) == (200, {"status": "ok", "model": "net", "waiting": 1})
    assert client.ask("/health")[1]["waiting"] == 0


def test_more_images_than_a_request_may_have(net):
    with serving(net, Limits(images=2)) as (client, _):
        for status, content, _ in (
            client.form("/predict", [("a", photo())] * 3),
            client.ask("/v1/models/net:predict", instances(*[encoded(photo())] * 3)),
        ):
            assert (status, content["error"]) == (413, "there are 3 images; send 1 to 2 in a request")
    assert net.batches == []


def test_a_full_queue_asks_to_come_back(net):
    net.go_on.clear()
    with serving(net, Limits(waiting=2)) as (client, _):
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(client.form("/predict", [("a", photo()), ("b", photo())]))
        )
        thread.start()
        assert net.has_begun.wait(600)
        status, content, headers = client.ask("/predict", photo())
        assert (status, headers["Retry-After"]) == (503, "1")
        assert content["error"] == "2 images are waiting already; try again in a second"
        net.go_on.set()
        thread.join()
        assert answers[0][0] == client.ask("/predict", photo())[0] == 200


def test_a_fault_of_the_network_is_for_the_log_alone(caplog):
    class Broken(Brightness):
        def answer(self, jobs):
            if len(self.batches) == 0:
                self.batches.append(len(jobs))
                raise ZeroDivisionError("a secret")
            return super().answer(jobs)

    with serving(Broken()) as (client, _):
        status, content, _ = client.ask("/predict", photo())
        assert (status, content) == (500, {"error": "the server failed; its log has the reason"})
        assert client.ask("/predict", photo())[0] == 200
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "a request of /predict failed"
    assert "a secret" in record.exc_text


def test_too_little_memory_for_an_image_asks_to_come_back():
    class Poor(Brightness):
        def decode(self, content):
            raise MemoryError

    with serving(Poor()) as (client, _):
        status, content, headers = client.ask("/predict", photo())
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "memory" in content["error"]
