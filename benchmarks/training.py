"""Whole training steps: images/s of the project beside PyTorch and Keras, and the shares of the machine's limit.

    python -m benchmarks.training [MODEL ...] [--batch-size N ...] [--precision both] [--rounds 5] [--seconds 8]

A step takes a batch of bytes, (N, H, W, 3) uint8 in the host's memory, through preprocessing, network, loss,
gradients, weight decay, momentum and the statistics of the normalisations; it is always the same batch. The peers
are written as their documentation recommends: PyTorch in channels_last with the fused update, bfloat16 by autocast,
and each once more compiled; Keras on TensorFlow by `train_on_batch`, bfloat16 by its policy mixed_bfloat16, without
XLA, which is slower on a processor. What the project does in bfloat16 is held against the peers' best setting,
whatever its precision. Each pads as its users do: TensorFlow and Keras by SAME, PyTorch on all edges alike.

A step counts as three passes of multiply-adds: forward, and backward to the inputs and to the weights.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks import libraries
from benchmarks.ceiling import PRECISIONS, ceiling
from benchmarks.commands import conditions, keep, measurement_parser, parse_measurement
from benchmarks.figures import print_table, summary
from benchmarks.made import class_numbers, noise
from benchmarks.sides import PROJECT, Contestant, Step, measure
from datasets.dataset import DataSet
from datasets.splits import Splits
from learning.config import RunConfig
from learning.scripts import run_script

LEARNING_RATE = 1e-3  # the speed does not depend on it, but the loss must stay finite
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4  # on everything that is trained
MEAN = 0.5  # of the made pixels in [0, 1], which all subtract; in Keras the net does
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


SMALL = {"stages": (1, 1), "widths": (8, 16)}
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
QUICK_NETS = ("alexnet", "resnet20")


class Case(NamedTuple):
    """What all contestants of a measurement have in common."""

    network: str
    side: int
    num_classes: int
    batch_size: int
    rule: str
    options: Mapping[str, Any]
    threads: int  # of each library; 0 leaves the number to it

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, side, side, 3) uint8 and class numbers (N,) int64."""
        return noise(self.batch_size, self.side, seed=0), class_numbers(self.batch_size, self.num_classes)


def run_config(case: Case, precision: str) -> RunConfig:
    """The case as the project is told it."""
    return RunConfig.from_dict(
        {
            "model": {
                "name": case.network,
                "precision": precision,
                "weight_decay": WEIGHT_DECAY,
                "options": dict(case.options),
            },
            "optimizer": {"name": case.rule, "momentum": MOMENTUM},
        }
    )


def gflop_per_image(case: Case) -> float:
    """10^9 multiplications and additions that a training step needs for one image."""
    from learning.experiment import build_model
    from models.summary import layer_rows

    model = build_model(run_config(case, "float32"), (case.side, case.side, 3), case.num_classes)
    return 3 * 2 * sum(row.multiply_adds for row in layer_rows(model)) / 1e9


def project_step(case: Case, precision: str) -> Step:
    """The step of learning/training.py, with the same batch again and again."""
    from learning.experiment import build_training, open_session

    images, classes = case.batch()
    labels = np.eye(case.num_classes, dtype=np.uint8)[classes]
    names = tuple(f"class {number}" for number in range(case.num_classes))
    splits = Splits(DataSet(images, labels, crop_size=case.side), None, None, names, "made")
    optimizer = build_training(run_config(case, precision), splits)
    model = optimizer.model
    sess = open_session(model, case.threads)
    sess.run(optimizer.initialize)

    def step() -> int:
        feed = model.feed(images, labels, is_train=True)
        feed[optimizer.learning_rate_placeholder] = LEARNING_RATE
        sess.run([optimizer.optimize, model.loss, model.pred], feed)
        return case.batch_size

    return step


def torch_step(case: Case, precision: str, is_compiled: bool) -> Step:
    """The training loop of PyTorch's documentation."""
    torch = libraries.torch(case.threads)
    from benchmarks.torch_nets import build

    net: Any = build(case.network, case.side, case.num_classes, **case.options)
    net = net.to(memory_format=torch.channels_last)  # the types of torch lack `memory_format`
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        nesterov=case.rule == "nesterov",
        fused=True,
    )
    images, classes = map(torch.from_numpy, case.batch())

    def loss_of(images: Any, classes: Any) -> Any:
        x = images.permute(0, 3, 1, 2).float() / 255 - MEAN  # (N, 3, H, W), in memory channels_last
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(x)
        return torch.nn.functional.cross_entropy(logits.float(), classes)

    compute = torch.compile(loss_of) if is_compiled else loss_of

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        loss = compute(images, classes)
        loss.backward()
        optimizer.step()
        loss.item()
        return case.batch_size

    return step


def keras_step(case: Case, precision: str) -> Step:
    """`train_on_batch` of a compiled model."""
    libraries.tensorflow(case.threads)
    import keras

    from benchmarks.keras_nets import build

    images, classes = case.batch()
    with libraries.keras_policy(precision):
        model = build(case.network, case.side, case.num_classes, **case.options)
    model.compile(
        optimizer=keras.optimizers.SGD(
            LEARNING_RATE, momentum=MOMENTUM, nesterov=case.rule == "nesterov", weight_decay=WEIGHT_DECAY
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )

    def step() -> int:
        model.train_on_batch(images, classes)
        return case.batch_size

    return step


def contestants(case: Case, precision: str, *, compiled: bool) -> dict[str, Contestant]:
    """The project in `precision`, and the peers in all that may be faster.

    :param compiled: whether PyTorch takes part compiled, too.
    """
    found = {PROJECT: Contestant(project_step, (case, precision))}
    for other in ["float32"] if precision == "float32" else PRECISIONS:
        found[f"torch {other}"] = Contestant(torch_step, (case, other, False))
        if compiled:
            found[f"torch {other} compiled"] = Contestant(torch_step, (case, other, True))
        found[f"keras {other}"] = Contestant(keras_step, (case, other))
    return found


def limits(names: list[str], precision: str, ceilings: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """GFLOP/s that each contestant can reach at most: the best of any library in the precision of its products.

    :param names: as `contestants` gives them.
    :param precision: the project's.
    :param ceilings: as `ceiling` gives them.
    """
    best = {which: max(found.values()) for which, found in ceilings.items()}
    return {name: best[precision if name == PROJECT else name.split()[1]] for name in names}


def measure_case(
    case: Case,
    precision: str,
    arguments: argparse.Namespace,
    ceilings: Mapping[str, Mapping[str, float]] | None,
) -> dict[str, Any]:
    """The figures of one measurement, ready for JSON."""
    rates, failures = measure(
        contestants(case, precision, compiled=not arguments.quick),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_steps=1 if arguments.quick else 3,
        in_processes=not arguments.quick,
    )
    shares = None if ceilings is None else limits(list(rates), precision, ceilings)
    return {
        "network": case.network,
        "options": dict(case.options),
        "input_shape": [case.side, case.side, 3],
        "num_classes": case.num_classes,
        "batch_size": case.batch_size,
        "precision": precision,
        **summary(rates, failures, gflop_per_image(case), shares),
    }


def cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """What was asked for, in that order; with --quick at toy size, on as many threads as the libraries like."""
    for name in arguments.models or (QUICK_NETS if arguments.quick else DEFAULT_NETS):
        net = NETS[name]
        sizes, side, options, threads = net.batch_sizes, net.side, net.options, arguments.threads
        if arguments.quick:
            sizes, side, options, threads = (QUICK_BATCH,), net.quick_side, net.quick_options, 0
        for batch_size in arguments.batch_size or sizes:
            yield Case(net.network, side, net.num_classes, batch_size, net.rule, options, threads)


def _model(name: str) -> str:
    if name not in NETS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(NETS)}")
    return name


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("training", str(__doc__), rounds=5, seconds=8.0)
    parser.add_argument(
        "models",
        nargs="*",
        type=_model,
        metavar="MODEL",
        help=f"of {', '.join(NETS)} (default: the first four; with --quick alexnet and resnet20)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        nargs="+",
        metavar="N",
        help="images in a step (default: depends on the model)",
    )
    parser.add_argument(
        "--precision", choices=(*PRECISIONS, "both"), default="both", help="of the project (default: both)"
    )
    arguments = parse_measurement(parser)
    if arguments.batch_size and min(arguments.batch_size) < 1:
        parser.error(f"--batch-size is {min(arguments.batch_size)}; give 1 or more")
    return arguments


def main() -> None:
    """Measure case by case, and print and keep what was found so far."""
    arguments = parse()
    figures: dict[str, Any] = {**conditions(arguments), "ceiling_gflops": None, "cases": []}
    if not arguments.quick:
        figures["ceiling_gflops"] = ceiling(arguments.threads)
    for one in cases(arguments):
        for precision in PRECISIONS if arguments.precision == "both" else [arguments.precision]:
            title = f"{one.network}, {one.side} pixels, batch {one.batch_size}, {precision}"
            print(title, flush=True)
            found = measure_case(one, precision, arguments, figures["ceiling_gflops"])
            print_table(f"Training step of {title}", found)
            figures["cases"].append(found)
            keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
