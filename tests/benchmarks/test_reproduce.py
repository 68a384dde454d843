"""The table of all recipes, from made-up results of runs."""

import csv
import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest

from benchmarks import reproduce
from benchmarks.harness import project
from learning.errors import CheckpointError, DirectoryInUseError, UsageError
from learning.programs.command_line import parse_train


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


def test_every_recipe_has_its_published_value():
    assert set(reproduce.PUBLISHED) == set(project.recipe_names())


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


def test_the_table_has_a_line_for_each_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "recipe_names", lambda: ["digits", "folder"])
    lines = reproduce.table(tmp_path).splitlines()
    assert lines[0] == "| recipe | source | published | measured | images | minutes | epochs | date |"
    assert lines[1].count("---") == len(reproduce.COLUMNS)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| digits", "| folder"]
    assert len({line.count("|") for line in lines}) == 1


def test_add_copies_the_files_of_a_finished_run_unchanged(tmp_path, monkeypatch):
    run, results = tmp_path / "run", tmp_path / "results"
    write_results(run)
    (run / "log.txt").write_text("for people")
    opened = SimpleNamespace(path=run, config=SimpleNamespace(recipe="digits"))
    monkeypatch.setattr(project, "open_run", lambda path: opened)
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


def test_differences_between_a_run_and_its_recipe_are_reported():
    arguments = ["--config", "digits", "--data-dir", "elsewhere"]
    assert reproduce.deviations(parse_train(arguments).config, "digits") == []
    other = parse_train([*arguments, "--train.num_epochs", "1", "--model.options", "{width: 5}"]).config
    assert reproduce.deviations(other, "digits") == [
        "model.options is {'width': 5}, in the recipe {}",
        "train.num_epochs is 1, in the recipe 30",
    ]


def test_auto_stands_for_anything_only_as_the_precision(monkeypatch):
    told = {"model": {"name": "auto", "precision": "auto"}}
    recipe = SimpleNamespace(as_dict=lambda: told)
    monkeypatch.setattr(reproduce.project, "recipe_config", lambda arguments: recipe)
    run = SimpleNamespace(as_dict=lambda: {"model": {"name": "smallnet", "precision": "float32"}})
    assert reproduce.deviations(run, "digits") == ["model.name is 'smallnet', in the recipe 'auto'"]


def test_what_a_machine_took_for_precision_auto_is_not_a_deviation():
    config = parse_train(["--config", "resnet-asirra", "--data-dir", "elsewhere"]).config
    taken = dataclasses.replace(config, model=dataclasses.replace(config.model, precision="float32"))
    assert reproduce.deviations(taken, "resnet-asirra") == []


def test_add_refuses_a_folder_that_is_not_a_run(tmp_path):
    with pytest.raises(CheckpointError, match="is not a run directory"):
        reproduce.add(tmp_path, None, tmp_path / "results")


def test_the_page_of_recipes_has_the_table_of_the_committed_results():
    assert reproduce.table() in reproduce.RECIPES.read_text(), "run: python -m benchmarks reproduce --readme"
