"""How fast is a training step compared with PyTorch and Keras, and how close is it to the limit of the machine?

A step starts from a batch of bytes in the host's memory, (N, H, W, 3) uint8, always the same one. It includes
preprocessing, network, loss, gradients, weight decay, momentum and the statistics of the normalisations. PyTorch
uses channels_last, the fused update and autocast for bfloat16, with and without compilation. It uses the system's
allocator, although its guide calls jemalloc and TCMalloc faster, because they are not part of PyTorch. Keras uses
`train_on_batch` and the policy mixed_bfloat16 without XLA, with TensorFlow's default kernels and, if these are not
oneDNN's, also with oneDNN switched on. In bfloat16, the project is compared with the fastest setting of the peers
in any precision. Each library pads as its users do: TensorFlow and Keras with SAME, PyTorch equally on all edges.

A step counts as three passes of multiply-adds: forward, backward to the inputs, and backward to the weights.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import numpy as np

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, add_nets, count, precisions
from benchmarks.harness.ceiling import measure_ceilings
from benchmarks.harness.comparison import (
    PEERS,
    beside_peers,
    ceilings_text,
    fastest_of,
    measured_peers,
    newest_instructions,
)
from benchmarks.harness.made_images import class_numbers, noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import NETS, Case, Steps, measure_net
from benchmarks.harness.results import Figures
from benchmarks.harness.turns import PROJECT, Step
from benchmarks.peers import LEARNING_RATE, MOMENTUM, WEIGHT_DECAY
from learning.terminal.command import ScriptParser
from models.runtime.gpu import gpu_name

GOALS = {"float32": 1.1, "bfloat16": 1.3}  # ratio to the fastest peer
AVX2_GOAL = 1.05  # ratio to PyTorch in float32, on a processor with AVX2 and nothing newer
SMALL_NET_GOAL = 1.5  # for ResNet-20 in bfloat16
BATCH_SIZES = {"alexnet": (64, 128), "resnet50": (16, 32), "resnet18": (32,), "resnet20": (128,)}
DEFAULT_NETS = tuple(BATCH_SIZES)  # not alexnet-lrn: few people train the paper's AlexNet today
QUICK_NETS = ("resnet20",)


def run_config(case: Case, precision: str) -> Any:
    """Return the project's configuration of a case."""
    model = {"name": case.network, "precision": precision, "weight_decay": WEIGHT_DECAY}
    return project.run_config(
        model={**model, "options": dict(case.options)}, optimizer={"name": case.rule, "momentum": MOMENTUM}
    )


def _batch(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, side, side, 3) uint8 and class numbers (N,) int64."""
    return noise(case.batch_size, case.side), class_numbers(case.batch_size, case.num_classes)


def project_step(case: Case, precision: str) -> Step:
    """Return a step of the project's training loop."""
    return configured_step(case, run_config(case, precision))


def configured_step(case: Case, config: Any) -> Step:
    """Return a step of the project's training loop, given its configuration."""
    splits = case.splits()
    optimizer, sess = project.open_training(config, splits, case.threads)
    batch = splits.train.images, splits.train.labels
    return project.update_step(optimizer, sess, repeat(batch), LEARNING_RATE)


def torch_step(
    case: Case, precision: str, is_compiled: bool, wrap: Callable[[Any], Any] = lambda net: net
) -> Step:
    """Return a step of the training loop in PyTorch's documentation.

    :param wrap: function that returns the module to train, given the network.
    """
    torch, net = libraries.torch(case.threads), wrap(case.torch_net())
    from benchmarks.peers.torch_nets import training_update

    images, classes = map(torch.from_numpy, _batch(case))
    update = training_update(net, precision, nesterov=case.rule == "nesterov", is_compiled=is_compiled)

    def step() -> int:
        update(images, classes)
        return case.batch_size

    return step


def keras_step(case: Case, precision: str, onednn: bool) -> Step:
    """Return a step that calls `train_on_batch` of a compiled model."""
    libraries.tensorflow(case.threads, onednn=onednn)
    from benchmarks.peers.keras_nets import compile_training

    images, classes = _batch(case)
    model = case.keras_net(precision)
    compile_training(model, nesterov=case.rule == "nesterov")

    def step() -> int:
        model.train_on_batch(images, classes)
        return case.batch_size

    return step


STEPS: Steps = {PROJECT: project_step, "torch": torch_step, "keras": keras_step}


def cases(arguments: argparse.Namespace) -> Iterator[tuple[str, Case]]:
    """Yield the name and the case of each chosen network and batch size; --quick makes them tiny."""
    for name in arguments.nets or (QUICK_NETS if arguments.quick else DEFAULT_NETS):
        case = NETS[name]._replace(threads=arguments.threads)
        case = case.quick() if arguments.quick else case
        sizes = (case.batch_size,) if arguments.quick else BATCH_SIZES[case.network]
        for size in arguments.batch_size or sizes:
            yield name, case._replace(batch_size=size)


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure each case; a step has three times the products of a forward pass."""
    with_limit = not arguments.quick and gpu_name() is None  # the matrices are too small for a GPU
    ceilings = measure_ceilings(arguments.threads, precisions(arguments)) if with_limit else None
    figures: dict[str, Any] = {"ceiling_gflops": ceilings, "cases": []}
    for name, case in cases(arguments):
        about = {"net": name, "options": dict(case.options), "input_shape": [case.side, case.side, 3]}
        sizes = {"num_classes": case.num_classes, "batch_size": case.batch_size}
        title, gflop = f"{name}, {case.side} pixels, batch {case.batch_size}", 3 * case.size()[0]
        for precision, found in measure_net(STEPS, case, title, gflop, ceilings, arguments):
            figures["cases"].append({**about, **sizes, "precision": precision, **found})
            yield figures


def table(figures: Figures) -> str:
    """Return images/s of each step, its share of the limit, and the ratios to each peer's fastest setting."""
    peers = measured_peers(figures["cases"])
    header = ["net", "batch", "precision", "images/s", *(f"to {PEERS[peer]}" for peer in peers), "goal"]
    rows = []
    for case in figures["cases"]:
        what = [case["net"], f"{case['batch_size']}", case["precision"]]
        rows.append([*what, *beside_peers(case, peers, *_goal(figures, case))])
    return f"{ceilings_text(figures)}\n\n{markdown(header, rows)}"


def _goal(figures: Figures, case: Figures) -> tuple[float, str | None]:
    """Return the goal of a step, and the peer to which it is a ratio."""
    if case["precision"] == "float32" and newest_instructions(figures["environment"]) == "avx2":
        return AVX2_GOAL, fastest_of(case, "torch")
    is_small = case["net"] == "resnet20" and case["precision"] == "bfloat16"
    return (SMALL_NET_GOAL if is_small else GOALS[case["precision"]]), case["best_peer"]


def add_options(parser: ScriptParser) -> None:
    """Add the networks and --batch-size."""
    add_nets(parser, tuple(NETS))
    parser.add_argument(
        "--batch-size", type=count, nargs="+", metavar="N", help="images per step (default: by network)"
    )


main = Benchmark(
    "training", __doc__, steps, table, rounds=5, seconds=8.0, has_precision=True, add_options=add_options
)
