"""Write the tables of docs/ and README.md from the files in benchmarks/results/.

A benchmark's files are NAME.json and NAME-ANYTHING.json. Those from another kind of processor are in a folder named
after its instruction set, such as benchmarks/results/avx2/. The text around the tables is written by hand.
"""

import json
from collections.abc import Callable, Iterator, Sequence

from benchmarks.__main__ import COMMANDS, benchmark
from benchmarks.cluster.scaling import simulated_table
from benchmarks.harness.benchmark import command_parser
from benchmarks.harness.comparison import PEERS, measured_peers, newest_instructions, range_of_medians
from benchmarks.harness.markdown import README, RESULTS, ROOT, markdown, rewrite
from benchmarks.harness.results import Figures

DOCUMENT = ROOT / "docs" / "performance.md"
EXPORT = ROOT / "docs" / "export.md"
SCALE = ROOT / "docs" / "scale.md"
WHY77 = ROOT / "docs" / "why-77.md"
ELSEWHERE = ("exports", "reproduce", "performance")  # commands that have no part in DOCUMENT


def scaling_table(figures: Figures) -> str:
    """Return time and memory by size, from the figures of a retired benchmark."""
    rows = []
    for what, found in figures["sweeps"].items():
        for row in found["rows"]:
            rate, peak = f"{row['images_per_second']:,.0f}", f"{row['peak_bytes'] / 1e6:,.0f}"
            rows.append([what, f"{row['size']:,}", rate, f"{row['seconds']:.3g}", peak])
        for which, text in (("exponents", "exponent"), ("last_exponents", "of the two largest")):
            seconds, peak = (f"{found[which][key]:.2f}" for key in ("seconds", "peak_bytes"))
            rows.append([what, text, "", seconds, peak])
    return markdown(["what grows", "size", "images/s", "seconds", "peak RssAnon, MB"], rows)


def precision_table(figures: Figures) -> str:
    """Return test accuracies of train.py in both precisions, from the figures of a retired benchmark."""
    rows = [
        [figures["recipe"], f"{figures['epochs'] or 'all'}", precision, *(f"{value:.4f}" for value in values)]
        for precision, values in figures["accuracies"].items()
    ]
    seeds = [f"seed {seed}" for seed in figures["seeds"]]
    table = markdown(["recipe", "epochs", "precision", *seeds], rows)
    return f"{table}\n\nThe mean of bfloat16 minus that of float32: {figures['difference']:+.4f}."


TABLES: dict[str, Callable[[Figures], str]] = {
    **{name: benchmark(name).table for name in COMMANDS if name not in ELSEWHERE},
    "scaling": scaling_table,
    "precision": precision_table,
}
NEEDED = {"transfer": " --data-dir DIR"}  # options that the command requires
PICTURES = {"transfer": "accuracy-by-images.png"}  # in docs/, drawn by the command
ALTS = {"transfer": "accuracy by the number of images per class: from scratch, the last layer, all layers"}


def machine(figures: Figures) -> str:
    """Return a sentence with the machine, the date, the versions, and what was left out.

    memory-files.json was written by an earlier version, which recorded only the processor and the versions.
    """
    if "environment" not in figures:
        name, cores = figures["processor"]
        return f"{name}, {cores} cores; {_versions(figures)}."
    found = figures["environment"]
    flags = ", ".join(found["flags"]) or "none of the flags that matter"
    if found.get("played"):
        flags = f"limited to {found['played']} (it has {flags})"
    if found.get("kernels"):
        flags = f"{flags}, {found['kernels']} kernels in TensorFlow"
    processor = "; ".join(filter(None, (found.get("gpu"), found["processor"])))
    load, options = found["load_before"], figures.get("options", {})
    beside = "" if load is None else f"; load before {load:.1f}"
    rounds = f"; {options['rounds']} rounds" if "rounds" in options else ""
    each = f" of {options['seconds']:g} s" if "seconds" in options else ""
    revision = f"; revision {found['revision']}" if found.get("revision") else ""
    left_out = "".join(
        f" {name} is left out: {reason}." for name, reason in figures.get("left_out_precisions", {}).items()
    )
    return (
        f"{processor}, {found['cores']} cores, {found['threads']} threads, {flags}; {_versions(found)}; "
        f"{found['date']}{rounds}{each}{beside}{revision}.{left_out}"
    )


def _versions(found: Figures) -> str:
    return ", ".join(f"{name} {number}" for name, number in found["versions"].items())


def why77_part() -> str:
    """Return the generated part of docs/why-77.md: the table, the conditions, the picture and the commands."""
    figures = json.loads((RESULTS / "why-77.json").read_text(encoding="utf-8"))
    rows = []
    for row in figures["rows"]:
        each = ", ".join(f"{100 * row['runs'][str(seed)]['accuracy']:.2f}%" for seed in figures["seeds"])
        gain = "" if row["gain"] is None else f"{100 * row['gain']:+.2f}"
        cells = [row["name"], row["sentence"], f"{100 * row['accuracy']:.2f}%", each, gain]
        rows.append([*cells, f"{row['epochs']:.1f}", f"{row['minutes']:.1f}"])
    header = ("row", "what changes", "test accuracy", "each seed", "gain", "epochs", "minutes")
    seeds, commands = ", ".join(map(str, figures["seeds"])), (row["command"] for row in figures["rows"])
    return "\n\n".join(
        [
            f"Seeds {seeds}, at most {figures['epochs']} epochs each, one crop; epochs and minutes are means over "
            "the seeds.",
            markdown(header, rows),
            f"Measured on {figures['cores']} cores of {figures['processor']} ({figures['date']}).",
            "![test accuracy of each row, a point per seed](why-77.png)",
            "The runs, here with the seed 0:",
            "\n".join(["```bash", *commands, "```"]),
        ]
    )


def measured(name: str) -> list[Figures]:
    """Return the content of a benchmark's files, processor by processor."""
    folders = [RESULTS, *sorted(path for path in RESULTS.iterdir() if path.is_dir())]
    paths = [
        path
        for folder in folders
        for path in (folder / f"{name}.json", *sorted(folder.glob(f"{name}-*.json")))
        if path.exists()
    ]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def summary() -> str:
    """Return a table of the smallest and the largest median ratio to each library, for steps and predictions.

    Each kind of processor, identified by its newest instruction set, has a row.
    """
    cases: dict[tuple[str, str], list[Figures]] = {}
    for figures in measured("training"):
        for found in figures["cases"]:
            what = f"a training step, {found['precision']}"
            cases.setdefault((what, newest_instructions(figures["environment"])), []).append(found)
    for figures in measured("inference"):
        for by_precision in figures["nets"].values():
            for which, found in by_precision.items():
                what = f"prediction with ten crops, {which}"
                cases.setdefault((what, newest_instructions(figures["environment"])), []).append(found)
    peers = measured_peers(found for row in cases.values() for found in row)
    rows = ([*what, *(range_of_medians(row, peer) for peer in peers)] for what, row in cases.items())
    return markdown(["images/s, project / peer", "processor", *(PEERS[peer] for peer in peers)], rows)


def parts() -> Iterator[tuple[str, str]]:
    """Yield the name and the content of every generated part of the document."""
    for name, table in TABLES.items():
        yield name, part(name, table)


def part(name: str, table: Callable[[Figures], str]) -> str:
    """Return the tables of a benchmark, and its picture if it has one."""
    command = f"python -m benchmarks {name}{NEEDED.get(name, '')}"
    missing = f"Not measured yet: `{command} --output benchmarks/results/{name}.json`."
    tables = [(machine(one), table(one)) for one in measured(name)]
    content = [f"{about}\n\n{rows}" for about, rows in tables if rows] or [missing]
    if (picture := PICTURES.get(name)) and (DOCUMENT.parent / picture).exists():
        content.append(f"![{ALTS[name]}]({picture})")
    return "\n\n".join(content)


def main(words: Sequence[str]) -> None:
    """Write the tables."""
    command_parser("performance", str(__doc__)).parse_args(words)
    for name, content in parts():
        rewrite(DOCUMENT, name, content)
    rewrite(EXPORT, "exports", part("exports", benchmark("exports").table))
    rewrite(SCALE, "simulation", part("workers", simulated_table))
    rewrite(README, "speed", summary())
    rewrite(WHY77, "table", why77_part())
    print(f"written: {DOCUMENT}, {EXPORT}, {SCALE}, {README}, {WHY77}")
