"""learning/serving/command.py: serve.py as a process, from its command line to its end."""

import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from learning import extras
from learning.errors import UsageError
from learning.serving import command
from learning.serving.address import bound_socket
from tests.support.scripts import call_main
from tests.support.served import PATIENCE, Client, photo

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "pretrained" / "mini-resnet-mnist"


@contextlib.contextmanager
def process(*arguments):
    """Start serve.py; yields it and a Client once it accepts requests."""
    words = [sys.executable, str(ROOT / "serve.py"), "--port", "0", *map(str, arguments)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            lines = [started.stdout.readline() for _ in range(2)]
            port = re.search(r"http://127.0.0.1:(\d+)/", lines[1])
            assert port, (lines, started.stderr.read())
            yield started, Client(int(port[1]))
        finally:
            started.kill()


class Load:
    """Clients that ask one request after another until the server is gone."""

    def __init__(self, port, body, clients):
        self.port, self.body, self.counts, self.faults = port, body, [0] * clients, []
        self.is_loaded = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=[number]) for number in range(clients)]

    def work(self, number):
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            with contextlib.closing(connection):
                try:
                    connection.connect()
                except ConnectionError:
                    return
                self.use(connection, number)

    def use(self, connection, number):
        """Ask until the connection ends; only one that ends within an answer is a fault."""
        while connection.sock is not None:
            try:
                connection.request("POST", "/predict", self.body)
                answer = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                return
            try:
                content = json.loads(answer.read())
                assert (answer.status, len(content["predictions"])) == (200, 1)
            except Exception as fault:
                self.faults.append(fault)
            self.counts[number] += 1
            if min(self.counts) >= 3:
                self.is_loaded.set()


def begin(port, body):
    """Send the head of a request; return its connection once the server waits for the body."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    sock.sendall(
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n".encode()
    )
    assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
    return sock


def finish(sock, body):
    """Send the body; return the whole answer, after which the server ends the connection."""
    with sock:
        sock.sendall(body)
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.fault(38)
def test_nothing_is_lost_when_the_server_is_stopped_under_load(tmp_path):
    run = shutil.copytree(PUBLISHED, tmp_path / "digits of [people] ü")
    config = (run / "config.yaml").read_text(encoding="utf-8")
    assert "precision: bfloat16" in config  # of which a processor without it would warn
    (run / "config.yaml").write_text(
        config.replace("precision: bfloat16", "precision: float32"), encoding="utf-8"
    )
    body = photo(size=28)
    with process(run, "--max-seconds", "3600") as (started, client):
        status, content, _ = client.ask("/health")
        assert (status, content["model"]) == (200, "digits of [people] ü")
        load = Load(client.port, body, clients=8)
        for thread in load.threads:
            thread.start()
        begun = [begin(client.port, body) for _ in range(4)]
        assert load.is_loaded.wait(PATIENCE)
        started.send_signal(signal.SIGTERM)
        for thread in load.threads:  # which end when no connection is accepted any more
            thread.join()
        answers = [finish(sock, body) for sock in begun]
        output, complaints = started.communicate(timeout=PATIENCE)
    assert load.faults == []
    assert [answer.split(b"\r\n", 1)[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 4
    assert all(json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"] for answer in answers)
    assert (started.returncode, complaints) == (0, "")
    assert output == f"stopped: {1 + sum(load.counts) + 4} requests were answered\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "70000"], "argument --port: it is 70000; give a whole number from 0 to 65535"),
        (["--port", "x"], "argument --port: it is x"),
        (["--batch-size", "0"], "argument --batch-size: it is 0; give a whole number of at least 1"),
        (["--max-mib", "-1"], "argument --max-mib"),
        (["--prot", "1"], "unknown option --prot; did you mean --port?"),
    ],
)
@pytest.mark.fault(19, 20)
def test_an_impossible_option_is_refused(words, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        call_main("serve.py", *words)


def test_an_address_that_is_taken_is_refused_before_the_run_is_loaded(monkeypatch):
    monkeypatch.setattr(command, "serve_run", lambda *arguments: pytest.fail("it was loaded"))
    with bound_socket("127.0.0.1", 0) as sock:
        sock.listen()
        port = sock.getsockname()[1]
        with pytest.raises(
            UsageError, match=f"port {port} of 127.0.0.1 cannot be used: Address already in use; "
        ):
            call_main("serve.py", PUBLISHED, "--port", port)
    with pytest.raises(UsageError, match="--host no.such.invalid is not an address of this machine"):
        call_main("serve.py", PUBLISHED, "--host", "no.such.invalid")


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name != "uvicorn" else object())
    with pytest.raises(
        UsageError,
        match=r"^serve.py needs starlette and python-multipart; install with pip install -e '.\[serve\]'$",
    ):
        call_main("serve.py", PUBLISHED)
