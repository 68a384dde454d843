"""The page of a run: an HTML file in its folder that shows what lies there."""

import csv
import datetime
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from learning.errors import CheckpointError
from learning.files import write_text
from learning.run_directory import CONFIG_FILE, RunDirectory

PAGE_FILE = "index.html"
HISTORY_COLUMNS = {
    "epoch": "epoch",
    "learning_rate": "learning rate",
    "train_loss": "training loss",
    "train_score": "score of the last minibatch",
    "val_score": "validation score",
}
NUM_NAMES = 10  # of so many classes the names are listed in the table of facts


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page: a heading, then those of table, text and images that are given.

    :ivar heading: shown above, and in the page's list of contents.
    :ivar columns: the table's header; empty for none.
    :ivar rows: the table's cells; a number is shown to the right, a fraction with 4 digits, None as a dash.
    :ivar text: shown as it stands, in letters of equal width.
    :ivar images: (path relative to the page, caption); a path leads into the page's own folder or below.
    """

    heading: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    text: str = ""
    images: Sequence[tuple[str, str]] = ()


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fafafa; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid #ddd; }
h1, h2 { overflow-wrap: anywhere; }
nav a { margin-right: 1rem; color: #35618f; text-decoration: none; white-space: nowrap; }
.wide { overflow-x: auto; margin-bottom: 1.25rem; }
table { border-collapse: collapse; background: #fff; border: 1px solid #e2e2e2; font-size: .92rem; }
th, td { padding: .35rem .9rem; text-align: left; border-bottom: 1px solid #eee; }
th { background: #f1f3f5; font-weight: 600; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { background: #fff; border: 1px solid #e2e2e2; padding: 1rem; font-size: .85rem; line-height: 1.35; }
figure { margin: 0 0 1.5rem; }
img { max-width: 100%; background: #fff; border: 1px solid #e2e2e2; }
figcaption { color: #666; font-size: .9rem; }
"""


def write_page(path: str | Path, *, title: str, sections: Sequence[Section]) -> None:
    """Write one HTML file that shows a finished run: no scripts, no address outside its own folder.

    :param path: the file; the images of the sections are linked, not copied.
    :param title: shown at the top and as the window's title.
    :raises ValueError: an image that is not in the page's folder or below, or a row of another length than
        the table's header.
    """
    links = [f'<a href="#s{k}">{escape(section.heading)}</a>' for k, section in enumerate(sections)]
    body = [_section_html(f"s{k}", section) for k, section in enumerate(sections)]
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body><main>
<h1>{escape(title)}</h1>
<nav>{" ".join(links)}</nav>
{"".join(body)}</main></body>
</html>
"""
    write_text(Path(path), page.encode("utf-8", "replace").decode("utf-8"))


def _section_html(anchor: str, section: Section) -> str:
    parts = [f'<h2 id="{anchor}">{escape(section.heading)}</h2>']
    if section.columns or section.rows:
        parts.append(_table_html(section))
    if section.text:
        parts.append(f'<div class="wide"><pre>{escape(section.text)}</pre></div>')
    for image, caption in section.images:
        source, shown = quote(_checked_link(image), errors="surrogateescape"), escape(caption)
        parts.append(f'<figure><img src="{source}" alt="{shown}"><figcaption>{shown}</figcaption></figure>')
    return f"<section>\n{chr(10).join(parts)}\n</section>\n"


def _table_html(section: Section) -> str:
    for row in section.rows:
        if section.columns and len(row) != len(section.columns):
            raise ValueError(
                f"a row of section {section.heading!r} has {len(row)} cells for "
                f"{len(section.columns)} columns: {list(row)}; give one cell for each column"
            )
    header = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    rows = [f"<tr>{''.join(map(_cell_html, row))}</tr>\n" for row in section.rows]
    head = f"<thead><tr>{header}</tr></thead>\n" if header else ""
    return f'<div class="wide"><table>\n{head}<tbody>\n{"".join(rows)}</tbody>\n</table></div>'


def _cell_html(value: object) -> str:
    if value is None:
        return '<td class="number">&ndash;</td>'
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return f"<td>{escape(str(value))}</td>"
    if isinstance(value, float | np.floating):
        usual = value == 0 or 0.01 <= abs(value) < 10  # scores and losses, one below the other
        return f'<td class="number">{value:{".4f" if usual else ".4g"}}</td>'
    return f'<td class="number">{value}</td>'


def _checked_link(image: str) -> str:
    """A path that stays in the page's folder; ValueError for anything that leads elsewhere."""
    parts = PurePosixPath(image).parts
    if not parts or image.startswith("/") or ".." in parts or "\\" in image or ":" in parts[0]:
        raise ValueError(
            f"the image {image!r} is not in the page's folder; give a path relative to it, below it"
        )
    return image


def write_run_page(folder: Path) -> Path:
    """Write index.html of a run: scores, learning curves, recall by class, confusion matrix, configuration.

    The files that could not be read are listed too. What is not there yet (history.csv, test.json, a picture) is
    left out; pictures are linked, not copied.

    :param folder: a run directory.
    :return: the page.
    :raises CheckpointError: `folder` is no run directory, or a file in it cannot be read.
    """
    run = RunDirectory(folder)
    history = _parsed(folder / "history.csv", _parse_history) or []
    results = _parsed(folder / "test.json", _parse_results)
    sections = [_facts(run, _parsed(folder / "timing.csv", _parse_timing))]
    if history:
        curves = _pictures(folder, "learning_curves.png", "Loss, score and learning rate after each epoch")
        sections.append(_learning(history, results.epoch if results else None, curves))
    if results:
        sections = [results.scores, *sections, results.recall]
    for heading, name, caption in (
        ("Confusion matrix", "test-confusion.png", "Counts; the colour is the share of the true class"),
        (
            "Training images",
            "augmented.png",
            "Some training images as the network sees them in the first epoch",
        ),
    ):
        if pictures := _pictures(folder, name, caption):
            sections.append(Section(heading=heading, images=pictures))
    if bad_files := run.info.get("bad_files"):
        sections.append(Section(heading="Unreadable files", columns=["file", "reason"], rows=bad_files))
    text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    sections.append(Section(heading="Configuration", text=text.strip()))
    write_page(folder / PAGE_FILE, title=f"Run {folder.resolve().name}", sections=sections)
    return folder / PAGE_FILE


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    """What `parse` makes of a file's text, None where there is no file."""
    if not path.is_file():
        return None
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"cannot read {path}: {type(error).__name__}: {reason}; restore it from a copy, or remove it"
        ) from error


def _parse_history(text: str) -> list[dict[str, Any]]:
    """history.csv: a row for each epoch, None for an empty cell."""
    rows = [
        {key: float(row[key]) if row[key] else None for key in HISTORY_COLUMNS}
        for row in csv.DictReader(text.splitlines())
    ]
    return [{**row, "epoch": int(row["epoch"] or 0)} for row in rows]


def _parse_timing(text: str) -> str:
    """timing.csv: the time of all epochs together, as hours, minutes and seconds."""
    seconds = math.fsum(float(row["seconds"]) for row in csv.DictReader(text.splitlines()))
    return str(datetime.timedelta(seconds=round(seconds)))


class _Results(NamedTuple):
    epoch: int  # whose weights were tested
    scores: Section  # a row for each way of cropping
    recall: Section


def _parse_results(text: str) -> _Results:
    """test.json: what `evaluate` returned, with the split and the epoch."""
    results = json.loads(text)
    columns = list(results["scores"][0])
    rows = [[entry[column] for column in columns] for entry in results["scores"]]
    heading = f"Scores on {results['num_images']} {results['split']} images"
    totals = np.array(results["confusion_matrix"], np.int64).sum(axis=1).tolist()  # (K,)
    recall = list(zip(results["class_names"], totals, results["per_class_recall"], strict=True))
    return _Results(
        results["epoch"],
        Section(heading=heading, columns=columns, rows=rows),
        Section(heading="Recall by class", columns=["class", "images", "recall"], rows=recall),
    )


def _facts(run: RunDirectory, training_time: str | None) -> Section:
    """What was trained on what, in what time."""
    info, names = run.info, run.class_names
    listed = ", ".join(names[:NUM_NAMES]) + (", ..." if len(names) > NUM_NAMES else "")
    facts = {
        "recipe": run.config.recipe,
        "network": run.config.model.name,
        "precision": run.config.model.precision,
        "input": " x ".join(map(str, run.input_shape)),
        "data": run.config.data.name,
        "images": _listed(info.get("num_images", {})),
        "classes": f"{len(names)}: {listed}",
        "started": info.get("started", ""),
        "training time": training_time,
        "versions": _listed(info.get("versions", {})),
    }
    return Section(heading="The run", rows=[pair for pair in facts.items() if pair[1]])


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _learning(
    history: Sequence[Mapping[str, Any]], tested: int | None, curves: list[tuple[str, str]]
) -> Section:
    """The curves, and in figures the epoch that was tested and the last one."""
    named = {history[-1]["epoch"]: ["last"]}
    if tested is not None:
        named.setdefault(tested, []).append("tested")
    rows = [
        [", ".join(named[row["epoch"]]), *(row[key] for key in HISTORY_COLUMNS)]
        for row in history
        if row["epoch"] in named
    ]
    return Section(heading="Learning", columns=["", *HISTORY_COLUMNS.values()], rows=rows, images=curves)


def _pictures(folder: Path, name: str, caption: str) -> list[tuple[str, str]]:
    """The picture and its caption, if it is there."""
    return [(name, caption)] if (folder / name).is_file() else []
