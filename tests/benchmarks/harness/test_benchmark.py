"""benchmarks/harness/benchmark.py: the options, files and tables of a benchmark."""

import json
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks.harness import benchmark
from benchmarks.harness.benchmark import Benchmark, add_nets, conditions, precisions
from benchmarks.harness.markdown import ROOT
from datasets.errors import StorageError
from learning.errors import UsageError


def make(**options):
    """A benchmark of two parts."""

    def steps(arguments):
        yield {"parts": [1]}
        yield {"parts": [1, 2], "more": True}

    default = {"name": "x", "text": "Text.", "steps": steps, "table": lambda figures: f"{figures['parts']}"}
    return Benchmark(**{**default, "rounds": 2, "seconds": 1.0, **options})


def test_figures_are_written_with_their_conditions_and_the_table_is_printed(tmp_path, capsys):
    make()(["--quick", "--output", str(tmp_path / "out.json")])
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["parts"], found["more"]) == ([1, 2], True)
    assert found["options"] == {"quick": True, "rounds": 1, "seconds": 0.0, "threads": 0}
    assert {"processor", "versions", "date"} <= set(found["environment"])
    assert capsys.readouterr().out == "[1, 2]\n"


def test_the_figures_of_finished_parts_are_kept(tmp_path):
    def steps(arguments):
        yield {"parts": [1]}
        raise UsageError("broken")

    with pytest.raises(UsageError, match="broken"):
        make(steps=steps)(["--output", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text())["parts"] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rounds", "0"], "--rounds: it is 0; give a whole number of 1 or more"),
        (["--threads", "-1"], "--threads: it is -1; give a whole number of 1 or more"),
        (["--seconds", "-1"], "--seconds is -1; give 0 or more"),
        (["vgg"], "'vgg' is not one of alexnet, resnet50"),
    ],
)
def test_impossible_options(options, message):
    nets = make(add_options=lambda parser: add_nets(parser, ("alexnet", "resnet50")))
    with pytest.raises(UsageError, match=message):
        nets.parse(options)


def test_an_output_that_cannot_be_written_is_reported_before_the_work(tmp_path):
    with pytest.raises(StorageError, match="choose another --output"):
        make(steps=None)(["--output", str(tmp_path / "no" / "x.json")])


def test_what_quick_sets():
    arguments = make().parse(["--quick", "--rounds", "9"])
    assert (arguments.rounds, arguments.seconds) == (1, 0.0)
    arguments = make(seconds=None).parse(["--quick", "--rounds", "9"])
    assert "seconds" not in arguments
    assert conditions(arguments)["options"] == {"quick": True, "rounds": 1, "threads": 0}


def test_a_single_measurement_has_no_rounds():
    once = make(rounds=None, seconds=None)
    assert "rounds" not in once.parse(["--quick"])
    with pytest.raises(UsageError, match="--rounds"):
        once.parse(["--rounds", "2"])


def test_bfloat16_is_left_out_where_it_is_emulated(monkeypatch, capsys):
    with_precision = make(has_precision=True)
    monkeypatch.setattr(benchmark, "emulation", lambda: "")
    assert precisions(with_precision.parse([])) == ("float32", "bfloat16")
    monkeypatch.setattr(benchmark, "emulation", lambda: "no units")
    arguments = with_precision.parse([])
    assert precisions(arguments) == ("float32",)
    assert conditions(arguments)["left_out_precisions"] == {"bfloat16": "it is emulated: no units"}
    told = "bfloat16 is left out: it is emulated: no units; --precision bfloat16 measures it\n"
    assert capsys.readouterr().out == told
    assert precisions(with_precision.parse(["--precision", "both"])) == ("float32", "bfloat16")
    assert precisions(with_precision.parse(["--precision", "bfloat16"])) == ("bfloat16",)


def test_the_commands_are_listed(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks"])
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == list(command.COMMANDS)
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert command.listing() in page, "copy the output of python -m benchmarks into docs/benchmarks.md"


def test_an_unknown_command_is_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmarks", "trainings"])
    with pytest.raises(UsageError, match="there is no such benchmark; give one of training, inference"):
        command.main()


def test_the_libraries_are_imported_only_by_the_contestants():
    code = (
        "import sys; from benchmarks import __main__ as command; command.listing(); "
        "print({'tensorflow', 'torch', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
