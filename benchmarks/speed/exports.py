"""How fast are exports of EfficientNet-Lite0 compared with predict.py, for 1 and 32 images, and how large are they?

All contestants read generated images of 256x256 bytes from memory, of which the network sees the centre. The
project runs `ConvNet.predict`, as in predict.py; the SavedModel runs in a TensorFlow session, the floating-point
and the integer TFLite file in LiteRT, and the ONNX file in onnxruntime. The floating-point probabilities must
agree.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, measure_as_asked
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures, rate, ratio_text, summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from benchmarks.speed.features import Work, differences, in_batches, saving_step
from datasets.augment.windows import center_window
from datasets.dataset import DataSet

NUM_CLASSES = 1000
BATCH_SIZES = (1, 32)
Predict = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, 3) uint8 -> probabilities (N, 1000)
QUICK = Work("smallnet", num_images=3, image_side=20, side=16)


def by_project(work: Work, folder: Path) -> Predict:
    """Predict with `ConvNet.predict` and folded batch norm, as predict.py does for many images."""
    model, sess = work.open_network()
    sess = model.session_for(sess, 10**6)

    def predict(images: np.ndarray) -> np.ndarray:
        dataset = DataSet(images, crop_size=work.side)
        return model.predict(sess, dataset, batch_size=len(images), augment_pred=False)

    return predict


def by_saved_model(work: Work, folder: Path) -> Predict:
    """Predict in a TensorFlow session."""
    _, v1 = project.graph_mode()
    config = v1.ConfigProto(
        intra_op_parallelism_threads=work.threads, inter_op_parallelism_threads=work.threads
    )
    sess = v1.Session(graph=v1.Graph(), config=config)
    with sess.graph.as_default():
        v1.saved_model.load(sess, ["serve"], str(folder / "saved_model"))
    return lambda images: sess.run("probabilities:0", {"images:0": images})


def by_tflite(work: Work, folder: Path, name: str) -> Predict:
    """Predict in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    path = str(folder / name / "model.tflite")
    interpreter = Interpreter(model_path=path, num_threads=work.threads or None)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape: tuple[int, ...] = ()

    def predict(images: np.ndarray) -> np.ndarray:
        nonlocal shape
        if images.shape != shape:
            shape = images.shape
            interpreter.resize_tensor_input(source["index"], shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return predict


def by_onnxruntime(work: Work, folder: Path) -> Predict:
    """Predict in onnxruntime."""
    sess = libraries.onnxruntime_session(folder / "onnx" / "model.onnx", work.threads)
    return lambda images: sess.run(["probabilities"], {"images": images})[0]


WAYS: Mapping[str, tuple[Callable[..., Predict], tuple[str, ...]]] = {
    PROJECT: (by_project, ()),
    "saved_model": (by_saved_model, ()),
    "tflite": (by_tflite, ("tflite",)),
    "tflite-int8": (by_tflite, ("tflite-int8",)),
    "onnx": (by_onnxruntime, ()),
}


def write_exports(work: Work, folder: Path) -> None:
    """Write each export to a folder with its name. They are not checked, because `steps` compares their answers."""
    model, sess = work.open_network()
    from learning.export.contents import Contents, Quantization
    from learning.export.formats import onnx_file, saved_model, tflite_file
    from learning.export.inference_graph import inference_graph

    sides = (work.image_side, work.image_side)
    windows = center_window(*sides, work.side)
    graph = inference_graph(model, sess, sides, windows)
    numbers = Contents(graph, tuple(map(str, range(NUM_CLASSES))), (*sides, 3), "crop", 1)
    graph = inference_graph(model, sess, sides, windows, dtype=project.graph_mode()[0].float32)
    integers = numbers._replace(quantization=Quantization(graph, work.images()[:8]))
    writers = {"saved_model": saved_model, "tflite": tflite_file, "onnx": onnx_file}
    for name in set(WAYS) - {PROJECT}:
        (folder / name).mkdir()
        writers[name.removesuffix("-int8")].write(integers if "int8" in name else numbers, folder / name)


def step_of(name: str, batch_size: int, work: Work, folder: Path) -> Step:
    """Return a step that predicts all images, after saving the probabilities in `folder` once."""
    build, setting = WAYS[name]
    predict = build(work, folder, *setting)
    predict_all = partial(in_batches, predict, batch_size=batch_size)
    return saving_step(predict_all, work.images(), folder / f"{name}-{batch_size}")


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure each batch size, and compare the probabilities of each format with the project's."""
    work = QUICK if arguments.quick else Work(num_images=64, image_side=256, threads=arguments.threads)
    figures: dict[str, Any] = {"work": work._asdict(), "batches": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_exports(work, folder)
        figures["bytes"] = {
            path.name: sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            for path in sorted(folder.iterdir())
        }
        for batch_size in BATCH_SIZES:
            contestants = {way: Contestant(step_of, (way, batch_size, work, folder)) for way in WAYS}
            rates, failures = measure_as_asked(contestants, arguments, warm_steps=0)
            exact = [way for way in rates if "int8" not in way]
            apart = differences({way: np.load(folder / f"{way}-{batch_size}.npy") for way in exact})
            figures["batches"][str(batch_size)] = {**summary(rates, failures), "differences": apart}
            yield figures


def table(figures: Figures) -> str:
    """Return each format's size, its images/s, and their ratio to the project's."""
    rows = []
    for way in WAYS:
        size = figures["bytes"].get(way)
        row = ["`predict.py`" if way == PROJECT else way, "" if size is None else f"{size / 1e6:.1f}"]
        for found in figures["batches"].values():
            known = found["images_per_second"]
            row.append(rate(known[way]) if way in known else "left out")
            row.append("" if way == PROJECT else ratio_text(found["rates"], PROJECT, way))
        rows.append(row)
    header = ["format", "MB"]
    for batch_size in figures["batches"]:
        header += [f"images/s, {batch_size} at a time", "to `predict.py`"]
    return markdown(header, rows)


main = Benchmark("exports", __doc__, steps, table, rounds=5, seconds=5.0)
