"""How fast does EfficientNet-Lite0 compute features, compared with PyTorch and onnxruntime on the same weights?

All contestants read generated images of bytes from memory and normalise them. The project runs `ConvNet.compute` on
a `DataSet`, PyTorch its channels_last layout with and without compilation, and onnxruntime PyTorch's export with
all graph optimisations. The features must agree. --isa does not limit onnxruntime, which has no such setting.
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, measure_as_asked
from benchmarks.harness.comparison import to_library
from benchmarks.harness.made_images import noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures, rate, summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from datasets.dataset import DataSet

GOAL = 1.0  # ratio to the faster peer
TOLERANCE = 1e-3  # of a feature, from 0 to 6, and of a probability
NETWORK = "efficientnet-lite0"
Compute = Callable[[np.ndarray], np.ndarray]  # images (N, H, W, 3) uint8 -> features (N, 1280)


class Work(NamedTuple):
    """The network and its images, the same for all contestants."""

    network: str = NETWORK
    num_images: int = 1000
    image_side: int = 224  # pixels
    side: int = 224  # of the crop
    batch_size: int = 32
    threads: int = 0  # of each library; 0 for its default

    def images(self) -> np.ndarray:
        """Return (N, image_side, image_side, 3) uint8."""
        return noise(self.num_images, self.image_side)

    def open_network(self) -> tuple[Any, Any]:
        """Return the project's network with 1,000 classes, and a session for it."""
        options = {"name": self.network, "precision": "float32", "options": {}}
        return project.open_model(options, self.side, 1000, self.threads)


QUICK = Work(num_images=3, image_side=32, side=32, batch_size=2)


def by_project(work: Work) -> Compute:
    """Compute with `ConvNet.compute`, which folds the batch norms."""
    model, sess = work.open_network()

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
    """Compute in onnxruntime."""
    torch = libraries.torch(work.threads)
    from benchmarks.peers.torch_efficientnet import Features, pretrained

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its age, and of sizes that become constants
        path = Path(folder) / "features.onnx"
        torch.onnx.export(
            Features(pretrained()),
            (torch.from_numpy(noise(1, work.side)),),
            path,
            dynamo=False,
            input_names=["images"],
            dynamic_axes={"images": {0: "N"}},
        )
        sess = libraries.onnxruntime_session(path, work.threads)
    return lambda images: in_batches(
        lambda part: sess.run(None, {"images": part})[0], images, work.batch_size
    )


def in_batches(compute: Compute, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Compute the features of images batch by batch."""
    starts = range(0, len(images), batch_size)
    return np.concatenate([compute(images[start : start + batch_size]) for start in starts])


WAYS: Mapping[str, tuple[Callable[..., Compute], tuple[bool, ...]]] = {
    PROJECT: (by_project, ()),
    "torch": (by_torch, (False,)),
    "torch compiled": (by_torch, (True,)),
    "onnxruntime": (by_onnxruntime, ()),
}


def step_of(name: str, work: Work, folder: Path) -> Step:
    """Return a step that computes the features of all images, after saving them in `folder` once."""
    build, setting = WAYS[name]
    return saving_step(build(work, *setting), work.images(), folder / name)


def saving_step(compute: Compute, images: np.ndarray, path: Path) -> Step:
    """Return a step that computes the results of all images, after saving them once."""
    np.save(path, compute(images))  # all of them, because batch norm is not folded for few images
    return lambda: len(compute(images))


def differences(found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return how far each peer's results are from the project's. Raises RuntimeError if they disagree."""
    apart = {name: float(abs(values - found[PROJECT]).max()) for name, values in found.items()}
    del apart[PROJECT]
    told = ", ".join(f"{name} {value:.1g}" for name, value in apart.items())
    print(f"largest difference to the project: {told}", flush=True)
    if not all(value < TOLERANCE for value in apart.values()):
        raise RuntimeError(f"results differ by more than {TOLERANCE:g}, so the rates say nothing: {told}")
    return apart


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure the rates, and compare the features."""
    work = QUICK if arguments.quick else Work(threads=arguments.threads)
    names = [name for name in WAYS if not arguments.quick or name != "torch compiled"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        contestants = {name: Contestant(step_of, (name, work, folder)) for name in names}
        rates, failures = measure_as_asked(contestants, arguments, warm_steps=0)
        found = differences({name: np.load(folder / f"{name}.npy") for name in rates})
    yield {"work": work._asdict(), "largest_differences": found, **summary(rates, failures)}


def table(figures: Figures) -> str:
    """Return images/s, the ratios to the peers, and the largest difference of the features."""
    work, apart = figures["work"], max(figures["largest_differences"].values(), default=0.0)
    row = [
        f"{work['num_images']:,} of {work['side']}x{work['side']}, batches of {work['batch_size']}",
        rate(figures["images_per_second"][PROJECT]),
        to_library(figures, "torch"),
        to_library(figures, "onnxruntime"),
        f"{GOAL}",
        f"{apart:.1g}",
    ]
    header = ["images", "images/s", "to PyTorch", "to onnxruntime", "goal", "largest difference"]
    return markdown(header, [row])


main = Benchmark("features", __doc__, steps, table, rounds=5, seconds=10.0)
