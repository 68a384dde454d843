"""The runs of benchmarks/accuracy/why77.py as figures, a table and a picture."""

import json
import math
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.accuracy.reproduce import read_csv, read_json
from benchmarks.accuracy.runs import ROOT, is_finished
from benchmarks.accuracy.why77 import ROWS, Row, run_path, shown_command
from benchmarks.harness.documents import markdown, rewrite
from datasets.storage.atomic import write_text
from learning.machine.cpu import processor_name, usable_cores
from learning.reports.drawing import save

RESULTS = Path("benchmarks/results/why-77.json")
PICTURE = Path("docs/why-77.png")
TEXT = Path("docs/why-77.md")
PART = "table"
PAPER_RECIPE = Path("benchmarks/results/resnet20-cifar10-paper")
POST, PAPER = 0.7719, 0.9125  # test accuracies: the post's, and the paper's on the official files
RUN_COLOUR, MEAN_COLOUR = "#4c72b0", "#dd8452"


def read_run(path: Path) -> dict[str, Any]:
    """What a finished run reached: test accuracy with one crop and with all, last losses, epochs, minutes."""
    test = read_json(path / "test.json")
    one, many = test["scores"]
    history = read_csv(path / "history.csv")
    seconds = [float(row["seconds"]) for row in read_csv(path / "timing.csv")]
    info = read_json(path / "run.json")
    return {
        "accuracy": one["accuracy"],
        "accuracy_all_crops": many["accuracy"],
        "tested_epoch": test["epoch"],
        "train_loss": float(history[-1]["train_loss"]),  # weight decay included
        "val_loss": float(history[-1]["val_score"]),  # the post's recipe is judged by the mean cross-entropy
        "epochs": len(history),
        "minutes": round(math.fsum(seconds) / 60, 2),
        "num_images": info["num_images"],
        "versions": info["versions"],
        "started": info["started"],
    }


def gather(runs_dir: Path, epochs: int, seeds: Sequence[int], limit: int | None = None) -> dict[str, Any]:
    """All rows with their finished runs; `gain` is the mean's over that of the row before, where both are there."""
    rows: list[dict[str, Any]] = []
    for row in ROWS:
        paths = {seed: run_path(runs_dir, row, seed) for seed in seeds}
        runs = {str(seed): read_run(path) for seed, path in paths.items() if is_finished(path)}
        entry = _row_figures(row, runs)
        before = rows[-1]["accuracy"] if rows else None
        known = entry["accuracy"] is not None and before is not None
        entry["gain"] = round(entry["accuracy"] - before, 6) if known else None
        rows.append(entry | {"command": shown_command(row, epochs=epochs, limit=limit), "runs": runs})
    started = [run["started"] for entry in rows for run in entry["runs"].values()]
    return {
        "post": POST,
        "paper": PAPER,
        "paper_recipe": _paper_recipe(),
        "epochs": epochs,
        "seeds": list(seeds),
        "limit": limit,
        "processor": processor_name(),
        "cores": usable_cores(),
        "date": max(started, default="")[:10],
        "rows": rows,
    }


def _paper_recipe() -> float | None:
    """What the paper's whole training reached on the same files, where it was run."""
    test = read_json(ROOT / PAPER_RECIPE / "test.json")
    return test["scores"][0]["accuracy"] if test else None


def _row_figures(row: Row, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds; None where no run is finished."""
    means = {
        key: round(statistics.fmean(run[key] for run in runs.values()), 6) if runs else None
        for key in ("accuracy", "epochs", "minutes")
    }
    return {"name": row.name, "sentence": row.sentence, "options": list(row.options), **means}


def table(figures: dict[str, Any]) -> str:
    """The rows as a Markdown table."""
    seeds = figures["seeds"]
    header = ("row", "what changes", "test accuracy", "each seed", "gain", "epochs", "minutes")
    rows = []
    for row in figures["rows"]:
        each = ", ".join(_percent(row["runs"].get(str(seed), {}).get("accuracy")) for seed in seeds)
        gain = "" if row["gain"] is None else f"{100 * row['gain']:+.2f}"
        cells = [row["name"], row["sentence"], _percent(row["accuracy"]), each, gain]
        cells += ["" if row[key] is None else f"{row[key]:.1f}" for key in ("epochs", "minutes")]
        rows.append(cells)
    return markdown(header, rows)


def _percent(accuracy: float | None) -> str:
    return "not run yet" if accuracy is None else f"{100 * accuracy:.2f}%"


def section(figures: dict[str, Any]) -> str:
    """What stands between the markers: the table, what it was measured with, the picture, the commands."""
    seeds = ", ".join(map(str, figures["seeds"]))
    head = f"Seeds {seeds}, at most {figures['epochs']} epochs each, one crop"
    if figures["limit"] is not None:
        head += f", a trial on {figures['limit']} images"
    parts = [f"{head}; epochs and minutes are means over the seeds.", table(figures)]
    if any(row["runs"] for row in figures["rows"]):
        parts.append(f"Measured on {figures['cores']} cores of {figures['processor']} ({figures['date']}).")
        parts.append(f"![test accuracy of each row, a point per seed]({PICTURE.name})")
    commands = "\n".join(row["command"] for row in figures["rows"])
    parts.append(f"The runs, here with the seed 0:\n\n```bash\n{commands}\n```")
    return "\n\n".join(parts)


def draw(figures: dict[str, Any], path: Path) -> None:
    """The test accuracy of each row, a point per seed and a line at their mean; the post's and the paper's."""
    names = [row["name"] for row in figures["rows"]]
    figure = Figure(figsize=(8, 0.6 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(figures["rows"]):
        values = [100 * run["accuracy"] for run in row["runs"].values()]
        if values:
            axes.plot([100 * row["accuracy"]] * 2, [place - 0.3, place + 0.3], color=MEAN_COLOUR, linewidth=2)
            axes.plot(values, [place] * len(values), "o", color=RUN_COLOUR, markersize=6)
    marks = {
        "the post": POST,
        "the paper": PAPER,
        "the paper's recipe on these files": figures["paper_recipe"],
    }
    for label, accuracy in marks.items():
        if accuracy is None:
            continue
        axes.axvline(100 * accuracy, color="0.4", linestyle="--", linewidth=1)
        axes.annotate(
            f"{label}\n{100 * accuracy:.2f}%", (100 * accuracy, 1.01), xycoords=("data", "axes fraction"),
            ha="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first row on top
    axes.set_xlabel("test accuracy in percent: a point per seed, a line at their mean")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def report(runs_dir: Path, root: Path, epochs: int, seeds: Sequence[int], limit: int | None = None) -> None:
    """Write figures, picture and the text's table under `root`, and print the table.

    :param root: this clone, or another folder, which gets its text from this clone where it has none.
    """
    figures = gather(runs_dir, epochs, seeds, limit)
    for path in (RESULTS, TEXT):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    if not (root / TEXT).is_file():
        shutil.copyfile(ROOT / TEXT, root / TEXT)
    rewrite(root / TEXT, PART, section(figures))
    if any(row["runs"] for row in figures["rows"]):
        write_text(root / RESULTS, json.dumps(figures, indent=1) + "\n")
        draw(figures, root / PICTURE)
    print(table(figures))
