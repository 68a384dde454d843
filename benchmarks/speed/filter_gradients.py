"""Which computes the gradient of a convolution's filters faster: TensorFlow's kernel or matrix products?

The convolutions are those of AlexNet and the ResNets, at the batch sizes of the training steps. Both methods take
turns in one session. The shortest time of each counts, because other work can only make it longer. The rule in
`models.graph.filter_gradients.products_pay` was derived from such a table.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.harness import project
from benchmarks.harness.benchmark import Benchmark, precisions
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures

WAYS = ("forward", "kernel", "products")
REPEATS = 3  # of an operation in one run of the session


class Shape(NamedTuple):
    """A convolution with SAME padding."""

    batch_size: int
    side: int  # of the image, pixels
    inputs: int
    outputs: int
    filter_side: int = 3
    stride: int = 1

    def gflop(self) -> float:
        """Return 10^9 multiplications and additions of either method."""
        pixels = self.batch_size * (-(-self.side // self.stride)) ** 2
        return 2 * pixels * self.filter_side**2 * self.inputs * self.outputs / 1e9

    def texts(self) -> tuple[str, str]:
        """Return texts such as "128 x 32x32x16" and "3x3, 64 channels, stride 2"."""
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        images = f"{self.batch_size} x {self.side}x{self.side}x{self.inputs}"
        return images, f"{self.filter_side}x{self.filter_side}, {self.outputs} channels{stride}"


SHAPES = (
    Shape(128, 32, 16, 16),  # ResNet-20
    Shape(128, 16, 32, 32),
    Shape(128, 8, 64, 64),
    Shape(128, 16, 32, 64, stride=2),
    Shape(64, 27, 96, 256, filter_side=5),  # AlexNet
    Shape(64, 13, 256, 384),
    Shape(64, 13, 384, 384),
    *(
        Shape(32, side, width, width) for side, width in ((56, 64), (28, 128), (14, 256), (7, 512))
    ),  # ResNet-18
    *(Shape(32, side, width, 2 * width, stride=2) for side, width in ((56, 64), (28, 128), (14, 256))),
    *(
        Shape(16, side, 4 * width, width, filter_side=1)  # ResNet-50
        for side, width in ((56, 64), (28, 128), (14, 256), (7, 512))
    ),
    Shape(16, 14, 1024, 2048, filter_side=1, stride=2),
    Shape(16, 14, 512, 512, stride=2),
)
QUICK_SHAPES = (Shape(2, 7, 32, 128), Shape(2, 8, 32, 128, stride=2))


def least_times(shape: Shape, precision: str, rounds: int, threads: int) -> dict[str, float]:
    """Return the milliseconds of the forward pass and of both methods, and whether the layers use the products."""
    from models.graph.filter_gradients import filter_gradient, products_pay

    tf, v1 = project.graph_mode()
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
    with v1.Session(graph=graph, config=_config(v1, threads)) as sess:
        sess.run(initialize)
        return _race(sess, operations, rounds) | {"taken": taken}


def _config(v1: Any, threads: int) -> Any:
    """Return a session configuration without graph optimization, which would compute the repeats only once."""
    options = v1.GraphOptions(optimizer_options=v1.OptimizerOptions(opt_level=v1.OptimizerOptions.L0))
    options.rewrite_options.disable_meta_optimizer = True
    return v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1, graph_options=options
    )


def _in_a_row(tf: Any, make: Callable[[], Any]) -> Any:
    """Return the operation several times in a row, each after the one before."""
    done: list[Any] = []
    for _ in range(REPEATS):
        with tf.control_dependencies(done):
            done = [make()]
    return done[0].op


def _race(sess: Any, operations: dict[str, Any], rounds: int) -> dict[str, float]:
    """Return the shortest milliseconds of each operation; an extra first round does not count."""
    least = dict.fromkeys(operations, float("inf"))
    for number in range(rounds + 1):
        for name, operation in operations.items():
            start = time.perf_counter()
            sess.run(operation)
            elapsed = 1000 * (time.perf_counter() - start) / REPEATS
            least[name] = min(least[name], elapsed) if number else least[name]
    return least


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure each shape in every precision."""
    rows: list[dict[str, Any]] = []
    for precision in precisions(arguments):
        for shape in QUICK_SHAPES if arguments.quick else SHAPES:
            print(f"{precision}: {', '.join(shape.texts())}", flush=True)
            times = least_times(shape, precision, arguments.rounds, arguments.threads)
            rows.append({"precision": precision, "shape": list(shape), "gflop": shape.gflop(), **times})
            yield {"rows": rows}


def table(figures: Figures) -> str:
    """Return the times of each shape, the speed-up by the products, and whether the layers use them."""
    rows = []
    for row in figures["rows"]:
        times = [f"{row[way]:.2f}" for way in WAYS]
        gain, taken = f"{row['kernel'] / row['products']:.2f}", "yes" if row["taken"] else ""
        rows.append([row["precision"], *Shape(*row["shape"]).texts(), *times, gain, taken])
    times = [f"{way}, ms" for way in WAYS]
    return markdown(["precision", "images", "filter", *times, "speed-up", "used"], rows)


main = Benchmark("filter_gradients", __doc__, steps, table, rounds=9, has_precision=True)
