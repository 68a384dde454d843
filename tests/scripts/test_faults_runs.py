"""Faults of scripts: damaged checkpoints, too little memory, a second Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from learning.checkpoints.checksums import write_checksums
from learning.checkpoints.store import CheckpointStore
from learning.config.run_config import ModelConfig, RunConfig
from learning.errors import CheckpointError, UsageError
from learning.runs.network import build_model
from learning.training.interrupts import SignalGuard
from tests.support.scripts import call_main

pytestmark = pytest.mark.usefixtures("without_pictures")

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--data.image_size", "12", "--data.crop_size", "10", "--model.options.width", "2"]
SHORT = ["--train.num_epochs", "3", "--train.batch_size", "512", "--train.keep_checkpoints", "3"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train three epochs on the digits and mark the second as the best."""
    path = tmp_path_factory.mktemp("faults") / "run"
    call_main("train.py", "--run-dir", path, *TINY, *SHORT)
    store = CheckpointStore(path)
    for step in store.steps()[1:]:
        state = store.read_state(step)
        state.best_step, state.best_epoch = store.steps()[1], 2
        (store.path(step) / "state.json").write_text(state.to_json())
        write_checksums(store.path(step))
    return path


@pytest.fixture
def run_dir(trained, tmp_path):
    """A copy of it."""
    return shutil.copytree(trained, tmp_path / "run")


def damage(run_dir, number):
    """Cut the weights of the checkpoint that is `number` in the order of steps; returns its folder's name."""
    store = CheckpointStore(run_dir)
    folder = store.path(store.steps()[number])
    data = next(folder.glob("*.data-*"))
    os.truncate(data, data.stat().st_size // 2)
    return folder.name


@pytest.mark.fault(29)
def test_testing_with_a_damaged_newest_checkpoint_uses_the_best_before_it(run_dir, capsys, caplog):
    call_main("test.py", "--run", run_dir)
    assert "weights of epoch 2" in capsys.readouterr().out
    assert not caplog.records
    before = json.loads((run_dir / "test.json").read_text())["confusion_matrix"]
    name = damage(run_dir, -1)
    call_main("test.py", "--run", run_dir)
    assert "weights of epoch 2" in capsys.readouterr().out
    assert json.loads((run_dir / "test.json").read_text())["confusion_matrix"] == before
    (record,) = caplog.records
    assert f"{name} is damaged: model.ckpt.data-00000-of-00001 has" in record.getMessage()


@pytest.mark.fault(29)
def test_testing_with_damaged_best_weights_says_which_it_uses(run_dir, capsys, caplog):
    damage(run_dir, 1)
    call_main("test.py", "--run", run_dir)
    assert "weights of epoch 3" in capsys.readouterr().out
    assert json.loads((run_dir / "test.json").read_text())["epoch"] == 3
    (record,) = caplog.records
    assert (
        "these were the best weights (epoch 2), the weights of epoch 3 are used instead"
        in record.getMessage()
    )


@pytest.mark.fault(31)
@pytest.mark.parametrize("script", ["test.py", "predict.py", "train.py"])
def test_with_only_damaged_checkpoints_all_scripts_stop(run_dir, tmp_path, script):
    names = [damage(run_dir, number) for number in range(3)]
    (tmp_path / "image.png").write_bytes(b"")
    arguments = {"test.py": ["--run", run_dir], "train.py": ["--resume", run_dir]}
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="no checkpoint can be used: .*; restore one of them") as raised:
        call_main(script, *arguments.get(script, ["--run", run_dir, tmp_path / "image.png"]))
    assert all(name in str(raised.value) for name in names)
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


@pytest.mark.fault(25)
@pytest.mark.parametrize("script", ["test.py", "predict.py"])
def test_without_a_checkpoint_nothing_is_tested(run_dir, tmp_path, script):
    shutil.rmtree(run_dir / "checkpoints")
    (tmp_path / "image.png").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint in .*; choose another run with --run") as raised:
        call_main(script, "--run", run_dir, *([tmp_path / "image.png"] if script == "predict.py" else []))
    assert raised.value.exit_code == 4


@pytest.mark.fault(19)
@pytest.mark.parametrize("value", ["train.batch_size=0", "train.num_epochs=-1", "data.crop_size=64"])
def test_an_impossible_value_is_refused_without_tensorflow(value):
    name, _, text = value.partition("=")
    code = (
        "import sys\nfrom learning.errors import UsageError\n"
        "from learning.programs.command_line import parse_train\n"
        f"try: parse_train(['--{name}', '{text}'])\n"
        "except UsageError as error: assert 'tensorflow' not in sys.modules; print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"{name} is {text}" in done.stdout


@pytest.mark.fault(42)
@pytest.mark.parametrize("name", ["os.system", "collections.Counter", "models.convnet.np"])
def test_a_configuration_can_call_only_networks(name):
    config = RunConfig(model=ModelConfig(name=name))
    with pytest.raises(UsageError, match=f"'{name}' is not a ConvNet subclass"):
        build_model(config, (10, 10, 3), 2)


SIGNALLED = """
import os, signal, sys
from learning.training.interrupts import SignalGuard

with SignalGuard() as signals:
    os.kill(os.getpid(), signal.SIGINT)
    if signals.received == signal.SIGINT:  # the first is noted: the loop answers at its next boundary
        os.kill(os.getpid(), int(sys.argv[1]))
"""


@pytest.mark.fault(38)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_process_at_once(number):
    done = subprocess.run([sys.executable, "-c", SIGNALLED, str(int(number))], cwd=ROOT)
    assert done.returncode == 128 + number


@pytest.mark.fault(38)
@pytest.mark.usefixtures("without_nohup")
def test_a_terminal_can_hang_up_twice_and_nohup_is_respected():
    with SignalGuard() as signals:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert signals.received == signal.SIGHUP
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with SignalGuard() as signals:
            signal.raise_signal(signal.SIGHUP)
            assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


LIMITED = """
import resource  # what TensorFlow takes to start is not limited

num_pages = int(open("/proc/self/statm").read().split()[0])
limit = num_pages * resource.getpagesize() + 1500 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""
# Its first layer alone would need 4 GB. A convolution of oneDNN that gets no memory ends the process.
WIDE_NET = """
import tensorflow as tf
from models.layers import fc_layer, global_average_pool
from models.nn import ConvNet

class WideNet(ConvNet):
    def _build_model(self):
        return {"logits": fc_layer(global_average_pool(tf.tile(self.inputs, [1, 1, 1, 10000])), self.num_classes)}
"""


@pytest.mark.fault(35)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="address space is limited as Linux does")
def test_too_little_memory_is_one_line_that_proposes_a_smaller_batch(call_script, tmp_path):
    (tmp_path / "wide_nets.py").write_text(WIDE_NET)
    net = ["--model.name", "wide_nets.WideNet"]
    options = ["--train.batch_size", "128", "--train.num_epochs", "1", "--train.threads", "1"]
    done = call_script("train.py", "--run-dir", "run", *net, *options, cwd=tmp_path, prepare=LIMITED)
    assert done.returncode == 6, done.stderr[-1000:]
    assert done.stderr.strip().splitlines()[-1] == "train.py: out of memory: try a smaller --train.batch_size"
    assert not list((tmp_path / "run").glob("checkpoints/*"))
