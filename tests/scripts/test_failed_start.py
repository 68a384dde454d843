"""A run that fails before its first checkpoint ends with one line, and its directory can be used again."""

import runpy
import sys
from pathlib import Path

import pytest

from learning.config.run_config import RunConfig
from learning.errors import DirectoryInUseError
from learning.runs.directory import RunDirectory, locked
from learning.terminal.command import run_script

pytestmark = pytest.mark.usefixtures("without_pictures")

ROOT = Path(__file__).resolve().parents[2]
NETS = """
import tensorflow as tf
from models.layers import fc_layer
from models.nn import ConvNet


class Net(ConvNet):
    def _build_model(self, broken=False):
        x = tf.reshape(self.inputs, [-1, 7 if broken else 10 * 10])
        x.set_shape([None, 10 * 10] if not broken else [None, 7])
        return {"logits": fc_layer(x, self.num_classes, weights_stddev=0.1, biases_value=0.0)}

"""
INFO = {"class_names": ["a", "b"], "input_shape": [10, 10, 3], "data_fingerprint": "x"}


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    """Call train.py with a network of NETS on the digits; returns the exit code and the lines on stderr."""
    (tmp_path / "my_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    main = runpy.run_path(str(ROOT / "train.py"), run_name="called")["main"]

    def call(name, *options):
        arguments = [
            *("train.py", "--run-dir", tmp_path / "run", "--model.name", f"my_nets.{name}", *options),
            *("--data.image_size", "12", "--data.crop_size", "10"),
            *("--train.num_epochs", "1", "--train.batch_size", "512"),
        ]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as ended:
            run_script(main)
        said = capsys.readouterr().err
        return ended.value.code, [line for line in said.splitlines() if line.strip()]

    return call


@pytest.mark.fault(22)
def test_a_network_that_fails_when_it_runs_is_reported_with_its_line_and_the_directory_is_reused(
    train, tmp_path, caplog
):
    code, said = train("Net", "--model.options.broken", "true")
    assert (code, len(said)) == (4, 1), said
    line = 1 + NETS.splitlines().index(next(text for text in NETS.splitlines() if "tf.reshape(self" in text))
    assert f"of {tmp_path / 'my_nets.py'}, line {line}: " in said[0]
    assert said[0].startswith("train.py: the network fails when it runs, in the Reshape ")
    assert (tmp_path / "run" / "run.json").exists() and not list(tmp_path.glob("run/checkpoints/*"))

    code, said = train("Net", "--optimizer.init_learning_rate", "3e38")
    assert code == 5 and "at update 2, which was not saved" in said[-1]

    code, said = train("Net")
    assert code == 0, said
    assert caplog.text.count("ended before its first checkpoint; a new one takes its place") == 2
    assert "broken: true" not in (tmp_path / "run" / "config.yaml").read_text()
    before = {path: path.read_bytes() for path in tmp_path.glob("run/*") if path.is_file()}

    code, said = train("Net")
    assert code == 7 and "is not empty; continue its run with --resume" in said[-1]
    assert {path: path.read_bytes() for path in tmp_path.glob("run/*") if path.is_file()} == before


def leave_a_run(path):
    """Make all files that a run killed before its first checkpoint can leave."""
    RunDirectory.create(path, RunConfig(), INFO)
    for name in (
        "augmented.png",
        f".tmp-{'ab12' * 8}",
        "events.out.tfevents.1.host",
        "profile-1.operations.csv",
    ):
        (path / name).touch()
    (path / "checkpoints" / ".writing-step-00000003").mkdir(parents=True)
    (path / "checkpoints" / ".writing-step-00000003" / "state.json").touch()
    (path / "checkpoints" / "losses.float64").touch()


@pytest.mark.fault(22, 32)
def test_a_run_that_saved_nothing_is_replaced(tmp_path):
    leave_a_run(tmp_path)
    with locked(tmp_path, resumed=False):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "kept",
    [
        *("notes.txt", "history.csv", "test.json", "my.yaml", "checkpoints/notes.txt"),
        *("checkpoints/step-00000003/state.json", "checkpoints/.damaged-step-00000003/state.json"),
        *("checkpoints", "augmented.png/mine"),
    ],
)
def test_files_that_could_matter_are_never_removed(tmp_path, kept):
    if kept == "augmented.png/mine":
        RunDirectory.create(tmp_path, RunConfig(), INFO)
    elif kept == "checkpoints":
        RunDirectory.create(tmp_path, RunConfig(), INFO)
        (tmp_path.parent / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "checkpoints").symlink_to(tmp_path.parent / "elsewhere")
    else:
        leave_a_run(tmp_path)
    if kept != "checkpoints":
        (tmp_path / kept).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / kept).write_text("of worth")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DirectoryInUseError, match="is not empty"), locked(tmp_path, resumed=False):
        pass
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != ".lock"] == before


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "text", [None, "", "{}", '["class_names"]', '{"class_names": 1}', '{"published": true}']
)
def test_a_folder_with_only_a_configuration_belongs_to_the_user(tmp_path, text):
    RunDirectory.create(tmp_path, RunConfig(), INFO)
    if text is None:
        (tmp_path / "run.json").unlink()
    else:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(DirectoryInUseError, match="is not empty"), locked(tmp_path, resumed=False):
        pass
    assert (tmp_path / "config.yaml").exists()
