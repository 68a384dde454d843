"""datasets/options/text_values.py: options given as text."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from datasets.errors import OptionError, UsageError
from datasets.options.fields import POSITIVE, CheckedOptions, Size, option
from datasets.options.text_values import nested_values, read_values, text_value


@dataclass(frozen=True, kw_only=True)
class Cake(CheckedOptions):
    """What is baked."""

    section = "cake"

    name: str = option("plum", "name of the recipe")
    sort: Literal["on", "off", 3] = option("on", "sort of it")
    eggs: int = option(2, "how many", POSITIVE)
    sugar: float | None = option(None, "kilograms", POSITIVE)
    tin: str | None = option(None, "where it is baked")
    layers: tuple[int, ...] = option((), "heights")
    toppings: dict[str, Any] = option({}, "by name")
    iced: bool = option(False, "whether it is iced")
    tray: Size = option(8, "centimetres")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        (" 8 ", 8),
        ("010", 10),
        ("1_000", 1000),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("1.5e3", 1500.0),
        ("[1e-3, 2]", [0.001, 2]),
        ("{a: 1e-3, b: [x]}", {"a": 0.001, "b": ["x"]}),
        ("null", None),
        ("yes", True),
        ("word", "word"),
        ("'8'", "'8'"),
        ("2020-01-01", "2020-01-01"),
        ("nan", "nan"),
        ("5e", "5e"),
        ("[8", "[8"),
        ("", ""),
        ("!!python/object/apply:os.system [x]", "!!python/object/apply:os.system [x]"),
        ("[" * 900, "[" * 900),
    ],
)
def test_text_is_yaml_with_the_numbers_of_python(text, value):
    assert text_value(text) == value
    assert type(text_value(text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "5", "5"),
        ("name", "null", "null"),
        ("sort", "off", "off"),
        ("sort", "3", 3),
        ("tin", "null", None),
        ("tin", "5", "5"),
        ("sugar", "null", None),
        ("sugar", "1", 1.0),
        ("layers", "[1, 2]", (1, 2)),
        ("tray", "16", 16),
        ("tray", "16x24", (16, 24)),
        ("tray", "[16, 24]", (16, 24)),
        ("tray", "24x24", 24),
        ("toppings", '{cream: "2", nuts: few}', {"cream": 2, "nuts": "few"}),
        ("iced", "true", True),
    ],
)
def test_text_becomes_a_value_of_the_options_type(name, text, value):
    [found] = read_values({name: text}, Cake, "cake").values()
    assert (found, type(found)) == (value, type(value))
    assert getattr(Cake(**{name: found}), name) == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"eggs": "many"}, "cake.eggs is 'many'; it must be a whole number"),
        ({"eggs": "0"}, "cake.eggs is 0; it must be a positive number"),
        ({"eggs": ""}, "cake.eggs is ''; it must be a whole number"),
        ({"sort": "1"}, "cake.sort is 1; it must be one of on, off, 3"),
        ({"sort": "odd"}, "cake.sort is 'odd'; it must be one of on, off, 3"),
        ({"egs": "1"}, "unknown option cake.egs; did you mean 'eggs'?"),
        (["eggs"], "cake holds ['eggs']; it must be a mapping of options"),
    ],
)
def test_a_wrong_value_is_named(values, message):
    with pytest.raises(OptionError) as raised:
        read_values(values, Cake, "cake")
    assert str(raised.value) == message


def test_pairs_become_sections_and_the_last_value_of_a_name_wins(tmp_path):
    (tmp_path / "cake.yaml").write_text("eggs: 4\niced: true\n")
    given = [
        ("cake.eggs", "3"),
        ("cake.toppings.nuts", "1"),
        ("cake.toppings", "{cream: 2}"),
        ("cake.toppings.a.b", "x"),
        ("cake", str(tmp_path / "cake.yaml")),
        ("cake", "{iced: false}"),
        ("other.name", "5"),
    ]
    assert nested_values(given, {"cake": Cake, "other": Cake}) == {
        "cake": {"eggs": 4, "toppings": {"cream": 2, "a.b": "x"}, "iced": False},
        "other": {"name": "5"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "no.yaml",
            "--cake no.yaml: .*No such file.*; give a mapping of options in YAML, or a file with one",
        ),
        ("5", "cake holds 5; it must be a mapping of options"),
        ("{egs: 5}", "unknown option cake.egs"),
        ("{eggs: x}", "cake.eggs is 'x'; it must be a whole number"),
    ],
)
def test_a_section_that_cannot_be_read_is_named(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        nested_values([("cake", text)], {"cake": Cake})
