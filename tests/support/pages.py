"""Read HTML pages: their text, tags and tables; and make the folder of a run as training leaves it."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.storage.atomic import write_csv
from learning.config.run_config import RunConfig
from learning.runs.directory import RunDirectory


class PageReader(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    reader = PageReader()
    reader.feed(Path(path).read_text(encoding="utf-8"))
    assert not reader.open
    return reader


def cells(path):
    """The text of each table row of a page."""
    html = Path(path).read_text(encoding="utf-8")
    rows = []
    for part in html.split("<tr>")[1:]:
        reader = PageReader()
        reader.open.append("tr")
        reader.feed(part.split("</tr>")[0])
        rows.append([text for text in reader.text if text.strip()])
    return rows


def results(matrix, names, *, split="test", epoch=2, **more):
    """What test.json holds, for a confusion matrix."""
    matrix = np.asarray(matrix)
    accuracy = float(np.trace(matrix) / matrix.sum())
    scores = [{"crops": 1, "accuracy": accuracy, "seconds": 0.5}]
    recalls = [float(row[k] / row.sum()) if row.sum() else None for k, row in enumerate(matrix)]
    base = {"num_images": int(matrix.sum()), "class_names": list(names), "scores": scores}
    base |= {"per_class_recall": recalls, "confusion_matrix": matrix.tolist(), "split": split, "epoch": epoch}
    return base | more


def history(epochs, **columns):
    """The rows of history.csv; a column is a value or a function of the epoch."""
    usual = {"learning_rate": 0.01, "train_loss": 0.5, "train_score": 0.9, "val_score": 0.8, "val_loss": 0.6}
    return [
        {"epoch": epoch, "step": 10 * epoch}
        | {key: value(epoch) if callable(value) else value for key, value in (usual | columns).items()}
        for epoch in range(1, epochs + 1)
    ]


def make_run(path, *, names=("cat", "dog"), config=None, info=None, rows=(), tested=None, training=None):
    """Make a run directory as training and testing leave it, without weights.

    :param training: images of the training score and how many of them are recognised: two numbers, or two lists
        with a number for each class.
    """
    base = {"class_names": list(names), "input_shape": [64, 64, 3], "num_images": {}, "bad_files": []}
    run = RunDirectory.create(path, config or RunConfig(recipe="pets"), base | (info or {}))
    if rows:
        write_csv(path / "history.csv", rows)
    if tested is not None:
        (path / "test.json").write_text(json.dumps(tested), encoding="utf-8")
    if training is not None:
        images, right = (np.asarray(counts).ravel().tolist() for counts in training)
        found = {"epoch": tested["epoch"], "num_images": images, "num_right": right, "score": None}
        (path / "training-score.json").write_text(json.dumps(found), encoding="utf-8")
    return run.path


def png(path, size=(4, 4), colour="black"):
    Image.new("RGB", size, colour).save(path)
    return path.read_bytes()
