"""How fast is a training step beside PyTorch and Keras, and how near to the limit of the machine?

A step takes a batch of bytes, (N, H, W, 3) uint8 in the host's memory, through preprocessing, network, loss,
gradients, weight decay, momentum and the statistics of the normalisations; the batch is always the same. PyTorch
uses channels_last, the fused update and autocast for bfloat16, once compiled and once not, on the system's
allocator (its guide calls jemalloc and TCMalloc faster, which are not part of it). Keras uses `train_on_batch` and
the policy mixed_bfloat16 without XLA, with TensorFlow's kernels as installed and, where these are not oneDNN's,
once more with oneDNN switched on. In bfloat16 the project is compared with the best setting of the peers in any
precision. Each pads as its users do: TensorFlow and Keras by SAME, PyTorch equally on all edges.

A step counts as three passes of multiply-adds: forward, and backward to the inputs and to the weights.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import numpy as np

from benchmarks.harness import hardware, libraries, project
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

GOALS = {"float32": 1.1, "bfloat16": 1.3}  # of the ratio to the fastest peer
AVX2_GOAL = 1.05  # of the ratio to PyTorch in float32, on a processor with AVX2 and nothing newer
SMALL_NET_GOAL = 1.5  # of ResNet-20 in bfloat16
BATCH_SIZES = {"alexnet": (64, 128), "resnet50": (16, 32), "resnet18": (32,), "resnet20": (128,)}
DEFAULT_NETS = tuple(BATCH_SIZES)  # few train the paper's AlexNet today
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
    """Return the step of the project's training loop."""
    return configured_step(case, run_config(case, precision))


def configured_step(case: Case, config: Any) -> Step:
    """Return the step of the project's training loop with a configuration of its own."""
    splits = case.splits()
    optimizer, sess = project.open_training(config, splits, case.threads)
    batch = splits.train.images, splits.train.labels
    return project.update_step(optimizer, sess, repeat(batch), LEARNING_RATE)


def torch_step(
    case: Case, precision: str, is_compiled: bool, wrap: Callable[[Any], Any] = lambda net: net
) -> Step:
    """Return the step of the training loop in PyTorch's documentation.

    :param wrap: returns the module to train, given the network.
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
    """Return `train_on_batch` of a compiled model."""
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
    """Yield the chosen networks by name in every batch size; with --quick at toy size."""
    for name in arguments.nets or (QUICK_NETS if arguments.quick else DEFAULT_NETS):
        case = NETS[name]._replace(threads=arguments.threads)
        case = case.quick() if arguments.quick else case
        sizes = (case.batch_size,) if arguments.quick else BATCH_SIZES[case.network]
        for size in arguments.batch_size or sizes:
            yield name, case._replace(batch_size=size)


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure case by case; a step is the forward pass, and twice its products backward."""
    with_limit = not arguments.quick and hardware.gpu() is None  # the product is too small for a GPU
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
    """Return images/s of the steps with their share of the limit, and the ratios to the fastest of each peer."""
    peers = measured_peers(figures["cases"])
    header = ["net", "batch", "precision", "images/s", *(f"to {PEERS[peer]}" for peer in peers), "goal"]
    rows = []
    for case in figures["cases"]:
        what = [case["net"], f"{case['batch_size']}", case["precision"]]
        rows.append([*what, *beside_peers(case, peers, *_goal(figures, case))])
    return f"{ceilings_text(figures)}\n\n{markdown(header, rows)}"


def _goal(figures: Figures, case: Figures) -> tuple[float, str | None]:
    """Return the goal of a step, and the peer that it is a ratio to."""
    if case["precision"] == "float32" and newest_instructions(figures["environment"]) == "avx2":
        return AVX2_GOAL, fastest_of(case, "torch")
    is_small = case["net"] == "resnet20" and case["precision"] == "bfloat16"
    return (SMALL_NET_GOAL if is_small else GOALS[case["precision"]]), case["best_peer"]


def add_options(parser: ScriptParser) -> None:
    """Add the networks and --batch-size."""
    add_nets(parser, tuple(NETS))
    parser.add_argument(
        "--batch-size", type=count, nargs="+", metavar="N", help="images in a step (default: the network's)"
    )


main = Benchmark(
    "training", __doc__, steps, table, rounds=5, seconds=8.0, has_precision=True, add_options=add_options
)
