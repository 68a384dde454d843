"""learning/training/profiling.py: the table worked out by hand, and a profiled run against a plain one."""

import csv
import errno
import json
from types import SimpleNamespace

import pytest
import tensorflow as tf

from learning.errors import StorageError, UsageError
from learning.programs.command_line import parse_train
from learning.runs.data import check_fits, open_data
from learning.training import profiling
from learning.training.profiling import Cost, costs
from learning.training.step import TrainingStep
from tests.support.tiny_training import assert_same_state, train

pytestmark = pytest.mark.usefixtures("without_pictures")


def node(label, microseconds):
    return SimpleNamespace(
        node_name="name", timeline_label=label, op_start_rel_micros=5, op_end_rel_micros=5 + microseconds
    )


def test_times_are_summed_by_kind_the_costliest_first():
    nodes = [
        node("a = Relu(x)", 500),
        node("b = Conv2D(x, w)", 2000),
        node("c = Relu(b)", 700),
        node("odd", 10),
    ]
    assert costs(nodes) == [Cost("Conv2D", 2.0, 1), Cost("Relu", 1.2, 2), Cost("name", 0.01, 1)]


def test_a_profiled_update_computes_the_same_bits_and_leaves_its_files(session, tmp_path):
    peace = train(session, tmp_path / "peace")
    profiled = train(session, tmp_path / "profiled", profile=5)
    assert_same_state(peace, profiled)
    events = json.loads((tmp_path / "profiled/profile-5.timeline.json").read_text())["traceEvents"]
    assert any("Conv2D" in str(event) for event in events)
    with (tmp_path / "profiled/profile-5.operations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["operation", "milliseconds", "calls", "share"]
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)
    assert any("Conv2D" in row["operation"] for row in rows)


def test_an_error_in_the_update_is_not_blamed_on_the_disk(session, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(TrainingStep, "run", fail)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        train(session, tmp_path, profile=2)


def test_a_profile_that_cannot_be_written_is_reported(session, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(profiling, "write_profile", fail)
    with pytest.raises(StorageError, match="cannot write the profile of update 2 .*No space left"):
        train(session, tmp_path, profile=2)


def test_a_past_update_cannot_be_profiled(session, tmp_path):
    train(session, tmp_path, num_epochs=2, profile=3)
    train(session, tmp_path, num_epochs=3, profile=3, resume=True)  # its table is there
    with pytest.raises(UsageError, match=r"train.profile is 2, and 12 updates are done"):
        train(session, tmp_path, num_epochs=4, profile=2, resume=True)


def test_an_update_that_never_comes_is_an_error():
    config = parse_train(["--profile", "100000"]).config
    with pytest.raises(UsageError, match=r"train.profile is 100000; choose 1 to \d+, the last update"):
        check_fits(config, open_data(config))


def test_the_short_options_are_those_of_the_sections():
    config = parse_train(["--profile", "7", "--precision", "auto"]).config
    assert (config.train.profile, config.model.precision) == (7, "auto")
