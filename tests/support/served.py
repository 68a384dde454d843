"""A server on a real socket in this process, a stand-in for its network, and a client."""

import contextlib
import http.client
import io
import json
import threading

import numpy as np
from PIL import Image

from datasets.images.decode import read_resized
from datasets.images.resizing import resize_image
from learning.serving.address import bound_socket, own_hosts
from learning.serving.app import make_app
from learning.serving.classifier import Answer
from learning.serving.guard import Guard
from learning.serving.limits import Limits
from learning.serving.page import Page
from learning.serving.server import Server
from learning.serving.service import Service

PATIENCE = 600  # seconds: only what hangs takes longer


class Brightness:
    """Stands in for a Classifier: the brighter an image, the more probable is its class `light`.

    It notes the sizes of its batches. After `go_on.clear()` it says in `has_begun` that it has a batch, and waits.
    """

    class_names = ("dark", "light")
    image_shape = (8, 8, 3)

    def __init__(self):
        self.batches, self.has_begun, self.go_on = [], threading.Event(), threading.Event()
        self.go_on.set()

    def decode(self, content):
        return read_resized(content, 8)

    def resize(self, image):
        return resize_image(image, 8, 8)

    def answer(self, jobs):
        self.batches.append(len(jobs))
        self.has_begun.set()
        assert self.go_on.wait(PATIENCE)
        return [self._answer(job) for job in jobs]

    def _answer(self, job):
        light = np.mean(job.image) / 255
        pictures = (job.image, np.eye(8, dtype=np.float32)) if job.has_pictures else ()
        return Answer(np.array([1 - light, light], np.float32), *pictures)

    def close(self):
        pass


def photo(level=102, size=8, kind="PNG"):
    """The bytes of an image file of one grey; 102 has the probability 0.4 of being light."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (level,) * 3).save(file, kind)
    return file.getvalue()


class Client:
    """Asks a server; each request has a connection of its own."""

    def __init__(self, port):
        self.port = port

    def connect(self):
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE))

    def ask(self, path, body=None, *, method=None, headers=None):
        """Return the status, the content (of JSON, else text) and the headers."""
        with self.connect() as connection:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
            return read_answer(connection)

    def form(self, path, files):
        """Send files, [(name, content)], as a browser's form does."""
        parts = [
            b'--frontier\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n%s\r\n'
            % (name.encode(), content)
            for name, content in files
        ]
        kind = "multipart/form-data; boundary=frontier"
        return self.ask(path, b"".join([*parts, b"--frontier--\r\n"]), headers={"Content-Type": kind})


def read_answer(connection):
    answer = connection.getresponse()
    content = answer.read()
    if answer.headers.get_content_type() == "application/json":
        content = json.loads(content)
    return answer.status, content, answer.headers


@contextlib.contextmanager
def serving(classifier, limits=None, *, name="net", batch_size=32, allowed=()):
    """Serve in a thread; yields the Client and the Guard."""
    limits, is_ready = limits or Limits(), threading.Event()
    service = Service(classifier, limits, batch_size)
    with contextlib.closing(service), bound_socket("127.0.0.1", 0) as sock:
        app = make_app(name, service, Page(name, classifier.class_names, limits, has_maps=True))
        guard = Guard(app, limits, own_hosts(sock, allowed))
        port = sock.getsockname()[1]
        server = Server(guard, limits, is_ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            assert is_ready.wait(PATIENCE)
            yield Client(port), guard
        finally:
            server.should_exit = True
            thread.join()
