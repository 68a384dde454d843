"""How fast is ten-crop prediction compared with PyTorch and Keras?

The input is images of 256x256 bytes in memory; the output is the mean of the probabilities of ten windows. AlexNet
sees windows of 227 pixels and has two classes; ResNet-50 sees 224 pixels and has 1,000 classes. Each call takes 16
images, which are 160 windows. Weights are random, and nothing is read from disk. In bfloat16, the project is
compared with the fastest setting of the peers in any precision.

- project: a `DataSet` and `ConvNet.predict`, as in predict.py --ten-crop and test.py;
- torch: windows stacked as in torchvision's documentation of `TenCrop`, channels_last, inference_mode, with and
  without compilation of the network;
- keras: one `tf.function` that cuts the windows and calls the network, with TensorFlow's default kernels and, if
  these are not oneDNN's, also with oneDNN switched on.

The share of the limit counts the multiply-adds of the forward pass of ten windows.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, add_nets, precisions
from benchmarks.harness.ceiling import measure_ceilings
from benchmarks.harness.comparison import PEERS, POST, beside_peers, ceilings_text, measured_peers, to_library
from benchmarks.harness.made_images import noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import NETS, Case, Steps, measure_net
from benchmarks.harness.results import Figures
from benchmarks.harness.turns import PROJECT, Step
from benchmarks.peers import MEAN
from datasets.augment.windows import corner_center_windows
from datasets.dataset import DataSet

GOAL = 1.3  # ratio to the fastest peer
NAMES, QUICK_NAMES = ("alexnet", "resnet50"), ("resnet50",)
BATCH_SIZE, IMAGE_SIZE = 16, 256


def images_of(case: Case) -> np.ndarray:
    """Return uint8 images that are larger than the windows: (N, 256, 256, 3), or a little larger at toy size."""
    return noise(case.batch_size, max(case.side + 5, IMAGE_SIZE if case.batch_size == BATCH_SIZE else 0))


def ten_crops(images: Any, crop_size: int, mirror: Callable[[Any], Any]) -> list[Any]:
    """Return ten windows (N, h, w, C), in the project's order, of any library's images (N, H, W, C)."""
    height, width = images.shape[1:3]
    tops, lefts, flips = corner_center_windows(height, width, crop_size)
    crops = []
    for top, left, flip in zip(tops.tolist(), lefts.tolist(), flips.tolist(), strict=True):
        crop = images[:, top : top + crop_size, left : left + crop_size]
        crops.append(mirror(crop) if flip else crop)
    return crops


def project_step(case: Case, precision: str) -> Step:
    """Return a step that calls `ConvNet.predict`."""
    options = {"name": case.network, "precision": precision, "options": dict(case.options)}
    model, sess = project.open_model(options, case.side, case.num_classes, case.threads, MEAN)
    images = images_of(case)

    def step() -> int:
        dataset = DataSet(images, crop_size=case.side)
        return len(model.predict(sess, dataset, batch_size=10 * len(images), augment_pred=True))

    return step


def torch_step(case: Case, precision: str, is_compiled: bool) -> Step:
    """Return a step as a PyTorch user writes it; windows are cut from bytes, which is faster than from floats."""
    torch = libraries.torch(case.threads)
    net = case.torch_net().to(memory_format=torch.channels_last).eval()
    net = torch.compile(net) if is_compiled else net
    images = torch.from_numpy(images_of(case))  # (N, H, W, 3)

    @torch.inference_mode()
    def step() -> int:
        crops = torch.stack(ten_crops(images, case.side, lambda crop: crop.flip(2)), dim=1)
        pixels = crops.flatten(0, 1).permute(0, 3, 1, 2)  # (10 N, 3, h, w), channels_last in memory
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(pixels.float().div_(255.0).sub_(MEAN))
        pred = torch.softmax(logits.float(), dim=1)
        return len(pred.view(len(images), 10, -1).mean(dim=1).numpy())

    return step


def keras_step(case: Case, precision: str, onednn: bool) -> Step:
    """Return a step as a Keras user writes it, in one `tf.function`."""
    tf = libraries.tensorflow(case.threads, onednn=onednn)
    net, images = case.keras_net(precision), images_of(case)

    @tf.function
    def predict(pixels: Any) -> Any:
        crops = tf.stack(ten_crops(pixels, case.side, lambda crop: tf.reverse(crop, [2])), axis=1)
        crops = tf.reshape(crops, [-1, case.side, case.side, 3])  # (10 N, h, w, 3)
        pred = tf.nn.softmax(net(crops, training=False))  # the network takes bytes and returns float32
        return tf.reduce_mean(tf.reshape(pred, [-1, 10, case.num_classes]), axis=1)

    return lambda: len(predict(images).numpy())


STEPS: Steps = {PROJECT: project_step, "torch": torch_step, "keras": keras_step}


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure each network."""
    ceilings = None if arguments.quick else measure_ceilings(arguments.threads, precisions(arguments))
    figures: dict[str, Any] = {"ceiling_gflops": ceilings, "nets": {}}
    for name in arguments.nets or (QUICK_NAMES if arguments.quick else NAMES):
        case = NETS[name]._replace(threads=arguments.threads)
        case = case.quick() if arguments.quick else case._replace(batch_size=BATCH_SIZE)
        title, gflop = f"ten-crop prediction, {name}", 10 * case.size()[0]
        for precision, found in measure_net(STEPS, case, title, gflop, ceilings, arguments):
            figures["nets"].setdefault(name, {})[precision] = found
            yield figures


def table(figures: Figures) -> str:
    """Return images/s of ten-crop prediction, and the ratios to each peer's fastest setting and the post's code."""
    cells = [
        ([net, precision], found)
        for net, by_precision in figures["nets"].items()
        for precision, found in by_precision.items()
    ]
    peers = measured_peers(found for _, found in cells)
    header = ["net", "precision", "images/s", *(f"to {PEERS[peer]}" for peer in peers), "goal"]
    rows = [[*what, *beside_peers(found, peers, GOAL, found["best_peer"])] for what, found in cells]
    if any(POST in found["rates"] for _, found in cells):  # measured by an earlier version of this benchmark
        header.append("to the post's code")
        rows = [[*row, to_library(found, POST)] for row, (_, found) in zip(rows, cells, strict=True)]
    return f"{ceilings_text(figures)}\n\n{markdown(header, rows)}"


nets = partial(add_nets, names=NAMES)
main = Benchmark("inference", __doc__, steps, table, 5, 10.0, has_precision=True, add_options=nets)
