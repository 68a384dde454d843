"""The tables of docs/performance.md and their summary in README.md, from the figures in benchmarks/results.

    python -m benchmarks.speed.performance

Every table is of one JSON file, NAME.json or NAME-WHATEVER.json, which `python -m benchmarks.NAME` writes; a part
without any says how to make one. The files of a further kind of processor lie in a folder beside the first ones,
such as benchmarks/results/avx2. The text around the tables is written by hand.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.harness.commands import POST
from benchmarks.harness.documents import README, markdown, rewrite
from benchmarks.harness.figures import rate, spread
from benchmarks.harness.sides import PROJECT
from benchmarks.speed import filter_gradients, memory_peers, scaling, settings, start
from benchmarks.speed.tables import (
    PEERS,
    Figures,
    inference_table,
    measured_peers,
    newest_instructions,
    range_of_medians,
    to_library,
    training_table,
)
from learning.terminal.command import ScriptParser, run_script

RESULTS = Path(__file__).resolve().parents[1] / "results"
DOCUMENT = README.parent / "docs" / "performance.md"
DECODE_GOAL, BATCH_GOAL = 1.2, 15_000


def machine(figures: Figures) -> str:
    """On what, when, by which versions; and what is not measured there."""
    found = figures["environment"]
    flags = ", ".join(found["flags"]) or "none of the flags that matter"
    if found.get("played"):
        flags = f"held to {found['played']} (it has {flags})"
    if found.get("kernels"):
        flags = f"{flags}, {found['kernels']} kernels in TensorFlow"
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    load, options = found["load_before"], figures.get("options", {})
    beside = "" if load is None else f"; load before {load:.1f}"
    rounds = f"; {options['rounds']} rounds" if "rounds" in options else ""
    each = f" of {options['seconds']:g} s" if "seconds" in options else ""
    revision = f"; revision {found['revision']}" if found.get("revision") else ""
    left_out = "".join(
        f" {name} is left out: {reason}." for name, reason in figures.get("left_out_precisions", {}).items()
    )
    return (
        f"{found['processor']}, {found['cores']} cores, {found['threads']} threads, {flags}; {versions}; "
        f"{found['date']}{rounds}{each}{beside}{revision}.{left_out}"
    )


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
            *(to_library(figures[key], library) for library in libraries),
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
        [
            _with_precision(recipe, found),
            rate(found["images_per_second"][PROJECT]),
            spread(found["ratio"]),
            f"{figures['goal']}",
        ]
        for recipe, found in figures["recipes"].items()
    ]
    return markdown(["recipe", "epoch, images/s", "to the bare step", "goal"], rows)


def _with_precision(name: str, found: Figures) -> str:
    """The name of what was measured, and its precision where that is not bfloat16."""
    return f"{name}, float32" if found.get("precision") == "float32" else name


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
    """What the files of a part hold, processor by processor."""
    folders = [RESULTS, *sorted(path for path in RESULTS.iterdir() if path.is_dir())]
    paths = [
        path
        for folder in folders
        for path in (folder / f"{name}.json", *sorted(folder.glob(f"{name}-*.json")))
    ]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def summary() -> str:
    """How many times as fast as each library a step and a prediction are: the least and the largest median.

    A row for each kind of processor, by its newest instructions.
    """
    work: dict[tuple[str, str], list[Figures]] = {}
    for figures in _measured("training"):
        for case in figures["cases"]:
            what = f"a training step, {case['precision']}"
            work.setdefault((what, newest_instructions(figures["environment"])), []).append(case)
    for figures in _measured("inference"):
        for by_precision in figures["nets"].values():
            for precision, found in by_precision.items():
                what = f"prediction with ten crops, {precision}"
                work.setdefault((what, newest_instructions(figures["environment"])), []).append(found)
    peers = measured_peers(found for cases in work.values() for found in cases)
    rows = ([*what, *(range_of_medians(cases, peer) for peer in peers)] for what, cases in work.items())
    return markdown(["images/s, project / peer", "processor", *(PEERS[peer] for peer in peers)], rows)


def sections() -> Iterator[tuple[str, str]]:
    """Name and content of every part of the document that this program writes."""
    for name, table in TABLES.items():
        measured = _measured(name)
        missing = f"Not measured yet: `python -m benchmarks.{name} --output benchmarks/results/{name}.json`."
        yield name, "\n\n".join(f"{machine(one)}\n\n{table(one)}" for one in measured) or missing


def main() -> None:
    """Write the tables."""
    parser = ScriptParser(
        prog="python -m benchmarks.speed.performance", description=str(__doc__).splitlines()[0]
    )
    parser.parse_args()
    for name, content in sections():
        rewrite(DOCUMENT, name, content)
    rewrite(README, "speed", summary())
    print(f"written: {DOCUMENT}, {README}")


if __name__ == "__main__":
    run_script(main)
