"""The tables of docs/performance.md and their summary in README.md, from the figures in benchmarks/results.

    python -m benchmarks.performance

Every table is of one JSON file, NAME.json or NAME-WHATEVER.json, which `python -m benchmarks.NAME` writes; a part
without any says how to make one. The text around the tables is written by hand.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import filter_gradients, memory_peers, scaling, settings, start
from benchmarks.ceiling import PRECISIONS
from benchmarks.commands import POST
from benchmarks.documents import README, markdown, rewrite
from benchmarks.figures import rate, spread
from benchmarks.sides import PROJECT, Spread, best_peer, ratios
from learning.scripts import ScriptParser, run_script

RESULTS = Path(__file__).resolve().parent / "results"
DOCUMENT = README.parent / "docs" / "performance.md"
STEP_GOALS = {"float32": 1.1, "bfloat16": 1.3}
SMALL_NET_GOAL = 1.5  # ResNet-20 in bfloat16
TEN_CROP_GOAL, DECODE_GOAL, BATCH_GOAL = 1.3, 1.2, 15_000

Figures = Mapping[str, Any]


def machine(figures: Figures) -> str:
    """On what, when, by which versions."""
    found = figures["environment"]
    flags = ", ".join(found["flags"]) or "none of the flags that matter"
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    load, options = found["load_before"], figures.get("options", {})
    beside = "" if load is None else f"; load before {load:.1f}"
    rounds = f"; {options['rounds']} rounds" if "rounds" in options else ""
    each = f" of {options['seconds']:g} s" if "seconds" in options else ""
    revision = f"; revision {found['revision']}" if found.get("revision") else ""
    return (
        f"{found['processor']}, {found['cores']} cores, {found['threads']} threads, {flags}; {versions}; "
        f"{found['date']}{rounds}{each}{beside}{revision}."
    )


def training_table(figures: Figures) -> str:
    """Images/s of a training step with its share of the limit, and the ratios to the fastest of each peer."""
    header = ["net", "batch", "precision", "images/s", "to PyTorch", "to Keras", "goal"]
    rows = []
    for case in figures["cases"]:
        is_small = case["net"] == "resnet20" and case["precision"] == "bfloat16"
        goal = SMALL_NET_GOAL if is_small else STEP_GOALS[case["precision"]]
        what = [case["net"], f"{case['batch_size']}", case["precision"]]
        rows.append([*what, *_beside(case, ("torch", "keras"), goal)])
    return f"{_limits(figures)}\n\n{markdown(header, rows)}"


def _limits(figures: Figures) -> str:
    limits = ", ".join(
        f"{precision} {max(found.values()):.0f} GFLOP/s"
        for precision, found in figures["ceiling_gflops"].items()
    )
    return f"Matrix product of 2048x2048, the larger of TensorFlow's and PyTorch's: {limits}."


def _beside(found: Figures, libraries: Iterable[str], goal: float) -> list[str]:
    """The project's rate, its ratio to each library, and the goal, which is against the fastest of them."""
    rates, peer = found["images_per_second"], found["best_peer"]
    share = found.get("share_of_ceiling", {}).get(PROJECT)
    ours, asked = rate(rates[PROJECT]), f"{goal}"
    if share is not None:
        ours = f"{ours} ({share:.0%} of the limit)"
        if peer is not None:
            needed = goal * rates[peer]["median"] / rates[PROJECT]["median"] * share
            asked = f"{asked} ({needed:.0%} of the limit)"
    return [ours, *(_to_library(found, library) for library in libraries), asked]


def _to_library(found: Figures, library: str) -> str:
    """The ratio to the library's fastest setting, and which that is; empty where it did not take part."""
    compared = _ratio(found, library)
    return "" if compared is None else f"{spread(compared[0]._asdict())} {compared[1]}".strip()


def _ratio(found: Figures, library: str) -> tuple[Spread, str] | None:
    rates = {name: values for name, values in found["rates"].items() if name.split()[0] == library}
    fastest = best_peer(rates)
    if fastest is None:
        return None
    return Spread.of(ratios(found["rates"], fastest)), fastest.removeprefix(library).strip()


def inference_table(figures: Figures) -> str:
    """Images/s of ten-crop prediction."""
    rows = [
        [net, precision, *_beside(found, ("torch", "keras"), TEN_CROP_GOAL), _to_library(found, POST)]
        for net, by_precision in figures["nets"].items()
        for precision, found in by_precision.items()
    ]
    header = ["net", "precision", "images/s", "to PyTorch", "to Keras", "goal", "to the post's way"]
    return f"{_limits(figures)}\n\n{markdown(header, rows)}"


def input_table(figures: Figures) -> str:
    """Images/s of decoding and of cutting batches."""
    parts = (
        ("decoding JPEGs", "decode", f"{DECODE_GOAL}; 10 to the post's"),
        ("`next_batch`, one core", "next_batch", f"{BATCH_GOAL:,} images/s"),
    )
    libraries = ("tf.data", "torch", POST)
    rows = [
        [
            what,
            rate(figures[key]["images_per_second"][PROJECT]),
            *(_to_library(figures[key], library) for library in libraries),
            goal,
        ]
        for what, key, goal in parts
        if key in figures
    ]
    return markdown(
        ["what", "images/s", "to tf.data", "to torch's loader", "to the post's way", "goal"], rows
    )


def epoch_table(figures: Figures) -> str:
    """The loop around the updates."""
    rows = [
        [recipe, rate(found["images_per_second"][PROJECT]), spread(found["ratio"]), f"{figures['goal']}"]
        for recipe, found in figures["recipes"].items()
    ]
    return markdown(["recipe", "epoch, images/s", "to the bare step", "goal"], rows)


def start_table(figures: Figures) -> str:
    """Seconds until the first update is done."""
    rows = [[name, spread(values)] for name, values in start.spreads(dict(figures)).items()]
    rows += [["goal, and no slower than Keras", f"below {figures['goal_seconds']:g}"]]
    return markdown(
        ["from starting the process to the end of the first update", "seconds, less is better"], rows
    )


def scaling_table(figures: Figures) -> str:
    """How time and memory grow."""
    sweeps = figures["sweeps"].items()
    rows = ([what, *row] for what, found in sweeps for row in scaling.texts(found))
    return markdown(["what grows", "size", *scaling.COLUMNS], rows)


def filter_table(figures: Figures) -> str:
    """Both ways to the gradient of the filters."""
    return markdown(filter_gradients.COLUMNS, map(filter_gradients.texts, figures["rows"]))


def settings_table(figures: Figures) -> str:
    """The project against itself with one thing changed."""
    return markdown(settings.COLUMNS, [row for found in figures["cases"] for row in settings.texts(found)])


def precision_table(figures: Figures) -> str:
    """Accuracy in both precisions."""
    epochs = figures["epochs"] or "all"
    rows = [
        [figures["recipe"], f"{epochs}", precision, *(f"{value:.4f}" for value in values)]
        for precision, values in figures["accuracies"].items()
    ]
    seeds = [f"seed {seed}" for seed in figures["seeds"]]
    table = markdown(["recipe", "epochs", "precision", *seeds], rows)
    return f"{table}\n\nbfloat16's mean less float32's: {figures['difference']:+.4f}."


def memory_table(figures: Figures) -> str:
    """Peak memory of AlexNet's training in each library."""
    rows = [[row["contestant"], row["precision"], memory_peers.peak_text(row)] for row in figures["peaks"]]
    return markdown(["contestant", "precision", "peak, MB"], rows)


TABLES: dict[str, Callable[[Figures], str]] = {
    "training": training_table,
    "inference": inference_table,
    "input": input_table,
    "epoch": epoch_table,
    "start": start_table,
    "scaling": scaling_table,
    "filter_gradients": filter_table,
    "settings": settings_table,
    "memory_peers": memory_table,
    "precision": precision_table,
}


def _measured(name: str) -> list[Figures]:
    """What the files of a part hold."""
    paths = [RESULTS / f"{name}.json", *sorted(RESULTS.glob(f"{name}-*.json"))]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def summary() -> str:
    """How many times as fast as each library a step and a prediction are: the least and the largest median."""
    steps = [case for figures in _measured("training") for case in figures["cases"]]
    nets = [net for figures in _measured("inference") for net in figures["nets"].values()]
    work = {f"a training step, {p}": [step for step in steps if step["precision"] == p] for p in PRECISIONS}
    work |= {f"prediction with ten crops, {p}": [net[p] for net in nets] for p in PRECISIONS}
    rows = (
        [what, *(_range(cases, library) for library in ("torch", "keras"))] for what, cases in work.items()
    )
    return markdown(["images/s, project / peer", "PyTorch", "Keras"], rows)


def _range(cases: Iterable[Figures], library: str) -> str:
    medians = [compared[0].median for case in cases if (compared := _ratio(case, library))]
    return f"{min(medians):.2f} to {max(medians):.2f}" if medians else ""


def sections() -> Iterator[tuple[str, str]]:
    """Name and content of every part of the document that this program writes."""
    for name, table in TABLES.items():
        measured = _measured(name)
        missing = f"Not measured yet: `python -m benchmarks.{name} --output benchmarks/results/{name}.json`."
        yield name, "\n\n".join(f"{table(one)}\n\n{machine(one)}" for one in measured) or missing


def main() -> None:
    """Write the tables."""
    parser = ScriptParser(prog="python -m benchmarks.performance", description=str(__doc__).splitlines()[0])
    parser.parse_args()
    for name, content in sections():
        rewrite(DOCUMENT, name, content)
    rewrite(README, "speed", summary())
    print(f"written: {DOCUMENT}, {README}")


if __name__ == "__main__":
    run_script(main)
