"""The gradient of a convolution's filters, shape by shape: TensorFlow's kernel against matrix products.

    python -m benchmarks.speed.filter_gradients [--rounds 9] [--threads N] [--output FILE]

Convolutions of AlexNet and of the ResNets at the batch sizes of benchmarks/training, in each precision that the
processor does not emulate. The two ways take turns in one session; the least time of each counts, since nothing but
other work makes it longer. `models.filter_gradients.products_pay` was drawn from such tables.
"""

import argparse
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.harness.commands import (
    add_precision,
    conditions,
    keep,
    measurement_parser,
    parse_measurement,
    precisions,
)
from learning.terminal.command import run_script

WAYS = ("forward", "kernel", "products")
COLUMNS = ("precision", "images", "filter", *(f"{way}, ms" for way in WAYS), "gain", "taken")
REPEATS = 3  # of an operation in one run of the session


class Shape(NamedTuple):
    """One convolution, SAME padding."""

    batch_size: int
    side: int  # of the image, pixels
    inputs: int
    outputs: int
    filter_side: int = 3
    stride: int = 1


SHAPES = (
    Shape(128, 32, 16, 16),  # ResNet-20
    Shape(128, 16, 32, 32),
    Shape(128, 8, 64, 64),
    Shape(128, 16, 32, 64, stride=2),
    Shape(64, 27, 96, 256, filter_side=5),  # AlexNet
    Shape(64, 13, 256, 384),
    Shape(64, 13, 384, 384),
    Shape(32, 56, 64, 64),  # ResNet-18
    Shape(32, 28, 128, 128),
    Shape(32, 14, 256, 256),
    Shape(32, 7, 512, 512),
    Shape(32, 56, 64, 128, stride=2),
    Shape(32, 28, 128, 256, stride=2),
    Shape(32, 14, 256, 512, stride=2),
    Shape(16, 56, 256, 64, filter_side=1),  # ResNet-50
    Shape(16, 28, 512, 128, filter_side=1),
    Shape(16, 14, 1024, 256, filter_side=1),
    Shape(16, 7, 2048, 512, filter_side=1),
    Shape(16, 14, 1024, 2048, filter_side=1, stride=2),
    Shape(16, 14, 512, 512, stride=2),
)
QUICK_SHAPES = (Shape(2, 7, 32, 128), Shape(2, 8, 32, 128, stride=2))


def gflop(shape: Shape) -> float:
    """10^9 multiplications and additions of one of the ways."""
    pixels = shape.batch_size * (-(-shape.side // shape.stride)) ** 2
    return 2 * pixels * shape.filter_side**2 * shape.inputs * shape.outputs / 1e9


def least_times(shape: Shape, precision: str, rounds: int, threads: int) -> dict[str, float]:
    """Milliseconds of the forward pass and of both ways; and `taken`: whether the layers take the products."""
    from learning.machine.session import tf, v1
    from models.filter_gradients import filter_gradient, products_pay

    dtype, stride = tf.dtypes.as_dtype(precision), shape.stride
    out_side = -(-shape.side // stride)
    sizes = {
        "x": [shape.batch_size, shape.side, shape.side, shape.inputs],
        "upstream": [shape.batch_size, out_side, out_side, shape.outputs],
        "filters": [shape.filter_side, shape.filter_side, shape.inputs, shape.outputs],
    }
    with tf.Graph().as_default() as graph:
        x, upstream, filters = (
            v1.get_variable(name, size, dtype, v1.ones_initializer(), use_resource=True)
            for name, size in sizes.items()
        )
        ways = {
            "forward": lambda: tf.nn.conv2d(tf.identity(x), tf.identity(filters), stride, "SAME"),
            "kernel": lambda: tf.raw_ops.Conv2DBackpropFilter(
                input=tf.identity(x),
                filter_sizes=sizes["filters"],
                out_backprop=tf.identity(upstream),
                strides=[1, stride, stride, 1],
                padding="SAME",
            ),
            "products": lambda: filter_gradient(
                tf.identity(x), tf.identity(upstream), shape.filter_side, stride, "SAME"
            ),
        }
        operations = {name: _in_a_row(tf, make) for name, make in ways.items()}
        taken = products_pay(tf.identity(x), tf.identity(filters), stride, "SAME")
        initialize = v1.global_variables_initializer()
    # The optimizer of graphs would see that the repeats are alike, and compute one of them.
    options = v1.GraphOptions(optimizer_options=v1.OptimizerOptions(opt_level=v1.OptimizerOptions.L0))
    options.rewrite_options.disable_meta_optimizer = True
    config = v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1, graph_options=options
    )
    with v1.Session(graph=graph, config=config) as sess:
        sess.run(initialize)
        return _race(sess, operations, rounds) | {"taken": taken}


def _in_a_row(tf: Any, make: Any) -> Any:
    """The operation several times, each after the one before."""
    done: list[Any] = []
    for _ in range(REPEATS):
        with tf.control_dependencies(done):
            done = [make()]
    return done[0].op


def _race(sess: Any, operations: dict[str, Any], rounds: int) -> dict[str, float]:
    """The least milliseconds of each; one round more, which is not counted, comes first."""
    least = dict.fromkeys(operations, float("inf"))
    for number in range(rounds + 1):
        for name, operation in operations.items():
            start = time.perf_counter()
            sess.run(operation)
            elapsed = 1000 * (time.perf_counter() - start) / REPEATS
            least[name] = min(least[name], elapsed) if number else least[name]
    return least


def print_rows(rows: list[dict[str, Any]]) -> None:
    """The result for people."""
    table = Table(title="gradient of the filters")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("precision", "taken") else "right")
    for row in rows:
        table.add_row(*texts(row))
    Console().print(table)


def texts(row: dict[str, Any]) -> list[str]:
    """A row of `measure_all` for people, by COLUMNS."""
    shape = Shape(*row["shape"])
    times = [f"{row[way]:.2f}" for way in WAYS]
    gain, taken = f"{row['kernel'] / row['products']:.2f}", "yes" if row["taken"] else ""
    return [row["precision"], images_text(shape), filter_text(shape), *times, gain, taken]


def images_text(shape: Shape) -> str:
    """128 x 32x32x16."""
    return f"{shape.batch_size} x {shape.side}x{shape.side}x{shape.inputs}"


def filter_text(shape: Shape) -> str:
    """3x3, 64 channels, stride 2."""
    stride = f", stride {shape.stride}" if shape.stride > 1 else ""
    return f"{shape.filter_side}x{shape.filter_side}, {shape.outputs} channels{stride}"


def measure_all(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for every shape and precision."""
    rows = []
    for precision in precisions(arguments):
        for shape in QUICK_SHAPES if arguments.quick else SHAPES:
            print(f"{precision}: {images_text(shape)}, {filter_text(shape)}", flush=True)
            times = least_times(shape, precision, arguments.rounds, arguments.threads)
            rows.append({"precision": precision, "shape": list(shape), "gflop": gflop(shape), **times})
    return rows


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    parser = measurement_parser("filter_gradients", str(__doc__), rounds=9)
    add_precision(parser)
    arguments = parse_measurement(parser)
    figures = conditions(arguments)
    figures["rows"] = measure_all(arguments)
    print_rows(figures["rows"])
    keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
