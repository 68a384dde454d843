"""The typed configuration and the flat dictionary of the post."""

import contextlib
import dataclasses
import re

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.catalogue import DATASETS
from datasets.options.loading import LoadOptions
from learning.config.run_config import (
    SECTIONS,
    DataConfig,
    RunConfig,
    ScheduleConfig,
    TrainConfig,
    check_names,
)
from learning.programs.command_line import parse_train
from models.options import KNOWN_KEYS, accepted, suggestion


def test_the_known_keys_are_the_learning_options_and_the_models():
    models = {"image_mean", "dropout_prob", "weight_decay", "weight_decay_on", "precision"}
    models |= {"label_smoothing", "class_weights", "freeze"}
    assert set(RunConfig().flat()) | models == KNOWN_KEYS


def test_names_of_the_flat_dictionary_are_in_one_section_each():
    sections = [SECTIONS[name] for name in ("optimizer", "schedule", "train")]
    names = [f.name for section in sections for f in dataclasses.fields(section)]
    assert len(set(names) - {"name"}) == len([name for name in names if name != "name"])


def test_dictionary_round_trip():
    values = {"schedule": {"name": "steps", "boundaries": [3, 9]}, "data_dir": "x", "train": {"seed": 7}}
    config = RunConfig.from_dict(values)
    assert config.schedule.boundaries == (3, 9)
    assert RunConfig.from_dict(config.as_dict()) == config


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_what_a_dictionary_leaves_open_about_its_data_is_as_on_the_command_line(name, tmp_path):
    recipe = tmp_path / "short.yaml"
    recipe.write_text(f"data: {{name: {name}}}\n")
    expected = parse_train(["--config", str(recipe)]).config.data
    assert RunConfig.from_dict({"data": {"name": name}}).data == expected
    for option in dataclasses.fields(LoadOptions):
        assert getattr(expected, option.name) == DATASETS[name].defaults.get(option.name, option.default)


def test_what_a_dictionary_says_about_its_data_wins():
    data = RunConfig.from_dict({"data": {"name": "cifar10", "crop_size": 24}}).data
    assert (data.image_size, data.crop_size, data.padding) == (32, 24, 4)
    for unknown in ("asira", ["cifar10"]):
        with pytest.raises(ValueError, match=r"data\.name"):
            check_names(RunConfig.from_dict({"data": {"name": unknown}}))


def test_flat_round_trip():
    hp = {"schedule": "cosine", "momentum": 0.5, "num_epochs": 3, "image_mean": 0.5}
    config = RunConfig().replace_flat(hp)
    assert (config.schedule.name, config.optimizer.momentum, config.train.num_epochs) == ("cosine", 0.5, 3)
    assert RunConfig().replace_flat(config.flat()) == config


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("train", "batch_size", 0),
        ("train", "num_epochs", -1),
        ("train", "seed", -1),
        ("optimizer", "init_learning_rate", float("nan")),
        ("optimizer", "init_learning_rate", float("inf")),
        ("optimizer", "momentum", 1.0),
        ("optimizer", "clip_norm", 0.0),
        ("schedule", "learning_rate_decay", 0.0),
        ("schedule", "boundaries", [5, 5]),
        ("model", "weight_decay", -0.1),
        ("data", "val_fraction", 1.0),
        ("data", "crop_size", 257),
        ("data", "sample_size", 0),
        ("data", "channels", 2),
        ("data", "reflect", 1),
        ("train", "select", "lats"),
        ("train", "batch_size", 2.5),
        ("train", "batch_size", True),
        ("train", "num_epochs", "many"),
        ("schedule", "name", "cosin"),
        ("schedule", "boundaries", [1.5]),
        ("optimizer", "momentum", None),
        ("model", "options", [1]),
        ("model", "options", {1: 2}),
        ("schedule", "boundaries", 5),
        ("data", "padding", 227),
    ],
)
def test_an_impossible_value_is_named(section, name, value):
    with pytest.raises(ValueError, match=rf"{section}\.{name} is .*; it must be"):
        RunConfig.from_dict({section: {name: value}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trian": {}}, "unknown option trian; did you mean 'train'"),
        ({"train": {"batchsize": 3}}, "unknown option train.batchsize; did you mean 'batch_size'"),
        ({"train": 3}, "train holds 3; it must be a mapping"),
        ([], "the configuration holds []; it must be a mapping"),
    ],
)
def test_an_unknown_option_is_named_with_a_suggestion(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RunConfig.from_dict(values)


def test_steps_need_boundaries():
    with pytest.raises(
        ValueError, match="schedule.boundaries is .*; it must be given for schedule.name steps"
    ):
        ScheduleConfig(name="steps")


def test_numpy_numbers_become_pythons():
    config = TrainConfig(
        batch_size=np.int64(3), score_threshold=np.float32(0.5), augment_pred=np.bool_(False)
    )
    assert (type(config.batch_size), type(config.score_threshold), config.augment_pred) == (int, float, False)
    assert DataConfig(channels=np.int64(1)).channels == 1
    assert ScheduleConfig(boundaries=np.array([3, 4])).boundaries == (3, 4)


@pytest.mark.parametrize("options", [{"num_epochs": 10**400}, {"score_threshold": 10**400}])
def test_an_infinite_number_is_accepted_or_refused_without_a_crash(options):
    with contextlib.suppress(ValueError):
        TrainConfig(**options)


def test_accepted_follows_the_signature():
    def named(a, b=1):
        return a, b

    def open_ended(**options):
        return options

    assert accepted(named, {"a": 1, "c": 2}) == {"a": 1}
    assert accepted(open_ended, {"a": 1, "c": 2}) == {"a": 1, "c": 2}


def test_suggestion_falls_back_to_the_list():
    assert suggestion("momentun", ["momentum", "seed"]) == "did you mean 'momentum'?"
    assert suggestion("zzz", ["momentum", "seed"]) == "known are: momentum, seed"


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)
OPTIONS = [(name, field.name) for name, section in SECTIONS.items() for field in dataclasses.fields(section)]


@given(chosen=st.dictionaries(st.sampled_from(OPTIONS), ANYTHING, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_values_make_a_configuration_that_survives_its_file_or_an_error(chosen):
    values = {}
    for (section, name), value in chosen.items():
        values.setdefault(section, {})[name] = value
    try:
        config = RunConfig.from_dict(values)
    except ValueError:
        return
    text = yaml.safe_dump(config.as_dict())
    assert yaml.safe_dump(RunConfig.from_dict(yaml.safe_load(text)).as_dict()) == text
