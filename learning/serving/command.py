"""The program behind serve.py: answer requests with the weights of a run."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from socket import socket

from learning.extras import require_packages
from learning.runs.directory import RunDirectory
from learning.serving.address import bound_socket, own_hosts, url_of
from learning.serving.limits import MEBI, Limits
from learning.terminal.command import ScriptParser, announce, run_script
from learning.terminal.output import outlive_reader

PORT, BATCH_SIZE = 8501, 32


def serve() -> None:
    """Answer requests until a signal stops the program, and print where."""
    arguments = _parse()
    require_packages("serve.py", ("starlette", "uvicorn", "python-multipart"), "serve")
    from learning.runs.packaged_run import open_with_weights

    run = open_with_weights(arguments.run)
    outlive_reader()  # a closed terminal does not end the answers
    with bound_socket(arguments.host, arguments.port) as sock:
        announce(f"starting TensorFlow and loading {run.path} ...")
        url = url_of(sock)

        def on_ready() -> None:
            print(f"run: {run.path}\nserving: {url} (Ctrl-C stops it)", flush=True)

        answered = serve_run(run, sock, arguments, on_ready)
    print(f"stopped: {answered} requests were answered")


def serve_run(
    run: RunDirectory, sock: socket, arguments: argparse.Namespace, on_ready: Callable[[], None]
) -> int:
    """Load a run and answer requests until a signal comes; return how many were answered.

    :param arguments: the options of the command line.
    :param on_ready: is called once requests are accepted.
    """
    from learning.serving.app import make_app
    from learning.serving.classifier import Classifier
    from learning.serving.guard import Guard
    from learning.serving.page import Page
    from learning.serving.server import answer_requests
    from learning.serving.service import Service

    limits = Limits(
        request_bytes=arguments.max_mib * MEBI, images=arguments.max_images, seconds=arguments.max_seconds
    )
    name = arguments.name or run.path.resolve().name
    if arguments.threads is not None:
        run.config = replace(run.config, train=replace(run.config.train, threads=arguments.threads))
    classifier = Classifier(run, ten_crop=arguments.ten_crop, is_calibrated=arguments.calibrated)
    service = Service(classifier, limits, arguments.batch_size)
    try:
        page = Page(name, run.class_names, limits, has_maps=classifier.has_maps)
        guard = Guard(make_app(name, service, page), limits, own_hosts(sock, arguments.allow_host))
        answer_requests(guard, sock, limits, on_ready)
    finally:
        service.close()
    return guard.answered


def _parse() -> argparse.Namespace:
    parser = ScriptParser(
        description="Answer requests with the weights of a run: a web page for photographs (GET /), an API for "
        "files (POST /predict), and TensorFlow Serving's REST API (POST /v1/models/NAME:predict). docs/serving.md "
        "has examples."
    )
    add = parser.add_argument
    add(
        "run",
        nargs="?",
        metavar="RUN",
        help="run directory (default: the newest under runs/), or efficientnet-lite0: ImageNet's 1,000 classes "
        "without any training",
    )
    add("--port", type=_port, default=PORT, help=f"0 takes a free one (default: {PORT})")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, only this machine)")
    add("--name", help="the model's name in addresses (default: the name of the run's folder)")
    add(
        "--ten-crop",
        action="store_true",
        help="average over all test crops, usually ten: slower, more accurate",
    )
    add(
        "--calibrated",
        action="store_true",
        help="divide the logits by the temperature that test.py fitted, so that probabilities match the accuracy",
    )
    add(
        "--batch-size",
        type=_count,
        default=BATCH_SIZE,
        metavar="N",
        help=f"largest number of waiting images to predict together (default: {BATCH_SIZE})",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="TensorFlow's threads, 0 for one per core (default: as the run was trained)",
    )
    _add_limits(parser)
    return parser.parse_args()


def _add_limits(parser: ScriptParser) -> None:
    """Add the options that limit requests."""
    add = parser.add_argument
    add(
        "--max-images",
        type=_count,
        default=Limits.images,
        metavar="N",
        help=f"most images in a request (default: {Limits.images})",
    )
    add(
        "--max-mib",
        type=_count,
        default=Limits.request_bytes // MEBI,
        metavar="N",
        help=f"most MiB in a request (default: {Limits.request_bytes // MEBI})",
    )
    add(
        "--max-seconds",
        type=_count,
        default=round(Limits.seconds),
        metavar="N",
        help=f"most seconds for a request, from its first byte to the last of the answer (default: "
        f"{Limits.seconds:g})",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a host name that clients may use for this server, such as that of a proxy in front of it; may be "
        "repeated (default: this machine's names, or any name if --host is another address)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"it is {text}; give a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"it is {text}; give a whole number from 0 to 65535")
    return int(text)


run_serve = partial(run_script, serve)
