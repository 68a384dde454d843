"""learning/serving/guard.py and exchange.py: what a request may be, how large, and how long it may take."""

import contextlib
import socket
import threading

import numpy as np
import pytest

from learning.serving.classifier import Answer
from learning.serving.limits import MEBI, Limits
from tests.support.served import PATIENCE, Brightness, photo, read_answer, serving


def raw(port, text):
    """Send bytes on a connection of their own, and return all that comes until the server ends it."""
    received = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        with contextlib.suppress(ConnectionError):  # the server need not wait for all of them
            sock.sendall(text)
            received.extend(iter(lambda: sock.recv(65536), b""))
        return b"".join(received)


def head(*lines):
    return "\r\n".join(["POST /predict HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "[::1", "a b"]
)
def test_a_host_that_is_not_this_machine_is_refused(client, host):
    for path, body in (("/", None), ("/predict", photo()), ("/health", None)):
        status, content, _ = client.ask(path, body, headers={"Host": host})
        assert (status, content.keys()) == (421, {"error"})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8501", "127.0.0.1:1", "[::1]:8501"])
def test_this_machine_has_several_names(client, host):
    assert client.ask("/health", headers={"Host": host})[0] == 200


def test_a_proxys_name_is_allowed_when_asked_for(net):
    with serving(net, allowed=["Nets.example"]) as (client, _):
        statuses = [
            client.ask("/health", headers={"Host": host})[0] for host in ("nets.example", "localhost", "x")
        ]
    assert statuses == [200, 200, 421]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost", 403),
        ("http://[", 403),
        ("http://localhost:1", 200),
    ],
)
def test_pages_of_other_sites_may_not_ask(client, origin, status):
    headers = {"Host": "localhost:1", "Origin": origin}
    assert client.ask("/predict", photo(), headers=headers)[0] == status


def test_no_answer_is_for_other_origins(client):
    for method in ("GET", "OPTIONS"):
        headers = client.ask("/health", method=method, headers={"Origin": "http://evil.example"})[2]
        assert [name for name in headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize("path", ["/", "/health", "/nothing"])
def test_a_browser_may_neither_guess_nor_frame(client, path):
    headers = client.ask(path)[2]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers


def test_a_body_that_is_too_large_is_refused_before_it_is_read(net):
    with serving(net, Limits(request_bytes=MEBI)) as (client, _):
        answer = raw(client.port, head(f"Content-Length: {MEBI + 1}", "Connection: close"))
        assert answer.startswith(b"HTTP/1.1 413 ")
        for path in ("/predict", "/nothing"):  # a client that sends all of it gets its answer, too
            status, content, _ = client.ask(path, bytes(8 * MEBI))
            assert (status, content["error"]) == (
                413,
                "the request is larger than 1 MiB; send fewer or smaller images",
            )


def test_a_body_of_unknown_size_is_counted(net):
    with serving(net, Limits(request_bytes=100)) as (client, guard):
        chunked = head("Transfer-Encoding: chunked", "Connection: close") + b"65\r\n" + 101 * b"x" + b"\r\n"
        assert raw(client.port, chunked).startswith(b"HTTP/1.1 413 ")
        assert client.ask("/predict", iter([60 * b"x"] * 2))[0] == 413
    assert guard._buffered.used == 0


def test_all_bodies_together_have_a_limit(net):
    net.go_on.clear()
    body = photo()
    with serving(net, Limits(buffered_bytes=len(body) + 10)) as (client, guard):
        thread = threading.Thread(target=client.ask, args=["/predict", body])
        thread.start()
        assert net.has_begun.wait(PATIENCE)
        status, content, headers = client.ask("/predict", body)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert content["error"] == "too many requests are being read; try again in a second"
        net.go_on.set()
        thread.join()
        assert client.ask("/predict", body)[0] == 200
    assert guard._buffered.used == 0


def test_a_body_that_does_not_come_is_given_up(net):
    with serving(net, Limits(seconds=0.05)) as (client, _):
        answer = raw(client.port, head("Content-Length: 100") + b"half")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 0.05 s" in answer


def test_an_answer_that_takes_too_long_is_given_up(net):
    net.go_on.clear()
    body = photo()
    with serving(net, Limits(seconds=0.05)) as (client, guard):
        # At once, so that the body comes in time.
        answer = raw(client.port, head(f"Content-Length: {len(body)}", "Connection: close") + body)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"no answer within 0.05 s; try again in a second" in answer
        net.go_on.set()
    assert guard._buffered.used == 0


@pytest.mark.parametrize("begun", [b"", b"POST /predict HTTP/1.1\r\nHost: loc"])
def test_a_head_that_does_not_come_ends_the_connection(net, begun):
    with serving(net, Limits(head_seconds=0.05)) as (client, _):
        assert raw(client.port, begun) == b""


def test_a_second_head_that_does_not_come_ends_the_connection(net):
    answer = b""
    with serving(net, Limits(head_seconds=0.05)) as (client, _):
        while not answer:  # a busy machine may send even the first one too late
            answer = raw(client.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert answer.endswith(b"}")


def test_a_client_that_does_not_read_the_answer_is_cut_off():
    class Wordy(Brightness):
        class_names = tuple(
            f"{number:0100}" for number in range(200_000)
        )  # more than the buffers of a socket hold

        def answer(self, jobs):
            return [Answer(np.zeros(len(self.class_names), np.float32))] * len(jobs)

    limits = Limits(seconds=1.0, head_seconds=1.0, connections=2)
    with serving(Wordy(), limits) as (client, _), client.connect() as connection:
        connection.request("POST", "/predict?top_k=200000", photo())
        while client.ask("/health")[0] != 200:  # 503 until the first connection is gone
            pass


@pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\r\r\n"])
def test_what_is_not_http_is_refused(client, rubbish):
    assert raw(client.port, rubbish).startswith(b"HTTP/1.1 400 ")


def test_a_head_without_an_end_is_not_read(client):
    raw(client.port, b"A" * 2**20)
    assert client.ask("/health")[0] == 200


def test_a_client_that_leaves_harms_nobody(client, net, caplog):
    net.go_on.clear()
    for begun in (b"GET /hea", head("Content-Length: 100") + b"half"):
        socket.create_connection(("127.0.0.1", client.port)).close()
        with socket.create_connection(("127.0.0.1", client.port)) as sock:
            sock.sendall(begun)
    with client.connect() as connection:
        connection.request("POST", "/predict", photo())
        assert net.has_begun.wait(PATIENCE)
    net.go_on.set()
    assert client.ask("/predict", photo())[0] == 200
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_too_many_connections_are_turned_away(net):
    net.go_on.clear()
    with serving(net, Limits(connections=2)) as (client, _), client.connect() as first:
        first.request("POST", "/predict", photo())
        assert net.has_begun.wait(PATIENCE)
        assert client.ask("/health")[0] == 503
        net.go_on.set()
        assert read_answer(first)[0] == 200


def test_a_connection_is_kept_for_the_next_request(client):
    with client.connect() as connection:
        for _ in range(3):
            connection.request("POST", "/predict", photo())
            assert read_answer(connection)[0] == 200
            assert connection.sock is not None
