"""How fast are exports of EfficientNet-Lite0 beside predict.py, one image and 32 at a time, and how large are they?

All take made images of bytes in memory, 256x256, of which the network sees the centre: the project by
`ConvNet.predict`, as in predict.py, the SavedModel in a session of TensorFlow, the TFLite files in LiteRT, with
numbers and with integers alone, the ONNX file in onnxruntime. The probabilities of those with numbers must agree.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import project
from benchmarks.harness.benchmark import Benchmark, measure_as_asked
from benchmarks.harness.made_images import noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures, rate, ratios, spread, spread_of, summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from datasets.augment.windows import center_window
from datasets.dataset import DataSet

TOLERANCE = 1e-3  # of a probability
NUM_CLASSES = 1000
BATCH_SIZES = (1, 32)
Predict = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, 3) uint8 -> probabilities (N, 1000)


class Work(NamedTuple):
    """What all contestants share."""

    network: str = "efficientnet-lite0"
    num_images: int = 64
    image_side: int = 256  # pixels
    side: int = 224  # of the crop
    threads: int = 0  # of each library; 0 leaves the number to it

    def images(self) -> np.ndarray:
        """Return (N, image_side, image_side, 3) uint8."""
        return noise(self.num_images, self.image_side)


QUICK = Work(network="smallnet", num_images=3, image_side=20, side=16)


def by_project(work: Work, folder: Path) -> Predict:
    """Predict by `ConvNet.predict` with batch norm folded, as predict.py does for many images."""
    model, sess = _network(work)
    sess = model.session_for(sess, 10**6)

    def predict(images: np.ndarray) -> np.ndarray:
        dataset = DataSet(images, crop_size=work.side)
        return model.predict(sess, dataset, batch_size=len(images), augment_pred=False)

    return predict


def by_saved_model(work: Work, folder: Path) -> Predict:
    """Predict in a session of TensorFlow."""
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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = work.threads
    path, providers = folder / "onnx" / "model.onnx", ["CPUExecutionProvider"]
    sess = onnxruntime.InferenceSession(path, options, providers=providers)
    return lambda images: sess.run(["probabilities"], {"images": images})[0]


WAYS: Mapping[str, tuple[Callable[..., Predict], tuple[str, ...]]] = {
    PROJECT: (by_project, ()),
    "saved_model": (by_saved_model, ()),
    "tflite": (by_tflite, ("tflite",)),
    "tflite-int8": (by_tflite, ("tflite-int8",)),
    "onnx": (by_onnxruntime, ()),
}


def _network(work: Work) -> tuple[Any, Any]:
    options = {"name": work.network, "precision": "float32", "options": {}}
    model, sess = project.open_model(options, work.side, NUM_CLASSES, work.threads)
    from models.weights.load import load_weights  # after TensorFlow was imported without its messages
    from models.weights.packaged import is_packaged

    if is_packaged(work.network):
        load_weights(sess, model, work.network)
    return model, sess


def write_exports(work: Work, folder: Path) -> None:
    """Write every export to a folder of its name, unchecked: `steps` compares what they answer."""
    model, sess = _network(work)
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
    """Return a step that predicts all images, after writing the probabilities to `folder` once."""
    build, setting = WAYS[name]
    predict, images = build(work, folder, *setting), work.images()
    starts = range(0, len(images), batch_size)

    def all_of_them() -> np.ndarray:
        return np.concatenate([predict(images[start : start + batch_size]) for start in starts])

    np.save(folder / f"{name}-{batch_size}", all_of_them())
    return lambda: len(all_of_them())


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure one image and 32 at a time, and compare the probabilities of each format with the project's."""
    work = QUICK if arguments.quick else Work(threads=arguments.threads)
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
            found = {way: np.load(folder / f"{way}-{batch_size}.npy") for way in rates}
            apart = {way: float(abs(found[way] - found[PROJECT]).max()) for way in rates if "int8" not in way}
            if not all(value <= TOLERANCE for value in apart.values()):
                raise RuntimeError(f"probabilities differ by more than {TOLERANCE:g}: {apart}")
            figures["batches"][str(batch_size)] = {**summary(rates, failures), "differences": apart}
            yield figures


def table(figures: Figures) -> str:
    """Return the size of each format, its images/s, and the ratio to the project's."""
    rows = []
    for way in WAYS:
        size = figures["bytes"].get(way)
        row = ["`predict.py`" if way == PROJECT else way, "" if size is None else f"{size / 1e6:.1f}"]
        for found in figures["batches"].values():
            rates = found["rates"]
            known = way in rates
            row.append(rate(found["images_per_second"][way]) if known else "left out")
            inverse = [1 / value for value in ratios(rates, way)] if known else []
            row.append(spread(spread_of(inverse)) if inverse and way != PROJECT else "")
        rows.append(row)
    header = ["format", "MB"]
    for batch_size in figures["batches"]:
        header += [f"images/s, {batch_size} at a time", "to `predict.py`"]
    return markdown(header, rows)


main = Benchmark(name="exports", text=__doc__, steps=steps, table=table, rounds=5, seconds=5.0)
