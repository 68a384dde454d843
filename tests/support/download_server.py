"""A local https server with its own certificate that misbehaves as asked."""

import contextlib
import hashlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from datasets.download.known_files import OfficialFile


class Server(ThreadingHTTPServer):
    """Serves `files` by name, in the manner of `behaviour`; `ranges` are the Range headers that came."""

    daemon_threads = True

    def __init__(self, context):
        super().__init__(("localhost", 0), _Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.files, self.behaviour, self.ranges = {}, "good", []
        self.halfway, self.go_on = threading.Event(), threading.Event()

    def add(self, name, content):
        """Serves a file; returns it as the official one."""
        self.files[name] = content
        url = f"https://localhost:{self.server_port}/{name}"
        return OfficialFile(url, len(content), hashlib.sha256(content).hexdigest())

    def handle_error(self, request, client_address):
        """Clients that hang up are what these tests are about."""


@contextlib.contextmanager
def serving(folder):
    """Run a server; yields it and the path of its certificate."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    server = Server(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server, folder / "authority.pem"
    finally:
        server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a body without a length ends with the connection

    def log_message(self, *arguments):
        """Quiet."""

    def do_GET(self):
        server, name = self.server, self.path.strip("/")
        behaviour = server.behaviour
        content, asked = server.files.get(name), self.headers.get("Range")
        server.ranges.append(asked)
        if "redirect " in behaviour and "moved" not in self.path:
            self.send_response(302)
            self.send_header("Location", behaviour.partition("redirect ")[2])
            self.end_headers()
            with contextlib.suppress(OSError):  # the client hangs up
                while behaviour.startswith("endless"):
                    self.wfile.write(bytes(2**16))
            return
        content = server.files.get(name.removeprefix("moved/"))
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and behaviour != "no ranges" else None
        self._send(content, start, behaviour)

    def _send(self, content, start, behaviour):
        body = content[start or 0 :]
        if behaviour == "wrong bytes":
            body = bytes(len(body))
        length = len(body) + {"announces more": 100, "announces less": -1}.get(behaviour, 0)
        self.send_response(200 if start is None else 206)
        if behaviour not in ("cut without a length", "sends more"):
            self.send_header("Content-Length", str(length))
        if start is not None:
            first = start + 1 if behaviour == "wrong range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if behaviour == "calls it packed":
            self.send_header("Content-Encoding", "x-gzip")
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if behaviour.startswith("cut") and not (behaviour == "cut twice" and len(self.server.ranges) > 2):
            return
        if behaviour == "drip":
            for byte in body[half : half + 300]:
                self.wfile.write(bytes([byte]))
        if behaviour == "stall":
            self.server.halfway.set()
            self.server.go_on.wait()
            return
        self.wfile.write(body[half:] + b"x" * (100 if behaviour == "sends more" else 0))
