"""Whole training steps: images/s of the project beside PyTorch and Keras, and the shares of the machine's limit.

    python -m benchmarks.speed.training [MODEL ...] [--batch-size N ...] [--precision fast] [--rounds 5]

A step takes a batch of bytes, (N, H, W, 3) uint8 in the host's memory, through preprocessing, network, loss,
gradients, weight decay, momentum and the statistics of the normalisations; it is always the same batch. The peers
are set as follows. PyTorch: channels_last, the fused update, bfloat16 by autocast, each once more compiled, on the
system's allocator (its guide names jemalloc and TCMalloc as faster; they are no part of it). Keras on TensorFlow:
`train_on_batch`, bfloat16 by its policy mixed_bfloat16, without XLA, with TensorFlow's kernels as installed and,
where those are not oneDNN's, once more with oneDNN switched on. What the project does in bfloat16 is held
against the peers' best setting, whatever its precision: the fastest of them in float32 takes part once more. Each
pads as its users do: TensorFlow and Keras by SAME, PyTorch on all edges alike.

A step counts as three passes of multiply-adds: forward, and backward to the inputs and to the weights.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.harness.commands import (
    add_precision,
    conditions,
    keep,
    measure_as_asked,
    measurement_parser,
    parse_measurement,
    precisions,
)
from benchmarks.harness.contestants import Steps, contestants
from benchmarks.harness.figures import print_table, summary
from benchmarks.speed.ceiling import ceiling, limits
from benchmarks.speed.training_steps import Case, gflop_per_image, keras_step, project_step, torch_step
from learning.terminal.command import run_script

STEPS = Steps(project_step, torch_step, keras_step)
QUICK_BATCH = 4


class Net(NamedTuple):
    """A network and how it is measured."""

    network: str  # in the catalogue
    side: int  # of its images, pixels
    num_classes: int
    batch_sizes: tuple[int, ...]
    rule: str  # of the update, in learning.optimizers
    options: Mapping[str, Any]  # of the network; the peers know them by the same names
    quick_side: int
    quick_options: Mapping[str, Any]


SMALL = {"stages": (1,), "widths": (8,)}
DROPOUT = {"dropout_prob": 0.5}
NORMALISED = DROPOUT | {"local_response_norm": True}
NETS = {
    "alexnet": Net("alexnet", 227, 2, (64, 128), "momentum", DROPOUT, 67, DROPOUT),
    "resnet50": Net("resnet50", 224, 1000, (16, 32), "momentum", {}, 32, SMALL),
    "resnet18": Net("resnet18", 224, 1000, (32,), "momentum", {}, 32, SMALL),
    "resnet20": Net("resnet20", 32, 10, (128,), "nesterov", {}, 16, SMALL),
    "alexnet-lrn": Net("alexnet", 227, 2, (64, 128), "momentum", NORMALISED, 67, NORMALISED),
}
DEFAULT_NETS = ("alexnet", "resnet50", "resnet18", "resnet20")  # few train the paper's AlexNet today
QUICK_NETS = ("resnet20",)


def measure_case(
    case: Case,
    precision: str,
    arguments: argparse.Namespace,
    ceilings: Mapping[str, Mapping[str, float]] | None,
    fastest: str | None = None,
) -> dict[str, Any]:
    """The figures of one measurement, ready for JSON; `fastest` as `contestants` takes it."""
    sides = contestants(STEPS, case, precision, fastest, tuned=not arguments.quick)
    rates, failures = measure_as_asked(sides, arguments, warm_steps=1 if arguments.quick else 3)
    shares = None if ceilings is None else limits(list(rates), precision, ceilings)
    return {
        "net": case.net,
        "options": dict(case.options),
        "input_shape": [case.side, case.side, 3],
        "num_classes": case.num_classes,
        "batch_size": case.batch_size,
        "precision": precision,
        **summary(rates, failures, gflop_per_image(case), shares),
    }


def cases(arguments: argparse.Namespace, batch_sizes: Sequence[int] | None = None) -> Iterator[Case]:
    """The nets that were asked for, in that order, with so many images in a step; with --quick at toy size."""
    for name in arguments.models or (QUICK_NETS if arguments.quick else DEFAULT_NETS):
        net = NETS[name]
        sizes, side, options = net.batch_sizes, net.side, net.options
        if arguments.quick:
            sizes, side, options = (QUICK_BATCH,), net.quick_side, net.quick_options
        for batch_size in batch_sizes or sizes:
            yield Case(
                name, net.network, side, net.num_classes, batch_size, net.rule, options, arguments.threads
            )


def _model(name: str) -> str:
    if name not in NETS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(NETS)}")
    return name


def add_models(parser: argparse.ArgumentParser) -> None:
    """The nets, by name, as `models`."""
    parser.add_argument(
        "models",
        nargs="*",
        type=_model,
        metavar="MODEL",
        help=f"of {', '.join(NETS)} (default: the first four; with --quick resnet20)",
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("training", str(__doc__), rounds=5, seconds=8.0)
    add_models(parser)
    parser.add_argument(
        "--batch-size",
        type=int,
        nargs="+",
        metavar="N",
        help="images in a step (default: depends on the model)",
    )
    add_precision(parser)
    arguments = parse_measurement(parser)
    if arguments.batch_size and min(arguments.batch_size) < 1:
        parser.error(f"--batch-size is {min(arguments.batch_size)}; give 1 or more")
    return arguments


def main() -> None:
    """Measure case by case, and print and keep what was found so far."""
    arguments = parse()
    figures: dict[str, Any] = {**conditions(arguments), "ceiling_gflops": None, "cases": []}
    measured = precisions(arguments)
    if not arguments.quick:
        figures["ceiling_gflops"] = ceiling(arguments.threads, measured)
    for one in cases(arguments, arguments.batch_size):
        fastest = None
        for precision in measured:
            title = f"{one.net}, {one.side} pixels, batch {one.batch_size}, {precision}"
            print(title, flush=True)
            found = measure_case(one, precision, arguments, figures["ceiling_gflops"], fastest)
            fastest = found["best_peer"]
            print_table(f"Training step of {title}", found)
            figures["cases"].append(found)
            keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
