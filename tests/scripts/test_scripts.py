"""train.py, test.py and predict.py as their users call them."""

import csv
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.errors import ClassMismatchError, DataError
from datasets.load import labelled_set
from learning.checkpoints.store import CheckpointStore
from learning.errors import UsageError
from learning.evaluation.results import results_name
from learning.runs.directory import RunDirectory
from learning.terminal.image_files import image_files
from learning.training.loop import TrainingLoop
from tests.support.scripts import call_main

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "--config",
    "folder-scratch",
    "--train.batch_size",
    8,
    "--data.image_size",
    24,
    "--data.crop_size",
    20,
]  # for the folder of photos


def run(script, *arguments, cwd=None, timeout=600):
    """Call a script; returns the finished process with its texts."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout,
    )


@pytest.fixture
def leave_after_a_line(call_script, tmp_path):
    """Call a script, read one line of its output and close the pipe; returns its exit code."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def read():
        with pipe.open() as file:
            file.readline()

    def call_and_leave(script, *arguments):
        # A script that ends before it opens the pipe leaves the reader waiting.
        threading.Thread(target=read, daemon=True).start()
        return call_script(script, *arguments, pipe=pipe).returncode

    return call_and_leave


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a labelled folder: red and blue pictures of several sizes and formats, and one damaged file."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for label, channel in (("blue", 2), ("red", 0)):
        (root / label).mkdir()
        for i in range(30):
            pixels = rng.integers(0, 90, (20 + i, 30, 3)).astype(np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(root / label / f"{i:02d}.{'png' if i % 2 else 'jpg'}")
    (root / "red" / "broken.jpg").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A finished run on that folder, and what train.py printed."""
    run_dir = tmp_path_factory.mktemp("runs") / "photos"
    done = run("train.py", "--data-dir", folder, "--run-dir", run_dir, "--train.num_epochs", 4, *SMALL)
    assert done.returncode == 0, done.stderr
    return run_dir, done


def test_a_closed_pipe_does_not_stop_training(leave_after_a_line, folder, tmp_path):
    where = ["--data-dir", folder, "--run-dir", tmp_path / "run"]
    narrow = ["--model.options.width", 2]
    code = leave_after_a_line("train.py", *where, "--train.num_epochs", 2, *SMALL, *narrow)
    assert code == 0
    assert json.loads((tmp_path / "run" / "test.json").read_text())["scores"]


def test_a_closed_pipe_does_not_lose_the_file(leave_after_a_line, trained, folder, tmp_path):
    output = tmp_path / "rows.csv"
    assert leave_after_a_line("predict.py", "--run", trained[0], folder / "blue", "--output", output) == 0
    assert len(output.read_text().splitlines()) == 1 + 30


def test_train_prints_both_scores_and_where_the_run_lies(trained):
    run_dir, done = trained
    assert "1 crop   accuracy" in done.stdout
    assert "10 crops  accuracy" in done.stdout
    assert f"run: {run_dir}" in done.stdout
    assert "broken.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    [machine] = json.loads((run_dir / "run.json").read_text())["machines"]
    assert (machine["from_step"], machine["threads"] > 0, machine["kernels"] != "unknown") == (0, True, True)
    names = {path.name for path in run_dir.iterdir()}
    assert {
        "config.yaml",
        "run.json",
        "history.csv",
        "learning_curves.png",
        "test.json",
        "checkpoints",
    } <= names


@pytest.mark.fault(26)
def test_test_repeats_the_scores_also_after_the_run_was_moved(call_script, trained):
    run_dir, _ = trained
    first = json.loads((run_dir / "test.json").read_text())
    moved = run_dir.rename(run_dir.with_name("moved"))
    try:
        done = call_script("test.py", "--run", moved)
        assert done.returncode == 0, done.stderr
        again = json.loads((moved / "test.json").read_text())
    finally:
        moved.rename(run_dir)
    for entry in (*first["scores"], *again["scores"]):
        del entry["seconds"]
    assert first == again
    assert (run_dir / "test-confusion.png").stat().st_size > 1000
    assert "recall" in done.stdout


@pytest.mark.fault(10)
def test_test_on_another_folder_matches_classes_by_name(call_script, trained, folder, tmp_path):
    run_dir, _ = trained
    other = tmp_path / "other"
    for label in ("red", "blue"):
        (other / label).mkdir(parents=True)
        (other / label / "a.png").write_bytes((folder / label / "01.png").read_bytes())
    done = call_script("test.py", "--run", run_dir, "--data-dir", other)
    assert done.returncode == 0, done.stderr
    assert json.loads((run_dir / "test-other.json").read_text())["num_images"] == 2
    assert results_name(run_dir, other) == "test-other"
    assert results_name(run_dir, tmp_path / "elsewhere" / "other") == "test-other-2"
    for letter in "x", "日", "\udcff":
        name = results_name(run_dir, tmp_path / (letter * 250))
        assert len(os.fsencode(f"{name}-2-confusion.png")) < 256
    (other / "red").rename(other / "rouge")
    done = call_script("test.py", "--run", run_dir, "--data-dir", other)
    assert done.returncode == 4
    assert "rouge" in done.stderr
    assert "red" in done.stderr


@pytest.mark.fault(1)
def test_predict_files_and_folders_in_order(trained, folder, tmp_path):
    run_dir, _ = trained
    output = tmp_path / "rows.csv"
    done = run(
        "predict.py", "--run", run_dir, folder / "red" / "03.png", folder / "blue", folder / "red" / "broken.jpg",
        "--top-k", 2, "--ten-crop", "--output", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with output.open() as file:
        rows = list(csv.DictReader(file))
    expected = [
        folder / "red" / "03.png",
        *sorted((folder / "blue").iterdir()),
        folder / "red" / "broken.jpg",
    ]
    assert [row["path"] for row in rows] == list(map(str, expected))
    assert [row["class1"] for row in rows[:-1]] == ["red"] + ["blue"] * 30
    for row in rows[:-1]:
        assert float(row["probability1"]) + float(row["probability2"]) == pytest.approx(1, abs=1e-5)
    assert rows[-1]["class1"] == ""
    assert "not an image" in rows[-1]["error"]


def test_predict_explains_and_embeds_what_can_be_read(call_script, trained, folder, tmp_path):
    files = [folder / "blue", folder / "red" / "broken.jpg", folder / "red" / "03.png"]
    maps, values = tmp_path / "maps", tmp_path / "values.npz"
    done = call_script("predict.py", "--run", trained[0], *files, "--explain", maps, "--embed", values)
    assert done.returncode == 0, done.stderr
    with (maps / "explanations.csv").open() as file:
        rows = list(csv.DictReader(file))
    readable = [*sorted((folder / "blue").iterdir()), files[2]]
    assert [(row["path"], row["class"]) for row in rows] == [
        (str(path), path.parent.name) for path in readable
    ]
    assert {row["picture"] for row in rows} == {path.name for path in maps.glob("*.jpg")}
    with np.load(values) as found:
        assert found["files"].tolist() == list(map(str, readable))
        assert found["values"].shape[0] == len(readable)
    done = call_script("predict.py", "--run", trained[0], files[2], "--explain", maps, "--layer", "nothing")
    assert done.returncode == 2
    assert "no feature map 'nothing'; there are, from the first to the last: stem" in done.stderr


def test_calibrated_predictions_need_enough_validation_images(call_script, trained, folder):
    done = call_script("predict.py", "--run", trained[0], folder / "blue", "--calibrated")
    assert done.returncode == 4
    assert "has no temperature (the validation set has" in done.stderr


@pytest.mark.fault(10)
def test_images_of_unknown_classes_are_refused_whatever_their_names(trained, folder, tmp_path):
    # the classes of a cats-and-dogs model, and files named like cats in a folder of birds
    for label in ("bird", "cat"):
        (tmp_path / "other" / label).mkdir(parents=True)
        image = (folder / "red" / "01.png").read_bytes()
        (tmp_path / "other" / label / "cat.0.png").write_bytes(image)
    with pytest.raises(ClassMismatchError, match="bird"):
        labelled_set(
            tmp_path / "other", ("cat", "dog"), image_size=8, crop_size=8, cache_dir=tmp_path / "cache"
        )


def exit_code_of(monkeypatch, script, *arguments, stdout):
    """Run a script in this process, with its output into a stream; returns its exit code."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    for name, stream in (("stdout", stdout), ("stderr", sys.stderr)):
        monkeypatch.setattr(sys, name, stream)  # and put back in the end
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    return left.value.code


@pytest.fixture(scope="module")
def accents(folder, tmp_path_factory):
    """Make a folder of two classes whose names have a letter outside ASCII and an undecodable byte."""
    root = os.fsencode(tmp_path_factory.mktemp("accents"))
    for name, like in ((b"caf\xc3\xa9", "red"), (b"th\xe9", "blue")):
        shutil.copytree(os.fsencode(folder / like), os.path.join(root, name))
    return Path(os.fsdecode(root))


@pytest.mark.fault(46)
def test_names_that_the_terminal_cannot_print_lose_no_result(accents, tmp_path, monkeypatch):
    def printed(script, *arguments):
        buffer = io.BytesIO()
        stream = io.TextIOWrapper(buffer, "ascii")
        assert exit_code_of(monkeypatch, script, *arguments, stdout=stream) == 0
        return buffer.getvalue().decode("ascii")

    run_dir, rows = tmp_path / "run", tmp_path / "rows.csv"
    where = ["--data-dir", accents, "--run-dir", run_dir]
    assert "(caf\\xe9, th\\udce9)" in printed("train.py", *where, *SMALL, "--train.num_epochs", 1)
    assert "th\\udce9" in printed("test.py", "--run", run_dir, "--data-dir", accents)
    assert "\ncaf\\xe9 " in printed("test.py", "--run", run_dir)
    told = printed("predict.py", "--run", run_dir, accents, "--output", rows)
    assert "caf\\xe9" in told
    assert len(told.splitlines()) == len(rows.read_text().splitlines()) - 1 == 61


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.fault(46)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is had as Linux has it")
def test_a_full_disk_under_the_output_does_not_stop_the_scripts(
    trained, folder, tmp_path, monkeypatch, capfd
):
    run_dir, rows = tmp_path / "run", tmp_path / "rows.json"
    train = ["--data-dir", folder, "--run-dir", run_dir, *SMALL, "--train.num_epochs", 2]
    label = ["--run", trained[0], folder / "blue"]
    for script, arguments, result in (
        ("train.py", train, run_dir / "test.json"),
        (
            "test.py",
            ["--run", trained[0], "--output", tmp_path / "results"],
            tmp_path / "results" / "test.json",
        ),
        ("predict.py", [*label, "--output", rows], rows),
    ):
        with open("/dev/full", "w") as full:
            assert exit_code_of(monkeypatch, script, *arguments, stdout=full) == 6
        assert f"{script}: not all of its output could be written" in capfd.readouterr().err
        assert result.is_file()
    assert len((run_dir / "history.csv").read_text().splitlines()) == 1 + 2
    with open("/dev/full", "w") as full:
        assert exit_code_of(monkeypatch, "predict.py", *label, stdout=full) == 6
    assert "predict.py: standard output cannot be written: No space" in capfd.readouterr().err


def test_testing_on_the_training_images_is_reported(call_script, trained, folder):
    done = call_script("test.py", "--run", trained[0], "--data-dir", folder)
    assert done.returncode == 0
    assert done.stderr.count("images tested here are also in the training set of the run") == 1


@pytest.mark.fault(11)
def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zeros.jpg").symlink_to("/dev/zero")
    for file in image_files([str(tmp_path / "pipe.jpg"), str(tmp_path / "zeros.jpg")]):
        with pytest.raises(DataError, match=r"cannot be read \(not a regular file\)"):
            file.read()


@pytest.mark.fault(1)
def test_predict_with_nothing_readable(call_script, trained, folder, tmp_path):
    output = tmp_path / "rows.json"
    done = call_script("predict.py", "--run", trained[0], folder / "red" / "broken.jpg", "--output", output)
    assert done.returncode == 3
    assert "none of the 1 files could be read" in done.stderr
    assert json.loads(output.read_text())[0]["classes"] == []


def test_a_users_own_net_is_trained_by_its_dotted_path(call_script, folder, tmp_path):
    (tmp_path / "my_nets.py").write_text(
        "import tensorflow as tf\n"
        "from models.layers import fc_layer, global_average_pool\n"
        "from models.nn import ConvNet\n"
        "class MyNet(ConvNet):\n"
        "    def _build_model(self, scale=1.0):\n"
        "        return {'logits': scale * fc_layer(global_average_pool(self.inputs), self.num_classes)}\n"
    )
    options = ["--data-dir", folder, "--train.num_epochs", 1, *SMALL]
    own = ["--model.name", "my_nets.MyNet", "--run-dir", "out"]
    done = call_script("train.py", *options, *own, "--model.options.scale", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "test.json").is_file()
    done = call_script("train.py", *options, *own[:2], "--model.options.sale", 2, cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown option 'sale'; did you mean 'scale'" in done.stderr


INTERRUPTED = """
import os, signal
from learning.training.loop import TrainingLoop

step = TrainingLoop._step

def step_and_interrupt(loop, *arguments):
    if loop.state.global_step == 2:  # the second epoch has begun
        os.kill(os.getpid(), signal.SIGINT)
    return step(loop, *arguments)

TrainingLoop._step = step_and_interrupt
"""


@pytest.mark.fault(38)
def test_ctrl_c_saves_and_resume_continues(call_script, tmp_path):
    run_dir = tmp_path / "run"
    small = ["--data.image_size", 12, "--data.crop_size", 10, "--model.options.width", 2]
    epochs = ["--train.num_epochs", 4, "--train.batch_size", 512]  # of two updates
    done = call_script("train.py", "--run-dir", run_dir, *small, *epochs, prepare=INTERRUPTED)
    assert done.returncode == 130
    assert f"continue with train.py --resume {run_dir} (in a program" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert CheckpointStore(run_dir).newest_state().global_step == 3
    done = call_script("train.py", "--resume", run_dir)
    assert done.returncode == 0, done.stderr
    assert "images, weights of epoch" in done.stdout
    assert len((run_dir / "history.csv").read_text().splitlines()) == 1 + 4


@pytest.mark.usefixtures("without_pictures")
def test_an_extended_run_keeps_its_new_length_after_a_crash(folder, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    call_main("train.py", "--data-dir", folder, "--run-dir", run_dir, *SMALL,
        "--train.num_epochs", 1, "--schedule.name", "constant", "--model.options.width", 2,
    )  # fmt: skip
    with pytest.raises(UsageError, match="choose a later one"):  # refused: nothing of it is kept
        call_main("train.py", "--resume", run_dir, "--train.num_epochs", 9, "--train.profile", 1)
    assert RunDirectory(run_dir).config.train.num_epochs == 1

    def die(*_):
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(TrainingLoop, "_step", die)
        call_main("train.py", "--resume", run_dir, "--train.num_epochs", 2)
    call_main("train.py", "--resume", run_dir)
    assert len((run_dir / "history.csv").read_text().splitlines()) == 1 + 2


@pytest.mark.fault(23)
def test_resume_with_other_options_lists_the_differences(call_script, trained):
    options = ["--train.batch_size", 4, "--model.name", "alexnet"]
    done = call_script("train.py", "--resume", trained[0], *options)
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "train.batch_size is 4, was 8" in done.stderr
    assert "model.name is 'alexnet', was 'smallnet'" in done.stderr


@pytest.mark.fault(23)
def test_resume_with_other_images(call_script, trained, folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "photos")
    (other / "red" / "01.png").unlink()
    done = call_script("train.py", "--resume", trained[0], "--data-dir", other)
    assert done.returncode == 4
    assert "files were added, removed, renamed or edited" in done.stderr


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train.batch_size", 100], "train.batch_size is 100, more than the"),
        (["--train.evaluator", "top5_accuracy", "--train.batch_size", 8], "k"),
        (["--schedule.min_learning_rate", 1, "--train.batch_size", 8], "min_learning_rate is 1"),
        (["--model.name", "alexnet", "--train.batch_size", 8], "does not fit on an input of 20x20x3"),
    ],
)
def test_options_that_the_data_do_not_allow(call_script, folder, tmp_path, options, message):
    sizes = ["--config", "folder-scratch", "--data.image_size", 24, "--data.crop_size", 20]
    done = call_script("train.py", "--data-dir", folder, "--run-dir", tmp_path / "run", *sizes, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_test_refuses_other_images_than_the_runs(call_script, trained, folder):
    moved = (folder / "red" / "03.png").rename(folder / "red" / "99.png")
    try:
        done = call_script("test.py", "--run", trained[0])
    finally:
        moved.rename(folder / "red" / "03.png")
    assert done.returncode == 4
    assert "files were added, removed, renamed or edited" in done.stderr
