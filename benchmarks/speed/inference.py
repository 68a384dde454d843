"""Ten-crop prediction, images/s: the project against PyTorch, Keras and the AlexNet post's own way.

    python -m benchmarks.speed.inference [NET ...] [--rounds 5] [--seconds 10] [--output FILE]

From 256x256 bytes in memory to probabilities that are the mean of ten windows: AlexNet (windows of 227 pixels, two
classes) and ResNet-50 (224 pixels, 1,000 classes), in float32 and in bfloat16, 16 images and so 160 windows at a
time. Weights are drawn at random, and nothing is read from disk. What the project does in bfloat16 is held against
the peers' best, whatever its precision: the fastest of them in float32 takes part once more.

- project: a `DataSet` and `ConvNet.predict`, as predict.py --ten-crop and test.py do;
- torch: the windows stacked as in torchvision's documentation of `TenCrop`, channels_last, inference_mode, and once
  more with the net compiled;
- keras: one `tf.function` that cuts the windows and calls the net, with TensorFlow's kernels as installed and,
  where those are not oneDNN's, once more with oneDNN switched on;
- post: float32 arrays, windows cut by numpy for each image, and one run of the project's float32 graph for each of
  the ten windows.

The share of the machine's limit counts the multiply-adds of ten windows forward.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    POST,
    add_precision,
    conditions,
    keep,
    measure_as_asked,
    measurement_parser,
    parse_measurement,
    precisions,
    print_post,
    summary_beside_post,
)
from benchmarks.harness.contestants import Steps, contestants
from benchmarks.harness.figures import print_table
from benchmarks.harness.made import noise
from benchmarks.harness.sides import Contestant, Step
from benchmarks.peers import post_way
from benchmarks.speed.ceiling import ceiling, limits
from datasets.augment.windows import corner_center_windows
from datasets.dataset import DataSet
from learning.terminal.command import run_script

MEAN = 0.5  # of the pixels, which every contestant subtracts


class Case(NamedTuple):
    """A net and its images.

    :param name: of the net, in every library.
    :param options: of the net.
    """

    name: str
    options: dict[str, Any]
    image_size: int
    crop_size: int
    num_classes: int
    batch_size: int  # images, ten windows each
    threads: int = 0  # of each library; 0 leaves the number to it


CASES = (Case("alexnet", {}, 256, 227, 2, 16), Case("resnet50", {}, 256, 224, 1000, 16))
QUICK_CASES = (
    Case("alexnet", {}, 72, 67, 2, 1),
    Case("resnet50", {"stages": (1,), "widths": (4,)}, 20, 16, 10, 1),
)
QUICK_NETS = ("resnet50",)


def _images(case: Case) -> np.ndarray:
    return noise(case.batch_size, case.image_size, seed=0)


def _ten_crops(images: Any, crop_size: int, mirror: Callable[[Any], Any]) -> list[Any]:
    """The ten windows (N, h, w, C) of a test, in the project's order, of images (N, H, W, C) of any library."""
    height, width = images.shape[1:3]
    tops, lefts, flips = corner_center_windows(height, width, crop_size)
    crops = []
    for top, left, flip in zip(tops.tolist(), lefts.tolist(), flips.tolist(), strict=True):
        crop = images[:, top : top + crop_size, left : left + crop_size]
        crops.append(mirror(crop) if flip else crop)
    return crops


def project_step(case: Case, precision: str) -> Step:
    """The images through `ConvNet.predict`."""
    model, sess = _project(case, precision)
    images = _images(case)

    def step() -> int:
        dataset = DataSet(images, crop_size=case.crop_size)
        return len(model.predict(sess, dataset, batch_size=10 * case.batch_size, augment_pred=True))

    return step


def post_step(case: Case) -> Step:
    """The images in the post's way, on the project's float32 graph."""
    model, sess = _project(case, "float32")
    images = post_way.as_floats(_images(case))

    def run(crops: np.ndarray) -> np.ndarray:
        return sess.run(model.pred, model.feed(crops))

    return lambda: len(post_way.predict(run, images, case.crop_size))


def _project(case: Case, precision: str) -> tuple[Any, Any]:
    return libraries.project_model(
        case.name,
        precision,
        case.crop_size,
        case.num_classes,
        case.threads,
        mean=MEAN,
        options=case.options,
    )


def torch_step(case: Case, precision: str, is_compiled: bool) -> Step:
    """The images as a PyTorch user predicts them; cut as bytes, which is faster than as numbers."""
    torch = libraries.torch(case.threads)
    from benchmarks.peers.torch_nets import build

    net: Any = build(case.name, case.crop_size, case.num_classes, **case.options)
    net = net.to(memory_format=torch.channels_last).eval()  # the types of torch lack `memory_format`
    net = torch.compile(net) if is_compiled else net
    images = torch.from_numpy(_images(case))  # (N, H, W, 3)

    @torch.inference_mode()
    def step() -> int:
        crops = torch.stack(_ten_crops(images, case.crop_size, lambda crop: crop.flip(2)), dim=1)
        pixels = crops.flatten(0, 1).permute(0, 3, 1, 2)  # (10 N, 3, h, w), channels_last in memory
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(pixels.float().div_(255.0).sub_(MEAN))
        pred = torch.softmax(logits.float(), dim=1)
        return len(pred.view(len(images), 10, -1).mean(dim=1).numpy())

    return step


def keras_step(case: Case, precision: str, onednn: bool) -> Step:
    """The images as a Keras user predicts them, all of it in one `tf.function`."""
    tf = libraries.tensorflow(case.threads, onednn=onednn)
    from benchmarks.peers.keras_nets import build

    with libraries.keras_policy(precision):
        net = build(case.name, case.crop_size, case.num_classes, **case.options)
    images = _images(case)

    @tf.function
    def predict(pixels: Any) -> Any:
        crops = tf.stack(_ten_crops(pixels, case.crop_size, lambda crop: tf.reverse(crop, [2])), axis=1)
        crops = tf.reshape(crops, [-1, case.crop_size, case.crop_size, 3])  # (10 N, h, w, 3)
        pred = tf.nn.softmax(net(crops, training=False))  # the net takes bytes and gives float32
        return tf.reduce_mean(tf.reshape(pred, [-1, 10, case.num_classes]), axis=1)

    return lambda: len(predict(images).numpy())


STEPS = Steps(project_step, torch_step, keras_step)


def measure_case(
    case: Case,
    precision: str,
    arguments: argparse.Namespace,
    ceilings: Mapping[str, Mapping[str, float]] | None,
    fastest: str | None,
) -> dict[str, Any]:
    """The figures of one net, printed, and ready for JSON; `fastest` as `contestants` takes it."""
    title = f"ten-crop prediction, {case.name}, {precision}"
    print(title, flush=True)
    sides = contestants(STEPS, case, precision, fastest, tuned=not arguments.quick)
    if precision == "float32":  # the only precision of the post
        sides[POST] = Contestant(post_step, (case,))
    rates, failures = measure_as_asked(sides, arguments, warm_steps=0 if arguments.quick else 2)
    gflop = 10 * libraries.forward_gflop(case.name, case.crop_size, case.num_classes, case.options)
    names = [name for name in rates if name != POST]
    shares = None if ceilings is None else limits(names, precision, ceilings)
    found = summary_beside_post(rates, failures, gflop, shares)
    print_table(title, found)
    print_post(found)
    return found


def parse() -> argparse.Namespace:
    """The command line."""
    parser = measurement_parser("inference", str(__doc__), rounds=5, seconds=10.0)
    add_precision(parser)
    names = [case.name for case in CASES]
    default = "(default: all; with --quick resnet50)"
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(names)} {default}")
    arguments = parse_measurement(parser)
    if not set(arguments.nets) <= set(names):
        parser.error(f"the nets are {', '.join(arguments.nets)}; there are {', '.join(names)}")
    arguments.nets = arguments.nets or (QUICK_NETS if arguments.quick else names)
    return arguments


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    figures: dict[str, Any] = {**conditions(arguments), "ceiling_gflops": None, "nets": {}}
    measured = precisions(arguments)
    if not arguments.quick:
        figures["ceiling_gflops"] = ceiling(arguments.threads, measured)
    for case in QUICK_CASES if arguments.quick else CASES:
        case, fastest = case._replace(threads=arguments.threads), None
        for precision in measured if case.name in arguments.nets else ():
            found = measure_case(case, precision, arguments, figures["ceiling_gflops"], fastest)
            fastest = found["best_peer"]
            figures["nets"].setdefault(case.name, {})[precision] = found
            keep(arguments, figures)


if __name__ == "__main__":
    run_script(main)
