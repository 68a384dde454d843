"""What the benchmarks make of results: tables, commands and texts, from made-up files."""

import csv
import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest

from benchmarks.accuracy import cifar10_peer, precision, reproduce, runs, why77, why77_report
from benchmarks.harness.documents import rewrite
from benchmarks.speed import epoch_time
from datasets.errors import StorageError
from learning.config.command_line import parse_train
from learning.errors import CheckpointError, DirectoryInUseError, UsageError
from learning.runs.directory import RunDirectory


def write_results(folder, accuracies=(0.5, 0.75), seconds=(60.0, 90.0), split="test"):
    """The four files of a run, as train.py writes them."""
    folder.mkdir(parents=True)
    scores = [
        {"crops": crops, "accuracy": value, "seconds": 1.0}
        for crops, value in zip((1, 10), accuracies, strict=True)
    ]
    test = {"num_images": 10000, "scores": scores, "split": split, "epoch": 2}
    (folder / "test.json").write_text(json.dumps(test))
    info = {"started": "2026-11-22T04:58:51+0000", "num_images": {"test": 10000}, "versions": {"numpy": "2"}}
    (folder / "run.json").write_text(json.dumps(info))
    epochs = [(epoch, value, 1 / epoch) for epoch, value in enumerate(seconds, start=1)]
    for name, columns in (("history.csv", ["train_loss", "val_score"]), ("timing.csv", ["seconds", "rate"])):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([["epoch", *columns], *epochs])


# benchmarks/accuracy/reproduce.py


def test_every_recipe_has_its_published_value():
    assert set(reproduce.PUBLISHED) == set(reproduce.recipes())


def test_a_row_is_read_from_the_files_of_a_run(tmp_path):
    write_results(tmp_path / "resnet20-cifar10-paper", (0.875, 0.88125), (60.0, 90.0))
    assert reproduce.row("resnet20-cifar10-paper", tmp_path) == {
        "recipe": "resnet20-cifar10-paper",
        "source": "He et al. 2016, table 6",
        "published": "91.25% (official lossless files)",
        "measured": "87.50% / 88.12%",
        "images": "10,000 test",
        "minutes": "2",
        "epochs": "2",
        "date": "2026-11-22",
    }


def test_a_recipe_without_results_says_so(tmp_path):
    row = reproduce.row("folder", tmp_path)
    assert row["measured"] == "not run yet"
    assert not any(row[key] for key in ("images", "minutes", "epochs", "date"))


def test_several_seeds_stand_side_by_side(tmp_path):
    for seed, accuracy in enumerate((0.5, 0.625)):
        write_results(tmp_path / "made", (accuracy, 1.0), split="validation")
        (tmp_path / "made" / "test.json").rename(tmp_path / f"test-seed{seed}.json")
        shutil.rmtree(tmp_path / "made")
    (tmp_path / "digits").mkdir()
    for seed in (0, 1):
        (tmp_path / f"test-seed{seed}.json").rename(tmp_path / "digits" / f"test-seed{seed}.json")
    row = reproduce.row("digits", tmp_path)
    assert row["measured"] == "50.00% / 100.00%, 62.50% / 100.00%"
    assert row["images"] == "10,000 validation"


def test_the_reference_of_the_fast_recipe_is_what_was_measured(tmp_path):
    assert reproduce.row("resnet20-cifar10-fast", tmp_path)["published"] == "not run yet"
    figures = {"accuracy": 0.8812, "training_seconds": 1690.0, "settings": {"epochs": 30}}
    (tmp_path / "cifar10-peer-seed0.json").write_text(json.dumps(figures))
    row = reproduce.row("resnet20-cifar10-fast", tmp_path)
    assert row["published"] == "88.12% (30 epochs, 28 minutes)"
    second = figures | {"accuracy": 0.8756, "training_seconds": 1810.0}
    (tmp_path / "cifar10-peer-seed1.json").write_text(json.dumps(second))
    row = reproduce.row("resnet20-cifar10-fast", tmp_path)
    assert row["published"] == "88.12%, 87.56% (30 epochs, 28 to 30 minutes)"


def test_markdown_has_a_line_for_each_recipe(tmp_path):
    lines = reproduce.markdown([reproduce.row(name, tmp_path) for name in ("digits", "folder")]).splitlines()
    assert lines[0] == "| recipe | source | published | measured | images | minutes | epochs | date |"
    assert lines[1].count("---") == len(reproduce.COLUMNS)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| digits", "| folder"]
    assert len({line.count("|") for line in lines}) == 1


def test_add_copies_the_files_of_a_finished_run_unchanged(tmp_path, monkeypatch):
    run, results = tmp_path / "run", tmp_path / "results"
    write_results(run)
    (run / "log.txt").write_text("for people")
    opened = SimpleNamespace(path=run, config=SimpleNamespace(recipe="digits"))
    monkeypatch.setattr("benchmarks.accuracy.reproduce.RunDirectory", lambda path: opened)
    monkeypatch.setattr("learning.publish.finished_state", lambda run: None)
    folder = reproduce.add(run, None, results)
    assert folder == results / "digits"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: (run / name).read_bytes() for name in reproduce.RUN_FILES
    }
    with pytest.raises(DirectoryInUseError, match="holds results"):
        reproduce.add(run, None, results)
    with pytest.raises(UsageError, match="no recipe other"):
        reproduce.add(run, "other", results)
    (run / "timing.csv").unlink()
    with pytest.raises(CheckpointError, match=r"lacks timing\.csv"):
        reproduce.add(run, "folder", results)
    assert [path.name for path in results.iterdir()] == ["digits"]


def test_what_a_run_did_otherwise_than_its_recipe_is_told():
    arguments = ["--config", "digits", "--data-dir", "elsewhere"]
    assert reproduce.deviations(parse_train(arguments).config, "digits") == []
    other = parse_train([*arguments, "--train.num_epochs", "1", "--model.options", "{width: 5}"]).config
    assert reproduce.deviations(other, "digits") == [
        "model.options is {'width': 5}, in the recipe {}",
        "train.num_epochs is 1, in the recipe 30",
    ]


def test_auto_stands_for_anything_only_as_the_precision(monkeypatch):
    told = {"model": {"name": "auto", "precision": "auto"}}
    recipe = SimpleNamespace(config=SimpleNamespace(as_dict=lambda: told))
    monkeypatch.setattr(reproduce, "parse_train", lambda arguments: recipe)
    run = SimpleNamespace(as_dict=lambda: {"model": {"name": "smallnet", "precision": "float32"}})
    assert reproduce.deviations(run, "digits") == ["model.name is 'smallnet', in the recipe 'auto'"]


def test_what_a_machine_took_for_precision_auto_is_no_deviation(tmp_path):
    options = ["--config", "resnet-asirra"]
    config = parse_train([*options, "--data-dir", "elsewhere"]).config
    taken = dataclasses.replace(config, model=dataclasses.replace(config.model, precision="float32"))
    assert reproduce.deviations(taken, "resnet-asirra") == []
    info = {"class_names": ["a", "b"], "input_shape": [112, 112, 3]}
    path = RunDirectory.create(tmp_path, taken, info).path
    assert runs.next_arguments(path, options, tmp_path) == ["--resume", str(path)]


def test_add_refuses_what_is_no_run(tmp_path):
    with pytest.raises(CheckpointError, match="no run directory"):
        reproduce.add(tmp_path, None, tmp_path / "results")


# benchmarks/accuracy/why77.py


@pytest.mark.parametrize("row", why77.ROWS, ids=lambda row: row.name)
def test_the_options_of_a_row_are_those_of_train(row):
    config = parse_train(why77.train_options(row, seed=1, epochs=20)).config
    number = why77.ROWS.index(row)
    assert (config.recipe, config.train.seed, config.train.num_epochs) == ("resnet20-cifar10-post", 1, 20)
    assert config.data.sample_size is None
    assert config.data.redraw == (number >= 1)
    assert config.data.padding == (4 if number >= 2 else 2)
    expected = ("cosine", 0.0, None) if number >= 3 else ("patience", 0.001, 2)
    schedule = config.schedule
    found = schedule.name, schedule.min_learning_rate, schedule.early_stopping_patience
    assert found == expected
    options = config.model.options
    assert (options["shortcut"], options["conv_biases"]) == (("A", False) if number >= 4 else ("B", True))
    assert options["first_stage_stride"] == (1 if number >= 5 else 2)


def test_the_command_for_people_can_be_typed():
    command = why77.shown_command(why77.ROWS[2], epochs=20)
    assert command == (
        "python train.py --config resnet20-cifar10-post --train.seed 0 --train.num_epochs 20 "
        "--data.redraw true --data.padding 4 --data-dir DIR"
    )


def make_run(path, options):
    """A run as it is right after its start."""
    config = parse_train([*options, "--data-dir", "elsewhere"]).config
    return RunDirectory.create(path, config, {"class_names": ["a", "b"], "input_shape": [32, 32, 3]})


def test_a_run_is_started_then_resumed_then_left_alone(tmp_path):
    path = tmp_path / "run"
    options = why77.train_options(why77.ROWS[1], seed=0, epochs=20)
    data = tmp_path / "data"
    assert runs.next_arguments(path, options, data) == [
        *options, "--data-dir", str(data), "--run-dir", str(path),
    ]  # fmt: skip
    make_run(path, options)
    assert runs.next_arguments(path, options, data) == ["--resume", str(path)]
    (path / "test.json").write_text("{}")
    assert runs.next_arguments(path, options, data) is None


@pytest.mark.parametrize("change", [{"epochs": 2}, {"limit": 256}, {"seed": 1}])
def test_another_run_in_the_place_is_no_result(tmp_path, change):
    make_run(tmp_path / "run", why77.train_options(why77.ROWS[0], **{"seed": 0, "epochs": 20, **change}))
    (tmp_path / "run" / "test.json").write_text("{}")
    options = why77.train_options(why77.ROWS[0], seed=0, epochs=20)
    with pytest.raises(UsageError, match="other options"):
        runs.next_arguments(tmp_path / "run", options, tmp_path)


@pytest.mark.parametrize(("code", "expected"), [(4, 4), (143, 143), (-9, 137)])
def test_what_ends_a_run_ends_the_whole(tmp_path, monkeypatch, code, expected):
    monkeypatch.setattr(runs, "call_train", lambda arguments: code)
    with pytest.raises(SystemExit) as end:
        runs.bring_to_end(tmp_path / "run", why77.train_options(why77.ROWS[0], seed=0, epochs=2), tmp_path)
    assert end.value.code == expected


def test_precisions_are_compared_by_their_means(tmp_path, monkeypatch):
    accuracies = {"float32": [0.5, 0.7, 0.6], "bfloat16": [0.7, 0.6, 0.65]}

    def finish(path, options, data_dir):
        which, seed = path.name.removeprefix("digits-").split("-seed")
        assert options == [
            *("--config", "digits", "--precision", which, "--train.seed", seed, "--train.num_epochs", "4"),
        ]
        path.mkdir()
        score = {"crops": 1, "accuracy": accuracies[which][int(seed)]}
        (path / "test.json").write_text(json.dumps({"scores": [score]}))

    monkeypatch.setattr(precision, "bring_to_end", finish)
    output = tmp_path / "precision.json"
    words = [str(tmp_path), "--epochs", "4", "--emulated", "--output", str(output)]
    monkeypatch.setattr("sys.argv", ["precision", *words])
    precision.main()
    found = json.loads(output.read_text())
    assert found["means"] == pytest.approx({"float32": 0.6, "bfloat16": 0.65})
    assert found["ranges"] == {"float32": [0.5, 0.7], "bfloat16": [0.6, 0.7]}
    assert found["difference"] == pytest.approx(0.05)


def test_a_trial_does_not_overwrite_the_figures(monkeypatch):
    monkeypatch.setattr("sys.argv", ["why77", "data", "runs", "--limit", "9"])
    with pytest.raises(UsageError, match="--report-root"):
        why77.parse()


# benchmarks/accuracy/why77_report.py


@pytest.fixture
def finished(tmp_path):
    """The first row with both seeds, the second with one, the others missing."""
    root = tmp_path / "runs"
    for number, seed, accuracy in ((0, 0, 0.7), (0, 1, 0.72), (1, 0, 0.75)):
        write_results(root / f"{why77.ROWS[number].name}-seed{seed}", (accuracy, 0.9))
    return root


def test_gathered_figures(finished):
    figures = why77_report.gather(finished, 20, [0, 1])
    first, second, third = figures["rows"][:3]
    assert (first["accuracy"], first["gain"], first["epochs"], first["minutes"]) == (0.71, None, 2, 2.5)
    assert (second["accuracy"], second["gain"]) == (0.75, 0.04)
    assert (third["accuracy"], third["gain"], third["runs"]) == (None, None, {})
    assert first["runs"]["1"]["accuracy"] == 0.72
    assert first["runs"]["1"]["val_loss"] == 0.5
    assert second["command"] == why77.shown_command(why77.ROWS[1], epochs=20)
    json.dumps(figures, allow_nan=False)


def test_table_of_gathered_figures(finished):
    lines = why77_report.table(why77_report.gather(finished, 20, [0, 1])).splitlines()
    assert len(lines) == 2 + len(why77.ROWS)
    assert lines[2].endswith("| 71.00% | 70.00%, 72.00% |  | 2.0 | 2.5 |")
    assert lines[3].endswith("| 75.00% | 75.00%, not run yet | +4.00 | 2.0 | 2.5 |")
    assert lines[4].endswith("| not run yet | not run yet, not run yet |  |  |  |")


def test_a_report_rewrites_its_part_of_the_text_and_nothing_else(finished, tmp_path, capsys):
    text = tmp_path / why77_report.TEXT
    text.parent.mkdir()
    text.write_text("above\n\n<!-- begin table -->\nold\n<!-- end table -->\n\nbelow\n")
    why77_report.report(finished, tmp_path, 20, [0, 1])
    once = text.read_text()
    assert once.startswith("above\n\n<!--")
    assert once.endswith("-->\n\nbelow\n")
    assert "old" not in once
    assert capsys.readouterr().out.strip() in once
    assert "![" in once
    why77_report.report(finished, tmp_path, 20, [0, 1])
    assert text.read_text() == once
    assert (tmp_path / why77_report.PICTURE).read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / why77_report.RESULTS).read_text())
    assert [row["name"] for row in figures["rows"]] == [row.name for row in why77.ROWS]


def test_without_runs_there_is_a_table_but_no_picture(tmp_path):
    why77_report.report(tmp_path / "runs", tmp_path, 20, [0])
    text = (tmp_path / why77_report.TEXT).read_text()
    assert text.count("not run yet") == 2 * len(why77.ROWS)
    assert "![" not in text
    assert not (tmp_path / why77_report.PICTURE).exists()
    assert not (tmp_path / why77_report.RESULTS).exists()


def test_lost_markers_are_named(tmp_path):
    begin, end = "<!-- begin table -->", "<!-- end table -->"
    path = tmp_path / "text.md"
    for text in ("", begin, f"{end}\n{begin}", f"{begin}{end}" * 2):
        path.write_text(text)
        with pytest.raises(UsageError, match="must hold the lines"):
            rewrite(path, "table", "new")
        assert path.read_text() == text


def test_only_what_stands_between_the_markers_changes(tmp_path):
    path = tmp_path / "text.md"
    path.write_text("before\n<!-- begin table -->\nold\n<!-- end table -->\nafter")
    rewrite(path, "table", "new")
    assert path.read_text() == "before\n<!-- begin table -->\n\nnew\n\n<!-- end table -->\nafter"


def test_the_page_of_recipes_has_the_table_of_the_committed_results():
    table = reproduce.markdown([reproduce.row(recipe) for recipe in reproduce.recipes()])
    assert table in reproduce.PAGE.read_text(), "run: python -m benchmarks.accuracy.reproduce --readme"


# benchmarks/accuracy/cifar10_peer.py and benchmarks/speed/epoch_time.py


@pytest.mark.parametrize("benchmark", [cifar10_peer, epoch_time])
def test_an_output_that_cannot_be_written_is_said_before_the_work(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    monkeypatch.setattr("sys.argv", ["benchmark", "data", "--output", str(tmp_path / "no" / "x.json")])
    with pytest.raises(StorageError, match="choose another --output"):
        benchmark.main()


def test_missing_torch_is_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install -e '\.\[bench\]'"):
        cifar10_peer.require_torch()
