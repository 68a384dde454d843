"""learning/reports/run_page.py: pages are parsed for their text, links and closed tags."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.storage.atomic import write_csv
from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import CheckpointError
from learning.reports.html import Section, write_page
from learning.reports.run_page import write_run_page
from learning.runs.directory import RunDirectory

PICTURES = ("learning_curves.png", "test-confusion.png", "augmented.png")


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

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    reader = PageReader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert not reader.open
    return reader


class TestPage:
    def test_everything_is_on_it(self, tmp_path):
        recall = Section(
            heading="Recall", columns=["class", "recall"], rows=[("cat", 0.98765), ("dog", None)]
        )
        images = Section(heading="Pictures", images=[("pictures/learning curves.png", "Curves")])
        write_page(tmp_path / "index.html", title="A run", sections=[recall, images])
        page = read_page(tmp_path / "index.html")
        text = " ".join(page.text)
        assert all(part in text for part in ("A run", "Recall", "cat", "0.9877", "\N{EN DASH}", "Curves"))
        assert ("src", "pictures/learning%20curves.png") in page.attributes
        assert ("href", "#s1") in page.attributes
        assert ("id", "s1") in page.attributes

    def test_kinds_of_cells(self, tmp_path):
        rows = [(1, 12345678, np.float32(0.5), np.int64(7), True, "x", float("nan"), 0.0, 2.5e-7, 12.5)]
        write_page(tmp_path / "index.html", title="t", sections=[Section(heading="h", rows=rows)])
        html = (tmp_path / "index.html").read_text(encoding="utf-8")
        number = '<td class="number">'
        cells = f"{number}1</td>{number}12345678</td>{number}0.5000</td>{number}7</td><td>True</td><td>x</td>"
        assert cells + f"{number}nan</td>{number}0.0000</td>{number}2.5e-07</td>{number}12.5</td>" in html
        assert "<thead>" not in html

    def test_hostile_texts_stay_texts(self, tmp_path):
        hostile = "\"'><script>alert(1)</script>&amp;"
        section = Section(
            heading=hostile, columns=[hostile], rows=[[hostile]], text=hostile, images=[("a.png", hostile)]
        )
        write_page(tmp_path / "index.html", title=hostile, sections=[section])
        page = read_page(tmp_path / "index.html")
        assert "script" not in page.tags
        assert ("alt", hostile) in page.attributes
        # title, h1, list of contents, heading, header, cell, text, caption
        assert page.text.count(hostile) == 8

    def test_nothing_is_fetched_from_elsewhere(self, tmp_path):
        write_page(tmp_path / "index.html", title="t", sections=[])
        html = (tmp_path / "index.html").read_text(encoding="utf-8")
        assert "//" not in html
        assert not {"script", "link", "iframe"} & set(read_page(tmp_path / "index.html").tags)

    @pytest.mark.parametrize(
        "image",
        [
            "/etc/x.png",
            "../x.png",
            "a/../../x.png",
            "//host/x.png",
            "https://host/x.png",
            "data:x",
            "..\\x",
            "",
        ],
    )
    def test_image_elsewhere(self, tmp_path, image):
        section = Section(heading="h", images=[(image, "caption")])
        with pytest.raises(ValueError, match="is not in the page's folder; give a path relative to it"):
            write_page(tmp_path / "index.html", title="t", sections=[section])
        assert not list(tmp_path.iterdir())

    def test_row_of_another_length(self, tmp_path):
        section = Section(heading="Recall", columns=["a", "b"], rows=[(1, 2, 3)])
        with pytest.raises(ValueError, match="a row of section 'Recall' has 3 cells for 2 columns"):
            write_page(tmp_path / "index.html", title="t", sections=[section])

    def test_an_image_whose_name_is_not_unicode(self, tmp_path):
        section = Section(heading="h", images=[("a\udcff?#.png", "caption")])
        write_page(tmp_path / "index.html", title="t", sections=[section])
        assert ("src", "a%FF%3F%23.png") in read_page(tmp_path / "index.html").attributes

    def test_letters_that_are_not_unicode(self, tmp_path):
        write_page(tmp_path / "index.html", title="a\udcff고", sections=[])
        assert "<title>a?고</title>" in (tmp_path / "index.html").read_text(encoding="utf-8")


MACHINE = {"processor": "Some CPU", "gpu": None, "kernels": "oneDNN", "threads": 2, "tensorflow": "2.21.0"}


def make_run(path, *, num_epochs=3, tested=True, pictures=PICTURES):
    """Make a run directory as training and testing leave it, without the weights."""
    info = {
        "class_names": ["cat", "dog", "<bird>"],
        "input_shape": [64, 64, 3],
        "num_images": {"train": 60, "test": 20},
        "bad_files": [["cat/<1>.jpg", "no image"]],
    }
    run = RunDirectory.create(path, RunConfig(recipe="pets", model=ModelConfig(name="smallnet")), info)
    run.update(run.config, [{"from_step": 0, **MACHINE}, {"from_step": 20, **MACHINE, "threads": 4}])
    history = [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "learning_rate": 0.0012,
            "train_loss": 2.5 / epoch,
            "train_score": 0.5,
            "val_score": None if epoch == 3 else 0.75,
        }
        for epoch in range(1, num_epochs + 1)
    ]
    write_csv(path / "history.csv", history)
    (path / "timing.csv").write_text("epoch,seconds,images_per_second\n1,3000.2,1.0\n2,723.0,4.1\n", "utf-8")
    results = {
        "num_images": 20,
        "class_names": info["class_names"],
        "scores": [
            {"crops": 1, "accuracy": 0.8, "macro_f1": 0.71234, "seconds": 0.5},
            {"crops": 10, "accuracy": 0.85, "macro_f1": 0.8, "seconds": 2.0},
        ],
        "per_class_recall": [0.9, 0.8, None],
        "confusion_matrix": [[9, 1, 0], [2, 8, 0], [0, 0, 0]],
        "split": "test",
        "epoch": 2,
    }
    if tested:
        (path / "test.json").write_text(json.dumps(results), encoding="utf-8")
    for name in pictures:
        Image.new("RGB", (4, 4)).save(path / name)
    return path


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


class TestRunPage:
    def test_a_finished_run(self, tmp_path):
        path = write_run_page(make_run(tmp_path / "a run"))
        assert path == tmp_path / "a run" / "index.html"
        page, rows = read_page(path), cells(path)
        headings = ("Scores on 20 test images", "The run", "Learning", "Recall by class")
        headings += ("Confusion matrix", "Training images", "Unreadable files", "Configuration")
        links = [text for text in page.text if text in headings]
        assert links == [*headings, *headings]  # the list of contents, then the sections
        assert "Run a run" in page.text
        assert ["crops", "accuracy", "macro_f1", "seconds"] in rows
        assert ["1", "0.8000", "0.7123", "0.5000"] in rows
        assert ["10", "0.8500", "0.8000", "2.0000"] in rows
        assert ["cat", "10", "0.9000"] in rows
        assert ["<bird>", "0", "\N{EN DASH}"] in rows
        assert ["tested", "2", "0.0012", "1.2500", "0.5000", "0.7500"] in rows
        assert ["last", "3", "0.0012", "0.8333", "0.5000", "\N{EN DASH}"] in rows
        assert ["input", "64 x 64 x 3"] in rows
        assert ["images", "train 60, test 20"] in rows
        assert ["precision", "float32"] in rows
        assert ["training time", "1:02:03"] in rows
        part = "Some CPU, oneDNN kernels, {} threads, TensorFlow 2.21.0, after update {}"
        assert ["computed by", f"{part.format(2, 0)}; then {part.format(4, 20)}"] in rows
        assert ["cat/<1>.jpg", "no image"] in rows
        assert ["classes", "3: cat, dog, <bird>"] in rows
        assert any(text.startswith("recipe: pets\n") for text in page.text)
        assert [value for key, value in page.attributes if key == "src"] == list(PICTURES)

    def test_a_run_without_test_results_or_pictures(self, tmp_path):
        path = write_run_page(make_run(tmp_path / "run", tested=False, pictures=()))
        page = read_page(path)
        assert "img" not in page.tags
        assert ["last", "3"] in [row[:2] for row in cells(path)]
        assert not {"Recall by class", "Confusion matrix", "Training images"} & set(page.text)

    def test_a_run_that_has_only_begun(self, tmp_path):
        path = write_run_page(make_run(tmp_path / "run", num_epochs=0, tested=False, pictures=()))
        headings = [text for text in read_page(path).text if text in ("The run", "Learning", "Configuration")]
        assert headings == ["The run", "Configuration"] * 2

    def test_the_last_epoch_was_tested(self, tmp_path):
        path = write_run_page(make_run(tmp_path / "run", num_epochs=2))
        assert [row[0] for row in cells(path) if row[1:3] == ["2", "0.0012"]] == ["last, tested"]

    def test_many_classes_are_not_all_named(self, tmp_path):
        path = make_run(tmp_path / "run", tested=False)
        info = json.loads((path / "run.json").read_text(encoding="utf-8"))
        info["class_names"] = [f"c{k}" for k in range(11)]
        (path / "run.json").write_text(json.dumps(info), encoding="utf-8")
        assert ["classes", "11: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ..."] in cells(write_run_page(path))

    def test_another_page_replaces_the_first(self, tmp_path):
        path = make_run(tmp_path / "run")
        first = write_run_page(path).read_bytes()
        assert write_run_page(path).read_bytes() == first

    def test_a_folder_that_is_not_a_run(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"is not a run directory: it has no config.yaml; give"):
            write_run_page(tmp_path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.fault(42)
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("test.json", "{"),
            ("test.json", "[]"),
            ("test.json", "{}"),
            ("timing.csv", "epoch,seconds\n1,long\n"),
            ("history.csv", "epoch,step\n1,2\n"),
            ("history.csv", "epoch,learning_rate,train_loss,train_score,val_score\n1,fast,1,1,1\n"),
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path, name, text):
        path = make_run(tmp_path / "run")
        (path / name).write_text(text, encoding="utf-8")
        with pytest.raises(
            CheckpointError, match=rf"cannot read .*{name}: .*; restore it from a copy, or"
        ) as error:
            write_run_page(path)
        assert "\n" not in str(error.value)
        assert not (path / "index.html").exists()
