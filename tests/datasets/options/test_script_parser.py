"""datasets/options/script_parser.py: the parser of all scripts."""

import pytest

from datasets.errors import UsageError
from datasets.options.script_parser import ScriptParser
from tests.datasets.options.test_text_values import Cake


@pytest.fixture
def parser():
    parser = ScriptParser(prog="bake")
    parser.set_defaults(given=[])
    parser.add_argument("--run-dir")
    parser.add_argument("paths", nargs="*")
    parser.add_section("cake", Cake, {"cake.iced": "iced"}, {"eggs": 7, "tin": "round"})
    return parser


def test_the_given_options_are_listed_in_their_order(parser):
    words = ["--cake.eggs=3", "--iced", "--cake", "{eggs: 4}", "--cake.iced", "false", "--debug"]
    arguments = parser.parse_args(words)
    assert arguments.given == [
        ("cake.eggs", "3"),
        ("cake.iced", "true"),
        ("cake", "{eggs: 4}"),
        ("cake.iced", "false"),
    ]
    assert arguments.debug
    assert parser.parse_args([]).given == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run-dri", "x"], "unknown option --run-dri; did you mean --run-dir?"),
        (["--egs", "3"], "unknown option --egs; did you mean --cake.eggs?"),
        (["--cake.egs=3"], "unknown option --cake.egs; did you mean --cake.eggs?"),
        (["--icd"], "unknown option --icd; did you mean --iced?"),
        (["--zzz"], "unknown option --zzz; there are: cake, cake.eggs"),
        (["--run-dir=--"], "argument --run-dir: expected one argument"),
        (["--cake.eggs"], "argument --cake.eggs: expected one argument"),
    ],
)
def test_a_complaint_is_one_line_with_a_suggestion(parser, words, message):
    with pytest.raises(UsageError) as raised:
        parser.parse_args(words)
    assert str(raised.value).startswith(message)


def test_help_shows_types_choices_and_defaults(parser):
    shown = " ".join(parser.format_help().split())
    assert "What is baked: --cake CONFIG" in shown
    assert "--cake.eggs EGGS how many. (type: int, default: 7)" in shown
    assert "--cake.sugar SUGAR kilograms. (type: float | null, default: null)" in shown
    assert "--cake.tin TIN where it is baked. (type: str | null, default: round)" in shown
    assert "--cake.sort {on,off,3} sort of it. (default: on)" in shown
    assert "whether it is iced. (default: false)" in shown
