"""Write an ONNX file: for onnxruntime and every program that reads the format."""

import json
from pathlib import Path
from typing import Any

from learning.export.contents import Contents
from learning.export.inference_graph import IMAGES, PROBABILITIES
from learning.export.quiet import without_notes

FILE = "model.onnx"
OPSET = 17  # onnxruntime 1.12 and later


def write(contents: Contents, folder: Path) -> None:
    """Write model.onnx in `folder`.

    It takes `images`, uint8 (N, H, W, C), and gives `probabilities`, float32 (N, K). Its metadata is what
    `Contents.described` returns, each value as JSON; `class_names` is a list.
    """
    import onnx
    from tf2onnx import convert

    names = (IMAGES, PROBABILITIES)
    with without_notes(native=True):
        model, _ = convert.from_graph_def(
            contents.graph,
            input_names=[f"{IMAGES}:0"],
            output_names=[f"{PROBABILITIES}:0"],
            opset=OPSET,
        )
    for name in names:
        _rename(model.graph, f"{name}:0", name)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.helper.set_model_props(
        model, {name: json.dumps(value, ensure_ascii=False) for name, value in contents.described().items()}
    )
    onnx.save(model, folder / FILE)


def _rename(graph: Any, old: str, new: str) -> None:
    """Rename a tensor wherever it stands in an ONNX graph."""
    for value in (*graph.input, *graph.output):
        value.name = new if value.name == old else value.name
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
