"""The command line of train.py: every declared option, by all its names, over a recipe."""

import json
import re

import pytest

from datasets.options.fields import options_of
from learning.config.options import TrainConfig
from learning.config.run_config import SECTIONS, RunConfig
from learning.errors import UsageError
from learning.evaluators import EVALUATORS
from learning.programs.command_line import SHORT_NAMES, parse_train

OPTIONS = [
    (f"{section}.{name}", declared)
    for section, owner in SECTIONS.items()
    for name, declared in options_of(owner).items()
]


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("model: {name: resnet20, options: {widths: [16, 32, 128], shortcut: B}}\n")
    return ["--config", str(path)]


@pytest.mark.parametrize(("name", "declared"), OPTIONS, ids=[name for name, _ in OPTIONS])
def test_every_option_takes_its_default_as_help_shows_it(name, declared, recipe):
    shown = declared.default if isinstance(declared.default, str) else json.dumps(declared.default)
    section, _, key = name.partition(".")
    if declared.used_by:
        recipe = [*recipe, f"--{section}.name={declared.used_by[0]}", "--schedule.boundaries=[1]"]
        recipe = recipe[: 4 if declared.used_by[0] == "steps" else 3]
    if name == "schedule.boundaries":
        shown = "[3, 4]"
    config = parse_train([*recipe, f"--{name}={shown}"]).config
    expected = (3, 4) if name == "schedule.boundaries" else declared.default
    assert getattr(getattr(config, section), key) == expected


def test_help_lists_every_option_once(capsys):
    with pytest.raises(SystemExit):
        parse_train(["--help"])
    shown = capsys.readouterr().out
    for name, _ in OPTIONS:
        lines = [line for line in shown.splitlines() if re.match(rf"  (--\S+.*, )?--{name}( |$)", line)]
        assert len(lines) == 1, name
        if name in SHORT_NAMES:
            assert lines[0].startswith(f"  --{SHORT_NAMES[name]}")
    for short in SHORT_NAMES.values():
        assert len(re.findall(rf"^  --{short}\b", shown, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("words", "section", "key", "value"),
    [
        (["--train.batch_size=8", "--train.batch_size", "9"], "train", "batch_size", 9),
        (["--train.batch_size=8", "--train", "{batch_size: 9}"], "train", "batch_size", 9),
        (["--train", "{batch_size: 9}", "--train.batch_size=8"], "train", "batch_size", 8),
        (["--precision", "auto", "--model.precision", "float32"], "model", "precision", "float32"),
        (["--model.precision", "float32", "--precision", "auto"], "model", "precision", "auto"),
        (["--train.profile", "6", "--profile", "5"], "train", "profile", 5),
        (["--profile", "5", "--profile", "null"], "train", "profile", None),
        (["--train.tensorboard"], "train", "tensorboard", True),
        (["--optimizer.clip_norm", "1", "--optimizer.clip_norm", "null"], "optimizer", "clip_norm", None),
    ],
)
def test_the_last_value_wins_by_whichever_name(words, section, key, value):
    assert getattr(getattr(parse_train(words).config, section), key) == value


def test_download_is_a_switch_by_both_names():
    for words in (["--download"], ["--data.download", "true"], ["--data.download"], ["--download=true"]):
        assert parse_train(["--data.name", "mnist", *words]).config.data.download
    assert not parse_train(["--data.name", "mnist", "--download=false"]).config.data.download


WIDE = {"widths": [16, 32, 128], "shortcut": "B"}


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], WIDE),
        (["--model", "{}", "--data={}"], WIDE),
        (["--model.options.shortcut", "A"], {**WIDE, "shortcut": "A"}),
        (["--model.options", "{shortcut: A}"], {**WIDE, "shortcut": "A"}),
        (["--model.options", "{a: 1}", "--model.options", "{b: 1e-3}"], {**WIDE, "b": 0.001}),
        (["--model.options.a", "1", "--model.options.a=[1e-3, x]"], {**WIDE, "a": [0.001, "x"]}),
        (["--model.options", "{}"], {}),
        (["--model", "{options: {}}"], {}),
        (["--model.options", "{}", "--model.options.shortcut", "A"], {"shortcut": "A"}),
        (["--model.options.shortcut", "A", "--model.options", "{}"], {}),
    ],
)
def test_options_of_the_network_are_added_to_the_recipes_and_an_empty_mapping_clears_them(
    recipe, words, options
):
    assert parse_train([*recipe, *words]).config.model.options == options


def test_a_section_can_be_a_file(tmp_path):
    (tmp_path / "sizes.yaml").write_text("image_size: 64\ncrop_size: 48\n")
    data = parse_train(["--data", str(tmp_path / "sizes.yaml"), "--data.crop_size", "40"]).config.data
    assert (data.image_size, data.crop_size, data.channels) == (64, 40, 1)


def test_a_value_is_refused_in_the_same_words_wherever_it_stands(tmp_path):
    message = "train.batch_size is 'many'; it must be a whole number"
    (tmp_path / "own.yaml").write_text("train: {batch_size: many}\n")
    with pytest.raises(ValueError, match=f"^{message}$"):
        RunConfig.from_dict({"train": {"batch_size": "many"}})
    for words, before in (
        (["--train.batch_size", "many"], ""),
        (["--train", "{batch_size: many}"], ""),
        (["--config", str(tmp_path / "own.yaml")], f"in the recipe {tmp_path / 'own.yaml'}: "),
    ):
        with pytest.raises(UsageError) as raised:
            parse_train(words)
        assert str(raised.value) == before + message


def test_the_command_line_can_complete_a_recipe_that_is_invalid_alone(tmp_path):
    (tmp_path / "own.yaml").write_text("optimizer: {epsilon: 1e-7}\ndata: {name: folder, image_size: 30}\n")
    words = ["--config", str(tmp_path / "own.yaml")]
    with pytest.raises(UsageError, match="data.crop_size is 227; it must be at most data.image_size, 30"):
        parse_train(words)
    config = parse_train([*words, "--data.crop_size", "20"]).config
    assert (config.optimizer.epsilon, config.data.crop_size) == (1e-7, 20)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config="], "--config is empty; give a recipe's file or name"),
        (["--run-dir=--"], "argument --run-dir: expected one argument"),
        (["--", "photos"], "photos stands alone; did you mean --data-dir photos?"),
        (["--no-download"], "unknown option --no-download; did you mean --download?"),
        (
            ["--schedule.name", "cosine", "--schedule.boundaries", "[1]"],
            "has no effect with schedule.name cosine",
        ),
    ],
)
def test_a_wrong_command_line_is_explained(words, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        parse_train(words)


def test_the_help_of_the_evaluator_names_every_one():
    text = TrainConfig.__dataclass_fields__["evaluator"].metadata["help"]
    assert [name for name in EVALUATORS if name not in text] == []
