"""How many images per second does serve.py answer, and how long do clients wait, compared with a plain loop?

The network is efficientnet-lite0; the image is always the same JPEG photograph of 451x300 pixels. `serve.py` runs
in its own process. Its clients are threads of this process, so they share the cores with the server. Each client
keeps its connection, and sends a request as soon as it has the answer to the last one.

- loop of 1: decode one image and call `ConvNet.predict`, as in the AlexNet post;
- loop of 32: decode 32 images and call it on all of them, as predict.py does;
- 1, 8 and 32 clients: `POST /predict`; latency is the time from sending a request to having read the answer.
"""

import argparse
import contextlib
import http.client
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from PIL import Image

from benchmarks.harness import project
from benchmarks.harness.benchmark import Benchmark
from benchmarks.harness.markdown import ROOT, markdown
from benchmarks.harness.results import Figures, rate, ratios, spread, spread_of
from benchmarks.harness.turns import PAUSE, in_turns, take_turn
from datasets.dataset import DataSet
from datasets.images.decode import read_resized
from learning.errors import UsageError

NET, QUICK_NET = "efficientnet-lite0", str(ROOT / "pretrained" / "mini-resnet-mnist")
LOOPS, CLIENTS = (1, 32), (1, 8, 32)
WARM_SECONDS = 3.0  # of each contestant, before the first round

# Given the seconds to work, a turn returns the number of images and the actual seconds.
Turn = Callable[[float], tuple[int, float]]


def photograph() -> bytes:
    """Return the content of a JPEG file."""
    file = io.BytesIO()
    with Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png") as picture:
        picture.save(file, "JPEG", quality=90)
    return file.getvalue()


@contextlib.contextmanager
def server(net: str, threads: int) -> Iterator[int]:
    """Start serve.py, and yield its port once it answers."""
    words = [sys.executable, str(ROOT / "serve.py"), net, "--port", "0", "--threads", str(threads)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = (re.search(r"http://127\.0\.0\.1:(\d+)/", line) for line in process.stdout or ())
            port = next((int(match[1]) for match in found if match), None)
            if port is None:
                raise UsageError("serve.py did not start; its reason is above")
            yield port
        finally:
            process.terminate()


def loop(net: str, batch_size: int, content: bytes, threads: int) -> Turn:
    """Return the turns of a program that predicts without a server."""
    config, model, sess = project.load_run(Path(net), threads)
    data = config.data

    def step() -> int:
        images = [
            read_resized(content, data.image_size, channels=model.input_shape[-1], fit=data.resize)
            for _ in range(batch_size)
        ]
        dataset = DataSet(np.stack(images), crops=data.crops)
        return len(model.predict(sess, dataset, batch_size=batch_size, augment_pred=False))

    return lambda seconds: take_turn(step, seconds)


class Clients:
    """Concurrent clients that record how long each answer takes."""

    def __init__(self, port: int, count: int, content: bytes) -> None:
        self._port, self._count, self._content = port, count, content
        self.latencies: list[float] = []  # seconds

    def __call__(self, seconds: float) -> tuple[int, float]:
        """Send requests for `seconds`, at least one per client."""
        before, start = len(self.latencies), time.perf_counter()
        with ThreadPoolExecutor(self._count) as pool:
            list(pool.map(self._ask, [start + seconds] * self._count))
        return len(self.latencies) - before, time.perf_counter() - start

    def _ask(self, end: float) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            done = False
            while not done:
                start = time.perf_counter()
                connection.request("POST", "/predict", self._content)
                answer = connection.getresponse()
                content = json.loads(answer.read())
                if answer.status != 200:
                    raise RuntimeError(f"serve.py answers {answer.status}: {content}")
                now = time.perf_counter()
                self.latencies.append(now - start)
                done = now >= end


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure the loops and the clients in turns."""
    net, content = QUICK_NET if arguments.quick else NET, photograph()
    with server(net, arguments.threads) as port:
        loops = {f"loop of {size}": loop(net, size, content, arguments.threads) for size in LOOPS}
        clients = {_title(count): Clients(port, count, content) for count in CLIENTS}
        turns: dict[str, Turn] = {**loops, **clients}
        for turn in turns.values():
            turn(0.0 if arguments.quick else WARM_SECONDS)
        for one in clients.values():
            one.latencies.clear()
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(arguments.rounds):
            for name in in_turns(list(turns), number):
                time.sleep(0 if arguments.quick else PAUSE)
                images, elapsed = turns[name](arguments.seconds)
                rates[name].append(images / elapsed)
            print(
                f"round {number + 1}: {', '.join(f'{name} {values[-1]:.4g}' for name, values in rates.items())}"
            )
            yield summary(rates, {name: one.latencies for name, one in clients.items()})


def _title(count: int) -> str:
    return f"{count} client{'s' * (count > 1)}"


def summary(rates: dict[str, list[float]], latencies: dict[str, list[float]]) -> dict[str, Any]:
    """Summarise the rates (images/s, round by round) and the latencies (seconds)."""
    base = f"loop of {LOOPS[0]}"
    return {
        "images_per_second": {name: spread_of(values) for name, values in rates.items()},
        "ratio": {name: spread_of(ratios(rates, base, name)) for name in rates},
        "latency_ms": {
            name: dict(zip(("median", "p99"), (1000 * np.percentile(values, [50, 99])).tolist(), strict=True))
            for name, values in latencies.items()
        },
        "rates": rates,
    }


def table(figures: Figures) -> str:
    """Return images/s, their ratio to the loop of 1, and the latencies."""
    rows = []
    for name, found in figures["images_per_second"].items():
        waits = figures["latency_ms"].get(name)
        cells = [f"{waits[key]:.1f}" for key in ("median", "p99")] if waits else ["", ""]
        rows.append([name, rate(found), spread(figures["ratio"][name]), *cells])
    header = [
        "efficientnet-lite0",
        "images/s",
        f"to the loop of {LOOPS[0]}",
        "median latency, ms",
        "99th percentile",
    ]
    return markdown(header, rows)


main = Benchmark("serving", __doc__, steps, table, rounds=5, seconds=10.0)
