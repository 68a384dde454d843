"""Print the layers of a network: `python -m models.summary resnet50 --input 224x224x3 --classes 1000`.

Layers, output shapes, parameters and multiply-adds are read from the graph, so this works for your own network too.
Multiply-adds are counted as in the papers, for one image, forward: convolutions and fully connected layers,
without normalisation, biases, activations and pooling.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from models.catalogue import MODELS, ModelEntry, check_options, model_class, model_path
from models.runtime.tensorflow_import import importing_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf

    from models.convnet import ConvNet

# Operations between a variable and its use, and which of their inputs comes from the variable.
PASSING = {"ReadVariableOp": 0, "Switch": 0, "Cast": 0, "BroadcastTo": 0, "Identity": 0, "Split": 1}
CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2dNative"})
POOLS = frozenset({"MaxPool", "AvgPool"})


class LayerRow(NamedTuple):
    """One variable scope or pooling layer."""

    name: str  # the scope, or the name of a pooling layer in `model.d`
    output_shape: tuple[int | None, ...]  # without the batch: (H, W, C) or (D,)
    parameters: int  # trainable
    statistics: int  # not trainable: moving averages, preprocessing
    multiply_adds: int  # for one image, forward


def layer_rows(model: ConvNet) -> list[LayerRow]:
    """Return the layers from the images to the logits, in the order of the graph; all tensors are (N, H, W, C).

    A layer's output is that of the last operation on one of its variables, hence before the activation. Operations
    in the branches of a `tf.cond` belong to the layer whose variables they take, and are not counted. Nor are those
    whose shapes are unknown before the graph runs.
    """
    scopes = {v.op.name: v.op.name.rpartition("/")[0] or v.op.name for v in model.variables}
    names = {tensor.op.name: name for name, tensor in model.d.items()}
    shapes: dict[str, tuple[int | None, ...]] = {}
    multiply_adds: Counter[str] = Counter()
    for op in _operations(model):
        scope = next((scopes[name] for name in map(_source, op.inputs) if name in scopes), None)
        if scope is None and op.type not in CONVOLUTIONS | {"MatMul"} and not _is_pool(op):
            continue
        name = scope or names.get(op.name, op.name)
        shape = op.outputs[0].shape
        shapes[name] = () if shape.rank is None else tuple(shape.as_list()[1:])
        multiply_adds[name] += _multiply_adds(op)
    trained = {v.op.name for v in model.trainable_variables}
    parameters: Counter[str] = Counter()
    statistics: Counter[str] = Counter()
    for variable in model.variables:
        counted = parameters if variable.op.name in trained else statistics
        counted[scopes[variable.op.name]] += variable.shape.num_elements()
    unused = [scope for scope in dict.fromkeys(scopes.values()) if scope not in shapes]
    return [
        LayerRow(name, shapes.get(name, ()), parameters[name], statistics[name], multiply_adds[name])
        for name in (*shapes, *unused)
    ]


def _operations(model: ConvNet) -> list[tf.Operation]:
    """Return the operations that the logits are computed from, in order of creation."""
    from models.graph.building import operations_behind  # imports TensorFlow

    found = {op.name for op in operations_behind(model.logits)}
    return [op for op in model.graph.get_operations() if op.name in found and op.type not in PASSING]


def _source(tensor: tf.Tensor) -> str:
    """Return the name of the operation behind `tensor`; for a variable's value, the variable's name."""
    op = tensor.op
    while op.type in PASSING:
        op = op.inputs[PASSING[op.type]].op
    return op.name


def _is_pool(op: tf.Operation) -> bool:
    """Return whether `op` pools over windows, or globally: a mean of (N, H, W, C) that gives (N, C)."""
    is_global = op.type == "Mean" and (op.inputs[0].shape.rank, op.outputs[0].shape.rank) == (4, 2)
    return op.type in POOLS or is_global


def _multiply_adds(op: tf.Operation) -> int:
    """Return H' * W' * fh * fw * ic * oc of a convolution or D * out of a matrix product, for one image."""
    if op.type not in CONVOLUTIONS | {"MatMul"}:
        return 0
    positions = op.outputs[0].shape[1:3].num_elements() if op.type in CONVOLUTIONS else 1
    return (positions or 0) * (op.inputs[1].shape.num_elements() or 0)


def format_table(rows: Sequence[LayerRow]) -> str:
    """Return the rows as text, with a heading and the totals."""
    lines = [("layer", "output", "parameters", "multiply-adds")]
    for row in rows:
        shape = "x".join("?" if size is None else str(size) for size in row.output_shape)
        lines.append((row.name, shape, f"{row.parameters + row.statistics:,}", f"{row.multiply_adds:,}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        f"{name:<{widths[0]}}  {shape:>{widths[1]}}  {count:>{widths[2]}}  {work:>{widths[3]}}"
        for name, shape, count, work in lines
    ]
    trained, other = sum(row.parameters for row in rows), sum(row.statistics for row in rows)
    totals = [
        f"parameters: {trained + other:,} ({trained:,} trainable, {other:,} not)",
        f"multiply-adds of one image, forward: {sum(row.multiply_adds for row in rows):,}",
    ]
    return "\n".join([table[0], "-" * len(table[0]), *table[1:], "-" * len(table[0]), *totals])


def layer_names(model: ConvNet) -> str:
    """Return a text with the names of `model.d`, which may differ from the layers' scopes."""
    from models.graph.building import names_behind  # imports TensorFlow

    names = ", ".join(names_behind(model.d, model.images))
    return textwrap.fill(
        f"tensors for predict.py --layer, from the first to the last: {names}",
        width=100,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.split("x")
    if len(sizes) != 3 or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HEIGHTxWIDTHxCHANNELS; give 224x224x3, for example"
        )
    return tuple(map(int, sizes))


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE; give shortcut=A, for example")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"the value in {text!r} is not YAML") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of classes, 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.summary",
        usage=argparse.SUPPRESS,  # so that an error is one line
        description="Print the layers, parameters and multiply-adds of MODEL.",
    )
    parser.add_argument("model", metavar="MODEL", help=f"{', '.join(MODELS)}, or your own: my_nets.MyNet")
    parser.add_argument(
        "--input", type=_shape, metavar="HxWxC", help="input shape (default: 224x224x3, or the net's own)"
    )
    parser.add_argument(
        "--classes", type=_positive, metavar="K", help="number of classes (default: 1000, or 10)"
    )
    parser.add_argument(
        "--option", type=_option, metavar="KEY=VALUE", action="append", default=[],
        help="option of the model, in YAML (stages=[1,1,1,1]); may be given several times",
    )  # fmt: skip
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, build, print. Exit with 2 and one line on stderr if the network cannot be built."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = _parser()
    args = parser.parse_args(arguments)
    entry = MODELS.get(args.model, ModelEntry(args.model))
    try:
        model_path(args.model)  # a misspelt name is found before TensorFlow is imported
        with importing_tensorflow():
            tensorflow = importlib.import_module("tensorflow")
            tensorflow.config.list_physical_devices()  # as learning.machine.session does
        network, options = model_class(args.model), dict(args.option)
        check_options(network, options)
        with tensorflow.Graph().as_default():
            model = network(args.input or entry.input_shape, args.classes or entry.num_classes, **options)
    except (TypeError, ValueError) as error:
        parser.error(str(error).splitlines()[0])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have letters that the stream lacks
    if sys.stdout is not None:
        sys.stdout.write(f"{format_table(layer_rows(model))}\n{layer_names(model)}\n")


if __name__ == "__main__":
    main()
