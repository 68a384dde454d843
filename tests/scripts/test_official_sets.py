"""The scripts on the official files of MNIST and CIFAR-10."""

import json

import pytest
from PIL import Image

from datasets import cifar10, mnist
from datasets.errors import DataError
from tests.support.download_server import serving
from tests.support.made_sets import change_entry, cifar_parts, mnist_parts, write_mnist, write_python_batches
from tests.support.scripts import call_main

OFFICIAL_SETS = {
    "cifar10": (write_python_batches, cifar_parts, cifar10.CLASS_NAMES, 32, 3, [1, 2]),
    "mnist": (write_mnist, mnist_parts, mnist.CLASS_NAMES, 28, 1, [1]),
}


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("name", OFFICIAL_SETS)
def test_a_run_on_an_official_set_is_tested_on_its_files_and_on_images(
    name, tmp_path, monkeypatch, capsys, caplog
):
    write, parts, class_names, side, channels, crops = OFFICIAL_SETS[name]
    official, run_dir, images = write(tmp_path / "official", parts()), tmp_path / "run", tmp_path / "images"
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))
    sizes = ["--data.image_size", side, "--data.crop_size", side, "--data.channels", channels]
    data = ["--data.name", name, "--data.padding", 2, "--data.redraw", "false", "--data.sample_size", 15]
    data += ["--data.reflect", "false"] if name == "mnist" else ["--data.pca_color", 0.1]
    train = ["--train.num_epochs", 1, "--train.batch_size", 5, "--data.val_fraction", 0]
    stages, widths = ("[1]", "[4]") if name == "mnist" else ("[1,1,1]", "[4,8,16]")
    train += ["--model.options.stages", stages, "--model.options.widths", widths, "--precision", "float32"]
    call_main("train.py", "--data-dir", official, "--run-dir", run_dir, *data, *sizes, *train,
        "--train.select", "last",
    )  # fmt: skip
    scores = json.loads((run_dir / "test.json").read_text())
    assert (scores["num_images"], [entry["crops"] for entry in scores["scores"]]) == (15, crops)

    call_main("test.py", "--run", run_dir, "--data-dir", official)
    scores = json.loads((run_dir / "test-official.json").read_text())
    assert (scores["num_images"], scores["class_names"]) == (20, list(class_names))
    assert f"by {crops[-1]} crop{'s' if crops[-1] > 1 else ''}:" in capsys.readouterr().out

    for part in ("train", "test"):
        for class_name in class_names:
            (images / part / class_name).mkdir(parents=True)
            Image.new("RGB", (side, side)).save(images / part / class_name / "0.png")
    call_main("test.py", "--run", run_dir, "--data-dir", images)
    assert json.loads((run_dir / "test-images.json").read_text())["num_images"] == 10
    assert "trained on" not in caplog.text


@pytest.mark.usefixtures("without_pictures")
def test_a_set_is_downloaded_once_and_verified_in_every_script(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))
    run_dir, fetched = tmp_path / "run", tmp_path / "cache" / "downloads" / "mnist"
    options = [
        "--data.val_fraction",
        0,
        "--train.batch_size",
        5,
        "--run-dir",
        run_dir,
        "--train.select",
        "last",
    ]
    made = write_mnist(tmp_path / "made", mnist_parts())
    with serving(tmp_path) as (server, certificate):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        files = tuple(server.add(path.name, path.read_bytes()) for path in made.iterdir())
        change_entry(monkeypatch, "mnist", downloads=files)
        recipe = ["--config", "mini-resnet-mnist", "--train.num_epochs", 1, "--model.precision", "float32"]
        call_main("train.py", *recipe, "--download", *options)
    names = [path.name for path in fetched.iterdir() if path.suffix != ".lock"]
    assert sorted(names) == sorted(file.name for file in files)
    assert json.loads((run_dir / "test.json").read_text())["num_images"] == 20
    call_main("test.py", "--run", run_dir)
    damaged = fetched / files[0].name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    for script, arguments in (
        ("test.py", ["--run", run_dir]),
        ("train.py", ["--resume", run_dir, "--download"]),
    ):
        with pytest.raises(DataError, match="is not the official file: expected .* bytes, got "):
            call_main(script, *arguments)
