"""How fast are the features of EfficientNet-Lite0 beside PyTorch and onnxruntime, with the same published weights?

All take made images of bytes in memory and normalise them; the project by `ConvNet.compute` on a `DataSet`,
PyTorch channels_last, as written and compiled, onnxruntime on PyTorch's export with all optimisations of the graph.
The features must agree. --isa does not limit onnxruntime, which has no such setting.
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, measure_as_asked
from benchmarks.harness.comparison import to_library
from benchmarks.harness.made_images import noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures, rate, summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from datasets.dataset import DataSet

GOAL = 1.0  # of the ratio to the faster peer
TOLERANCE = 1e-3  # of a feature, from 0 to 6
NETWORK = "efficientnet-lite0"
Compute = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, 3) uint8 -> features (N, 1280)


class Work(NamedTuple):
    """What all contestants share."""

    num_images: int = 1000
    side: int = 224  # pixels
    batch_size: int = 32
    threads: int = 0  # of each library; 0 leaves the number to it

    def images(self) -> np.ndarray:
        """Return (N, side, side, 3) uint8."""
        return noise(self.num_images, self.side)


QUICK = Work(num_images=3, side=32, batch_size=2)


def by_project(work: Work) -> Compute:
    """Compute by `ConvNet.compute`, which folds the batch norms."""
    options = {"name": NETWORK, "precision": "float32", "options": {}}
    model, sess = project.open_model(options, work.side, 1000, work.threads)
    from models.weights.load import load_weights  # after TensorFlow was imported without its messages

    load_weights(sess, model, NETWORK)

    def compute(images: np.ndarray) -> np.ndarray:
        dataset = DataSet(images, crop_size=work.side)
        return model.compute(sess, "features", dataset, batch_size=work.batch_size)

    return compute


def by_torch(work: Work, is_compiled: bool) -> Compute:
    """Compute in PyTorch's inference mode."""
    torch = libraries.torch(work.threads)
    from benchmarks.peers.torch_efficientnet import Features, pretrained

    net = torch.compile(Features(pretrained())) if is_compiled else Features(pretrained())

    @torch.inference_mode()
    def compute(images: np.ndarray) -> np.ndarray:
        return in_batches(lambda batch: net(torch.from_numpy(batch)).numpy(), images, work.batch_size)

    return compute


def by_onnxruntime(work: Work) -> Compute:
    """Compute by onnxruntime."""
    torch = libraries.torch(work.threads)
    import onnxruntime

    from benchmarks.peers.torch_efficientnet import Features, pretrained

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = work.threads
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter: about its age, and sizes that become constants
        path = Path(folder) / "features.onnx"
        torch.onnx.export(
            Features(pretrained()),
            (torch.from_numpy(noise(1, work.side)),),
            path,
            dynamo=False,
            input_names=["images"],
            dynamic_axes={"images": {0: "N"}},
        )
        sess = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: in_batches(
        lambda batch: sess.run(None, {"images": batch})[0], images, work.batch_size
    )


def in_batches(compute: Compute, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the features of images, computed batch by batch."""
    starts = range(0, len(images), batch_size)
    return np.concatenate([compute(images[start : start + batch_size]) for start in starts])


WAYS: Mapping[str, tuple[Callable[..., Compute], tuple[bool, ...]]] = {
    PROJECT: (by_project, ()),
    "torch": (by_torch, (False,)),
    "torch compiled": (by_torch, (True,)),
    "onnxruntime": (by_onnxruntime, ()),
}


def step_of(name: str, work: Work, folder: Path) -> Step:
    """Return a step that computes the features of all images, after writing them to `folder` once."""
    build, setting = WAYS[name]
    compute, images = build(work, *setting), work.images()
    np.save(folder / name, compute(images))  # all of them, since few are not computed with folded batch norms
    return lambda: len(compute(images))


def differences(folder: Path) -> dict[str, float]:
    """Return the largest difference of a feature between the project and each peer."""
    found = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
    return {
        name: float(abs(values - found[PROJECT]).max()) for name, values in found.items() if name != PROJECT
    }


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure, and compare the features."""
    work = QUICK if arguments.quick else Work(threads=arguments.threads)
    names = [name for name in WAYS if not arguments.quick or name != "torch compiled"]
    with tempfile.TemporaryDirectory() as folder:
        contestants = {name: Contestant(step_of, (name, work, Path(folder))) for name in names}
        rates, failures = measure_as_asked(contestants, arguments, warm_steps=0)
        found = differences(Path(folder))
    told = ", ".join(f"{name} {value:.1g}" for name, value in found.items())
    print(f"largest difference of a feature to the project's: {told}", flush=True)
    if any(not value < TOLERANCE for value in found.values()):
        raise RuntimeError(
            f"the features differ by more than {TOLERANCE:g}, so the rates say nothing: {told}"
        )
    yield {"work": work._asdict(), "largest_differences": found, **summary(rates, failures)}


def table(figures: Figures) -> str:
    """Return images/s, the ratios to the peers, and how far the features are apart."""
    work, apart = figures["work"], max(figures["largest_differences"].values(), default=0.0)
    row = [
        f"{work['num_images']:,} of {work['side']}x{work['side']}, batches of {work['batch_size']}",
        rate(figures["images_per_second"][PROJECT]),
        to_library(figures, "torch"),
        to_library(figures, "onnxruntime"),
        f"{GOAL}",
        f"{apart:.1g}",
    ]
    header = ["images", "images/s", "to PyTorch", "to onnxruntime", "goal", "features differ by at most"]
    return markdown(header, [row])


main = Benchmark(name="features", text=__doc__, steps=steps, table=table, rounds=5, seconds=10.0)
