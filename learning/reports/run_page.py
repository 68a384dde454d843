"""Write the page of a run: one HTML file that says how good the network is, where it errs, and what to try next."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learning.config.run_config import RunConfig
from learning.findings.advice import advice
from learning.findings.summary import findings
from learning.pictures.loss_names import VALIDATION, training_loss_name
from learning.reports.charts import Curve, line_chart
from learning.reports.html import Section, read_picture, write_page
from learning.reports.tested import SPLITS, other_tests, tested_sections
from learning.runs.directory import CONFIG_FILE, RunDirectory
from learning.runs.files import RunFiles, Tested, read_run

PAGE_FILE = "index.html"
COLUMNS = {
    "epoch": "epoch",
    "learning_rate": "learning rate",
    "train_loss": "training loss",
    "train_score": "{} of the last minibatch",
    "val_loss": "validation loss",
    "val_score": "validation {}",
}
NUM_NAMES = 10  # classes that the table of facts names
NUM_VARIABLES = 6  # new variables that it names
PICTURES = {  # caption by file
    "augmented-forms.png": "A training image as tests crop it, and as the first eight epochs show it",
    "augmented.png": "Some training images as the network sees them in the first epoch",
}


def write_run_page(folder: Path) -> Path:
    """Write index.html of a run, with its pictures inside. Sections without figures yet are left out.

    :param folder: a run directory.
    :return: the page.
    :raises CheckpointError: `folder` is not a run directory, or a file in it cannot be read.
    """
    files = read_run(folder)
    run, tested = files.run, files.tested
    sections: list[Section | None] = [Section(heading="In short", lines=findings(files))]
    if suggestions := advice(files):
        sections.append(Section(heading="What to try next", points=suggestions))
    if tested is not None:
        sections += tested_sections(tested, run.path, run.info.get("class_counts", {}))
    if files.history:
        sections.append(_learning(files))
    sections += [other_tests(files.other_tests), _training_images(run), _facts(files)]
    if bad_files := run.info.get("bad_files"):
        sections.append(Section(heading="Unreadable files", columns=["file", "reason"], rows=bad_files))
    text = (run.path / CONFIG_FILE).read_text(encoding="utf-8")
    sections.append(Section(heading="Configuration", text=text.strip(), is_folded=True))
    title = f"Run {run.path.resolve().name}"
    page = run.path / PAGE_FILE
    write_page(page, title=title, sections=[section for section in sections if section is not None])
    return page


def _training_images(run: RunDirectory) -> Section | None:
    pictures = [read_picture(run.path / name, caption) for name, caption in PICTURES.items()]
    found = [picture for picture in pictures if picture is not None]
    return Section(heading="Training images", pictures=found) if found else None


def _facts(files: RunFiles) -> Section:
    """Return which network was trained on which data, from which weights, and for how long."""
    run = files.run
    info, names = run.info, run.class_names
    listed = ", ".join(names[:NUM_NAMES]) + (", ..." if len(names) > NUM_NAMES else "")
    facts = {
        "recipe": run.config.recipe,
        "network": run.config.model.name,
        "weights": _start(run),
        "precision": run.config.model.precision,
        "input": " x ".join(map(str, run.input_shape)),
        "data": run.config.data.name,
        "images": _listed(run.num_images),
        "classes": f"{len(names)}: {listed}",
        "started": info.get("started", ""),
        "training time": _duration(files.seconds),
        "versions": _listed(info.get("versions", {})),
        "computed by": "; then ".join(map(_machine, info.get("machines", []))),
    }
    return Section(heading="The run", rows=[pair for pair in facts.items() if pair[1]])


def _start(run: RunDirectory) -> str:
    """Say which weights training started from, and which of them it changed."""
    found = run.info.get("init")
    if not isinstance(found, Mapping):
        return "random initial weights"
    parts = [f"loaded from {found.get('source')} ({found.get('form')}): {found.get('loaded')} variables"]
    if new := found.get("new"):
        named = ", ".join(map(str, new[:NUM_VARIABLES])) + (", ..." if len(new) > NUM_VARIABLES else "")
        parts.append(f"{len(new)} new ({named})")
    if frozen := found.get("frozen"):
        parts.append(f"{len(frozen)} frozen")
    if probe := found.get("linear_probe"):
        parts.append(f"the last layer first fitted ({probe})")
    return "; ".join(parts)


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else str(datetime.timedelta(seconds=round(seconds)))


def _machine(found: Mapping[str, object]) -> str:
    """Describe one of the machines that `learning.machine.identity` recorded."""
    return (
        f"{found.get('gpu') or found.get('processor')}, {found.get('kernels')} kernels, {found.get('threads')} "
        f"threads, TensorFlow {found.get('tensorflow')}, after update {found.get('from_step', 0)}"
    )


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _learning(files: RunFiles) -> Section:
    """Return the curves, and the numbers of the tested epoch and the last one."""
    history, tested = files.history, files.tested
    named = {history[-1]["epoch"]: ["last"]}
    if tested is not None:
        named.setdefault(tested.epoch, []).append("tested")
    config = files.run.config
    columns = {key: text.format(config.train.evaluator) for key, text in COLUMNS.items()}
    columns |= {"train_loss": training_loss_name(config), "val_loss": VALIDATION}
    if all(row["val_loss"] is None for row in history):
        del columns["val_loss"]
    rows = [
        [", ".join(named[row["epoch"]]), *(row[key] for key in columns)]
        for row in history
        if row["epoch"] in named
    ]
    return Section(
        heading="Learning",
        charts=learning_charts(
            history, config, tested, None if files.training is None else files.training.score
        ),
        columns=["", *columns.values()],
        rows=rows,
    )


def learning_charts(
    history: Sequence[Mapping[str, Any]],
    config: RunConfig,
    tested: Tested | None = None,
    training_score: float | None = None,
) -> list[Any]:
    """Return the curves of loss, score and learning rate.

    :param training_score: of the tested epoch's weights on whole training images.
    """
    evaluator = config.train.evaluator
    epochs = [row["epoch"] for row in history]

    def curve(label: str, key: str) -> Curve:
        return Curve(label=label, x=epochs, y=[row[key] for row in history])

    scores = [curve("last minibatch", "train_score"), curve("validation", "val_score")]
    if tested is not None:
        x = [float(tested.epoch)]
        if training_score is not None:
            scores.append(Curve(label="training images, a whole pass", x=x, y=[training_score], is_mark=True))
        value = tested.scores[-1].get(evaluator)
        scores.append(Curve(label=SPLITS.get(tested.split, tested.split), x=x, y=[value], is_mark=True))
    marked = None if tested is None else tested.epoch
    losses = [curve(training_loss_name(config), "train_loss"), curve(VALIDATION, "val_loss")]
    rates = [curve("learning rate", "learning_rate")]
    return [
        line_chart(losses, x_name="epoch", y_name="loss", caption="Loss", marked=marked),
        line_chart(
            scores,
            x_name="epoch",
            y_name=evaluator,
            caption=f"{evaluator[0].upper()}{evaluator[1:]}",
            marked=marked,
        ),
        line_chart(
            rates, x_name="epoch", y_name="learning rate", caption="Learning rate", is_log=True, marked=marked
        ),
    ]
