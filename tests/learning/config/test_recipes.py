"""learning/config/recipes.py: the recipe of a command line, and the defaults of its data set."""

from pathlib import Path

import pytest
import yaml

from datasets.catalogue import DATASETS
from learning.config.recipes import CONFIGS, read_recipe
from learning.config.run_config import RunConfig
from learning.errors import UsageError
from learning.programs.command_line import parse_train


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_says_how_to_run_it(path):
    text = path.read_text()
    RunConfig.from_dict(yaml.safe_load(text))
    assert text.startswith("# ")
    assert "# Command:  python train.py" in text


def test_the_post_recipe_has_the_values_of_the_post():
    config = RunConfig.from_dict(yaml.safe_load((CONFIGS / "alexnet-asirra.yaml").read_text()))
    assert (config.data.image_size, config.data.crop_size, config.train.batch_size) == (256, 227, 256)
    assert (config.train.num_epochs, config.optimizer.init_learning_rate) == (300, 0.01)
    assert (config.optimizer.momentum, config.schedule.learning_rate_patience) == (0.9, 30)
    assert (config.schedule.learning_rate_decay, config.schedule.eps) == (0.1, 1e-8)
    assert (config.model.weight_decay, config.model.options["dropout_prob"]) == (0.0005, 0.5)


def test_the_recipe_of_a_data_set_is_one_for_it_and_the_page_of_data_names_it():
    page = (CONFIGS.parent / "docs" / "data.md").read_text(encoding="utf-8")
    for name, entry in DATASETS.items():
        assert read_recipe(CONFIGS / f"{entry.recipe}.yaml")["data"]["name"] == name
        [line] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert line.endswith(f"| `{entry.recipe}` |")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_data_set_has_a_default_recipe(name):
    data_dir = [] if name == "digits" else ["--data-dir", "images"]
    config = parse_train(["--data.name", name, *data_dir]).config
    assert (config.recipe, config.data.name) == (DATASETS[name].recipe, name)


def test_without_a_name_a_path_is_a_folder_of_images_and_nothing_the_digits():
    assert parse_train([]).config.recipe == "digits"
    assert parse_train(["--data-dir", "images"]).config.recipe == "folder"


@pytest.mark.parametrize(
    ("name", "image_size", "crop_size", "channels", "reflect"),
    [("cifar10", 32, 32, 3, True), ("mnist", 28, 28, 1, False), ("folder", 256, 227, 3, True)],
)
def test_a_recipe_that_only_names_its_data_set_gets_images_as_that_has_them(
    tmp_path, name, image_size, crop_size, channels, reflect
):
    recipe = tmp_path / "short.yaml"
    recipe.write_text(f"data: {{name: {name}}}\n")
    data = parse_train(["--config", str(recipe), "--data-dir", "images"]).config.data
    assert (data.image_size, data.crop_size, data.channels, data.reflect) == (
        image_size,
        crop_size,
        channels,
        reflect,
    )


def test_what_a_recipe_says_wins_over_its_data_set_and_an_option_over_both(tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text("data: {name: cifar10, crop_size: 24, padding: 1}\n")
    data = parse_train(["--config", str(recipe), "--data-dir", "images", "--data.padding", "3"]).config.data
    assert (data.image_size, data.crop_size, data.padding) == (32, 24, 3)


def test_another_network_starts_without_the_options_of_the_recipes(tmp_path):
    (tmp_path / "wide.yaml").write_text("model: {name: resnet20, options: {widths: [16, 32, 128]}}\n")
    recipe = ["--config", str(tmp_path / "wide.yaml")]

    def options(*arguments: str) -> dict[str, object]:
        return parse_train([*recipe, *arguments]).config.model.options

    assert options() == options("--model.name", "resnet20") == {"widths": [16, 32, 128]}
    assert options("--model.name", "models.resnet.ResNet20") == {"widths": [16, 32, 128]}
    assert options("--model.name", "smallnet") == {}
    assert options("--model.name", "resnet32", "--model.options.shortcut", "B") == {"shortcut": "B"}
    assert options("--model.options.shortcut", "B") == {"widths": [16, 32, 128], "shortcut": "B"}


def test_a_tilde_of_nobody_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_train(["--data-dir", "~nosuchuser/x"]).config.data_dir == str(tmp_path / "~nosuchuser" / "x")


def test_a_tilde_is_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = tmp_path / "own.yaml"
    recipe.write_text("data_dir: ~/photos\ndata: {cache_dir: ~/decoded}\n")
    arguments = parse_train(["--config", "~/own.yaml", "--run-dir=~/runs/a"])
    data = arguments.config.data
    assert (arguments.config.data_dir, data.cache_dir) == (
        str(tmp_path / "photos"),
        str(tmp_path / "decoded"),
    )
    assert arguments.run_dir == str(tmp_path / "runs" / "a")


def test_a_users_own_file_is_not_taken_for_a_recipe_with_a_similar_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits.v2.yaml").write_text("data: {name: digits}\ntrain: {batch_size: 3}\n")
    assert parse_train(["--config", "digits.v2"]).config.train.batch_size == 3
    assert parse_train(["--config", "digits"]).config.recipe == "digits"
    assert parse_train(["--config", "digits.yaml"]).config.recipe == "digits"
    with pytest.raises(UsageError, match="there is no recipe digits.json"):
        parse_train(["--config", "digits.json"])


def test_a_recipe_can_be_named_without_its_suffix(tmp_path):
    (tmp_path / "few.yaml").write_text("train: {batch_size: 3}\n")
    assert parse_train(["--config", str(tmp_path / "few"), "--data-dir", "x"]).config.train.batch_size == 3


@pytest.mark.parametrize(
    ("arguments", "recipe"),
    [
        ([], CONFIGS / "digits.yaml"),
        (["--data.name", "cifar10"], CONFIGS / "resnet20-cifar10-fast.yaml"),
        (["--config", "own.yaml"], Path("own.yaml")),
    ],
    ids=["the digits", "the data set's", "one's own"],
)
def test_help_shows_the_values_of_the_recipe_asked_for(arguments, recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("train: {num_epochs: 77}\n")
    with pytest.raises(SystemExit) as done:
        parse_train([*arguments, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert done.value.code == 0
    epochs = read_recipe(recipe)["train"]["num_epochs"]
    help_text = "epochs of num_examples // batch_size updates; auto: by the size of the set"
    assert f"{help_text}. (type: int | auto, default: {epochs})" in shown


def test_help_with_a_missing_recipe_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no recipe nowhere"):
        parse_train(["--config", "nowhere", "--help"])


def test_rate_factors_replace_the_recipes_because_their_order_counts(tmp_path):
    recipe = tmp_path / "my.yaml"
    recipe.write_text("optimizer: {rate_factors: {stem: 0.1, fc: 2.0}, momentum: 0.5}\n")
    given = ["--config", str(recipe), "--optimizer.rate_factors", "{fc/weights: 1.0, fc: 0.5}"]
    found = parse_train(given).config.optimizer
    assert list(found.rate_factors.items()) == [("fc/weights", 1.0), ("fc", 0.5)]
    assert found.momentum == 0.5
