"""How accurate is training on few photographs: from scratch, of the last layer only, and of all layers?

Each run is `train.py --data-dir photos` in its own process. Its time is that of the whole process, including the
decoding of all images. Its weights are tested on photographs that no run has seen, with one crop, and also with ten
if --ten-crop is given.

With --peer torch, the project's library and PyTorch take turns instead, from the same decoded images to trained
weights, with the same network, published weights, batches, learning rates and epochs. The way zero-shot trains
nothing: it sums the probabilities of ImageNet's dogs and those of its cats, and compares both.

To continue an interrupted measurement, give the same --output.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.photographs import Photographs
from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import Benchmark, count
from benchmarks.harness.hardware import limit
from benchmarks.harness.markdown import ROOT, markdown
from benchmarks.harness.peak_memory import call_fresh
from benchmarks.harness.results import Figures, rate, ratio_text, spread_of
from benchmarks.harness.turns import PROJECT, in_turns
from learning.errors import UsageError
from learning.terminal.command import ScriptParser

COMMAND = "train.py"
ZERO_SHOT, NETWORK = "zero-shot", "efficientnet-lite0"
WAYS: dict[str, tuple[str, ...]] = {  # arguments of train.py, besides the images
    "scratch": ("--config", "folder-scratch"),
    "head-only": ("--model.freeze", "head-only", "--train.augment_train", "false"),
    "all-layers": (),
}
QUICK = ("--train.num_epochs", "1", "--data.image_size", "40", "--data.crop_size", "32")
IMAGENET = {"cat": range(281, 286), "dog": range(151, 269)}  # house cats; dogs of all breeds
BATCH_SIZE = 32  # of predictions
TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)  # of the picture
KEY = ("way", "by", "per_class", "seed")


def by_command(
    words: Sequence[str], photos: Path, held_out: Path, folder: Path, ten_crop: bool
) -> dict[str, Any]:
    """Run train.py with an empty cache, and test the run."""
    run, cache = folder / "run", folder / "cache"
    places = ("--data-dir", str(photos), "--run-dir", str(run), "--data.cache_dir", str(cache))
    start = time.perf_counter()
    command = [sys.executable, str(ROOT / COMMAND), *places, *words]
    if code := subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        raise UsageError(f"{COMMAND} ended with {code}; see its message above")
    return {"seconds": time.perf_counter() - start, **score(run, held_out, ten_crop)}


def score(run: Path, held_out: Path, ten_crop: bool = False) -> dict[str, Any]:
    """Return the accuracy of a run, or of the packaged network by its sums over ImageNet's classes."""
    config, model, sess = project.load_run(run)
    names = IMAGENET if run == Path(NETWORK) else sorted(path.name for path in held_out.iterdir())
    dataset = project.test_set(config, held_out, tuple(names), cache_of(held_out))
    with sess:
        pred = model.predict(sess, dataset, batch_size=BATCH_SIZE, augment_pred=False)
        by_ten = model.predict(sess, dataset, batch_size=BATCH_SIZE) if ten_crop else None
    if run == Path(NETWORK):
        pred = np.stack([pred[:, classes].sum(axis=1) for classes in IMAGENET.values()], axis=1)  # (N, 2)
    found = {"accuracy": project.accuracy(pred, dataset)}
    return found if by_ten is None else {**found, "accuracy_by_ten": project.accuracy(by_ten, dataset)}


def by_library(name: str, words: Sequence[str], photos: Path, held_out: Path, folder: Path) -> dict[str, Any]:
    """Train with the project's library or PyTorch, timed without decoding, and test the network."""
    places = ("--data-dir", str(photos), "--data.cache_dir", str(cache_of(photos)))
    config, splits = project.sized_data(project.recipe_config([*places, *words]))
    dataset = project.test_set(config, held_out, splits.class_names, cache_of(held_out))
    if name == PROJECT:
        model, sess, seconds = project.fine_tuned(config, splits, folder / "run")
        with sess:
            pred = model.predict(sess, dataset, batch_size=BATCH_SIZE, augment_pred=False)
    else:
        libraries.torch(config.train.threads or 0)
        from benchmarks.peers.torch_finetuning import FineTuning

        net = FineTuning(config, splits)
        start = time.perf_counter()
        net.train()
        seconds = time.perf_counter() - start
        pred = net.predict(dataset)
    trained = splits.train.num_examples * config.train.num_epochs
    rates = {"seconds": seconds, "images_per_second": trained / seconds}
    return {"accuracy": project.accuracy(pred, dataset), **rates}


def cache_of(folder: Path) -> Path:
    """Return the folder for the decoded images of a temporary folder."""
    return folder.with_name(f"{folder.name}-cache")


def wanted(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the KEY of each run to make, seed by seed, with the contestants in turns."""
    if ZERO_SHOT in arguments.ways:
        yield dict(zip(KEY, (ZERO_SHOT, PROJECT, 0, 0), strict=True))
    contestants = [COMMAND] if arguments.peer is None else [PROJECT, arguments.peer]
    for per_class in arguments.per_class:
        for seed in range(arguments.seeds):
            for way in WAYS:
                if way in arguments.ways and (arguments.peer is None or way != "scratch"):
                    for by in in_turns(contestants, seed):
                        yield dict(zip(KEY, (way, by, per_class, seed), strict=True))


def measure(run: Figures, arguments: argparse.Namespace, photographs: Photographs, folder: Path) -> Any:
    """Make a run; return its accuracy and its seconds."""
    held_out = folder / "held-out"
    if run["way"] == ZERO_SHOT:
        return call_fresh(score, Path(NETWORK), held_out, quick=arguments.quick)
    words = (*WAYS[run["way"]], *(QUICK if arguments.quick else ()))
    with tempfile.TemporaryDirectory() as place:
        photos = Path(place) / "photos"
        photographs.write(photos, run["per_class"], run["seed"])
        given = (words, photos, held_out, Path(place))
        if run["by"] == COMMAND:
            return call_fresh(by_command, *given, arguments.ten_crop, quick=arguments.quick)
        words = (*words, "--train.threads", str(arguments.threads)) if arguments.threads else words
        return call_fresh(by_library, run["by"], words, *given[1:], quick=arguments.quick)


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Make the runs that --output lacks."""
    runs = earlier_runs(arguments)
    figures = {"held_out": arguments.held_out, "runs": runs}
    yield figures
    photographs = Photographs(arguments.data_dir, arguments.held_out)
    with tempfile.TemporaryDirectory() as folder:
        photographs.write_held_out(Path(folder) / "held-out")
        for run in wanted(arguments):
            if not any(run.items() <= earlier.items() for earlier in runs):
                runs.append(run | measure(run, arguments, photographs, Path(folder)))
                print(runs[-1], flush=True)
                yield figures
    if arguments.plot:
        draw(figures, arguments.plot)


def earlier_runs(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the runs in --output. Raises UsageError if they were made under other conditions."""
    if not arguments.output or not arguments.output.exists() or not arguments.output.stat().st_size:
        return []
    found = json.loads(arguments.output.read_text(encoding="utf-8"))
    if (found["held_out"], found["environment"]["played"]) != (arguments.held_out, limit()):
        raise UsageError(
            f"{arguments.output} holds runs with another --held-out or --isa; choose another file"
        )
    return found["runs"]


def by_setting(figures: Figures, by: str) -> dict[tuple[str, int], list[Figures]]:
    """Return the runs of a contestant by way and images per class, in the order of the seeds."""
    found: dict[tuple[str, int], list[Figures]] = {}
    for run in sorted(figures["runs"], key=lambda run: run["seed"]):
        if run["by"] == by:
            found.setdefault((run["way"], run["per_class"]), []).append(run)
    return found


def table(figures: Figures) -> str:
    """Return accuracy and time of the command, and of the library compared with PyTorch if that was measured."""
    parts, rows = [f"Accuracy on {figures['held_out']:,} other images per class, with one crop."], []
    for (way, per_class), runs in by_setting(figures, COMMAND).items():
        minutes = f"{statistics.mean(run['seconds'] for run in runs) / 60:.1f}"
        by_ten = [run["accuracy_by_ten"] for run in runs if "accuracy_by_ten" in run]
        ten = f"{statistics.mean(by_ten):.4f}" if len(by_ten) == len(runs) else ""
        rows.append([way, f"{per_class:,}", *accuracies(runs), ten, minutes])
    if rows:
        header = ["way", "images per class", "accuracy", "each seed", "ten crops", "minutes"]
        parts.append(markdown(header, rows))
    ours, theirs = by_setting(figures, PROJECT), by_setting(figures, "torch")
    if runs := ours.pop((ZERO_SHOT, 0), []):
        parts.append(f"Without training, by ImageNet's classes of cats and dogs: {accuracies(runs)[0]}.")
    rows = []
    for (way, per_class), peers in theirs.items():
        both = {PROJECT: ours[way, per_class][: len(peers)], "torch": peers}
        rates = {name: [run["images_per_second"] for run in runs] for name, runs in both.items()}
        means = (accuracies(runs)[0] for runs in both.values())
        images = rate(spread_of(rates[PROJECT]))
        rows.append([way, f"{per_class:,}", *means, images, ratio_text(rates, "torch")])
    if rows:
        header = ["way", "images per class", "accuracy", "accuracy in PyTorch", "images/s", "to PyTorch"]
        parts.append(markdown(header, rows))
    return "\n\n".join(parts)


def accuracies(runs: Sequence[Figures]) -> list[str]:
    """Return the mean accuracy, and the accuracy with each seed."""
    values = [run["accuracy"] for run in runs]
    return [f"{statistics.mean(values):.4f}", ", ".join(f"{value:.4f}" for value in values)]


def draw(figures: Figures, path: Path) -> None:
    """Plot accuracy against the number of images: a line through the means of each way, and a point per seed."""
    from learning.pictures.drawing import Figure, save

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes, found = figure.subplots(), by_setting(figures, COMMAND)
    for number, way in enumerate(WAYS):
        runs = {n: runs for (name, n), runs in sorted(found.items()) if name == way}
        means = [statistics.mean(run["accuracy"] for run in of_n) for of_n in runs.values()]
        axes.plot(list(runs), means, f"C{number}-", label=way)
        points = [(n, run["accuracy"]) for n, of_n in runs.items() for run in of_n]
        axes.plot(*zip(*points, strict=True), f"C{number}o", markersize=4) if points else None
    axes.set(xscale="log", yscale="logit", xlabel="images per class", ylabel="accuracy on other images")
    counts = sorted({n for _, n in found})
    axes.set_xticks(counts, [f"{n:,}" for n in counts], minor=False)
    axes.set_yticks(TICKS, [f"{value:g}" for value in TICKS], minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="center right")
    save(figure, path)


def add_options(parser: ScriptParser) -> None:
    """Add the options for the photographs, and for what is measured on them."""
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="photographs: one folder per class, or Asirra")
    add("--per-class", type=count, nargs="+", default=[20, 50, 200], metavar="N", help="training images")
    add("--held-out", type=count, default=1250, metavar="N", help="test images per class")
    add("--seeds", type=count, default=3, metavar="N", help="runs of each kind; each draws other images")
    add("--ways", nargs="+", choices=(*WAYS, ZERO_SHOT), default=list(WAYS), help="ways of training")
    add("--ten-crop", action="store_true", help="also test with ten crops, which takes ten times as long")
    add("--peer", choices=("torch",), help="compare the library with PyTorch instead of timing train.py")
    add("--plot", type=Path, metavar="FILE", help="PNG file for a plot of accuracy by training images")


main = Benchmark("transfer", __doc__, steps, table, add_options=add_options)
