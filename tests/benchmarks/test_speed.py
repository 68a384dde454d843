"""Measuring prediction, input, start, epochs, growth and memory: that it works, and what it computes."""

import importlib.util
import json
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import commands, hardware, made, watch
from benchmarks.peers import keras_digits, post_way
from benchmarks.peers.windows import Windows
from benchmarks.speed import epoch, inference, input, memory, memory_peers, scaling, start
from datasets.augment.windows import corner_center_crop_reflect
from datasets.dataset import DataSet
from learning.config.run_config import RunConfig
from learning.errors import UsageError
from learning.optimizers import Optimizer
from learning.training.network import build_model

HAS_TORCH = importlib.util.find_spec("torch") is not None
PEERS = ["torch", "keras"] if HAS_TORCH else ["keras"]


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Runs a command with --quick and gives the figures that it wrote."""

    def call(module, *options):
        path = tmp_path / "figures.json"
        monkeypatch.setattr("sys.argv", ["benchmark", "--quick", "--output", str(path), *options])
        module.main()
        return json.loads(path.read_text())

    return call


@pytest.fixture
def next_look(monkeypatch):
    """Lets every `PeakMemory` tell when it looks; gives a function that waits until it has looked once more."""
    looked = threading.Event()

    def read():
        found = watch.anonymous_bytes()
        looked.set()
        return found

    def wait():
        for _ in range(2):  # the look that is going on may have read already
            looked.clear()
            assert looked.wait(300)

    telling = partial(watch.PeakMemory, read)
    for module in (watch, scaling):
        monkeypatch.setattr(module, "PeakMemory", telling)
    return wait


def left_out(found):
    """Who could not take part, but for torch where there is none."""
    return {name for name in found["left_out"] if HAS_TORCH or "torch" not in name}


# that they work


@pytest.mark.bfloat16
@pytest.mark.parametrize("net", ["resnet50", pytest.param("alexnet", marks=pytest.mark.long)])
def test_inference(net, quick):
    nets = quick(inference, net)["nets"]
    single = nets[net]["float32"]
    names = {f"{peer} float32" for peer in PEERS}
    assert set(single["images_per_second"]) == {"project", "post"} | names
    assert not left_out(single)
    assert single["best_peer"] in names
    assert single["ratio_to_post"]["median"] > 0
    if hardware.emulation():
        assert set(nets[net]) == {"float32"}
        return
    half = nets[net]["bfloat16"]
    halves = {f"{peer} bfloat16" for peer in PEERS}
    assert set(half["images_per_second"]) == {"project", single["best_peer"]} | halves
    assert not left_out(half)
    assert "ratio_to_post" not in half


def test_input(quick):
    figures = quick(input)
    for part in ("decode", "next_batch"):
        assert not left_out(figures[part])
        assert {"project", "post", "tf.data"} <= set(figures[part]["images_per_second"])
        assert figures[part]["best_peer"] in ("tf.data", "tf.data smooth", "torch")


@pytest.mark.bfloat16
def test_an_epoch_has_all_images_and_ends_with_a_checkpoint(quick, monkeypatch):
    seen, train = [], Optimizer.train

    def noting(optimizer, sess, run, **options):
        train(optimizer, sess, run, **options)
        seen.append(
            (optimizer.train_set.num_examples, [path.name for path in Path(run).glob("checkpoints/step-*")])
        )

    monkeypatch.setattr(Optimizer, "train", noting)
    (found,) = quick(epoch)["recipes"].values()
    assert set(found["images_per_second"]) == {"project", "bare step"}
    assert found["num_images"] == 16
    assert seen
    assert all(images == 16 and names == ["step-00000002"] for images, names in seen)


@pytest.mark.long
def test_scaling(quick):
    found = quick(scaling)["sweeps"]
    assert {name: [row["size"] for row in sweep["rows"]] for name, sweep in found.items()} == {
        "batch size": [2],
        "data set": [8],
        "threads": [1],
        "files": [20, 40],
    }
    assert [row["images"] for row in found["files"]["rows"]] == [20, 40]


def test_the_peak_of_updates_is_what_was_held_while_building(tmp_path, monkeypatch, next_look):
    build, held = scaling._build_training, []

    def holding_more_for_a_while(*arguments):
        more = np.ones(200_000_000, np.uint8)
        held.append(watch.anonymous_bytes())
        next_look()
        del more
        return build(*arguments)

    monkeypatch.setattr(scaling, "_build_training", holding_more_for_a_while)
    made.write_blank(tmp_path / "images.npy", 8, scaling.SIDE)
    found = scaling.update_cell(tmp_path / "images.npy", batch_size=2, threads=1, seconds=0.0)
    assert found["images"] == 2
    assert found["seconds"] > 0
    assert found["peak_bytes"] > held[0] - 10e6


def test_opening_a_folder_counts_its_files(tmp_path):
    made.write_tree(tmp_path / "files", 20, 16, seed=0)
    assert scaling.start_cell(tmp_path / "files", tmp_path / "cache")["images"] == 20


@pytest.mark.long
def test_the_memory_of_the_peers(quick):
    kept = np.ones(400_000_000, np.uint8)
    rows = quick(memory_peers)["peaks"]
    assert {row["contestant"] for row in rows if row.get("peak_bytes", 0) > kept.nbytes} == {
        "project",
        *PEERS,
    }
    assert {row["precision"] for row in rows} == {"float32" if hardware.emulation() else "bfloat16"}


@pytest.mark.long
def test_the_memory_of_training(quick):
    figures = quick(memory)
    assert (figures["few"]["num_images"], figures["many"]["num_images"]) == (256, 300)
    assert figures["difference_bytes"] == figures["many"]["peak_bytes"] - figures["few"]["peak_bytes"]


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """Stands a script in the place of one that `start` starts; gives the file in which it may leave words."""

    def write(path, text):
        script = tmp_path / path
        script.parent.mkdir(exist_ok=True)
        script.write_text("import os, signal, sys\n" + text)
        monkeypatch.setattr(start, "ROOT", tmp_path)
        monkeypatch.delenv("PYTHONPATH", raising=False)
        return tmp_path / "words"

    return write


def test_starting_train_py_takes_as_long_as_until_its_first_checkpoint(stub):
    words = stub(
        "train.py",
        "run = sys.argv[sys.argv.index('--run-dir') + 1]\n"
        "open('words', 'w').write(' '.join(sys.argv[-4:]))\n"
        "os.makedirs(run + '/checkpoints/step-1')\n"
        "signal.pause()\n",
    )
    assert start.project_start(threads=3)() == 1
    assert words.read_text() == "--train.threads 3 --train.save_every_steps 1"


def test_starting_keras_takes_as_long_as_until_it_says_so(stub):
    words = stub(
        "benchmarks/peers/keras_digits.py",
        "open('words', 'w').write(' '.join([*sys.argv[1:], os.environ['KERAS_BACKEND']]))\n"
        f"print('{start.MARK}', flush=True)\n"
        "signal.pause()\n",
    )
    assert start.keras_start(threads=3)() == 1
    assert words.read_text() == "--threads 3 tensorflow"


def test_a_start_of_keras_that_fails_says_why(stub):
    stub("benchmarks/peers/keras_digits.py", "sys.exit('first\\nNo module named keras')")
    with pytest.raises(
        RuntimeError, match="ended with code 1 before its first update: No module named keras"
    ):
        start.keras_start(threads=1)()


@pytest.mark.long
def test_the_peer_of_the_start_says_when_its_step_is_done(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["keras_digits"])
    keras_digits.main()
    assert start.MARK in capsys.readouterr().out


def test_the_peer_of_the_start_has_the_net_of_the_recipe():
    config = RunConfig.from_dict({"model": {"name": "smallnet"}})
    side = keras_digits.CROP_SIZE
    ours = build_model(config, (side, side, 1), keras_digits.NUM_CLASSES)
    peer = keras_digits.build_model(mean=0.5)
    assert sum(int(np.prod(v.shape)) for v in peer.trainable_variables) == ours.num_parameters


# what they compute


def test_slope():
    sizes = [1, 10, 1000]
    assert scaling.slope(sizes, [2 * size**1.5 for size in sizes]) == pytest.approx(1.5)
    assert scaling.slope(sizes, [7, 7, 7]) == pytest.approx(0)
    assert scaling.slope([2, 4], [10, 5]) == pytest.approx(-1)
    assert scaling.slope([2], [10]) == 0


def test_medians_of_a_cell_and_how_the_cells_grow():
    answers = iter([1.0, 4.0, 4.0, 3.0, 4.0, 2.0])  # of the sizes 10 and 20 in turns: forth, back, back

    def work(images):
        return {"seconds": next(answers), "images": images, "peak_bytes": 100}

    sweep = {size: scaling.Cell(work, (size,)) for size in (10, 20)}
    found = scaling.measure_sweep(sweep, 3, watch.in_this_process)
    assert found["rows"] == [
        {"size": 10, "seconds": 2, "images": 10, "peak_bytes": 100, "images_per_second": 5},
        {"size": 20, "seconds": 4, "images": 20, "peak_bytes": 100, "images_per_second": 5},
    ]
    assert found["exponents"] == {"seconds": pytest.approx(1), "peak_bytes": pytest.approx(0)}


def test_growth_between_the_two_largest_sizes_counts_on_its_own():
    def work(size):
        return {"seconds": max(size, 100) / 100, "images": size, "peak_bytes": 100}

    sweep = {size: scaling.Cell(work, (size,)) for size in (1, 10, 100, 1000)}
    found = scaling.measure_sweep(sweep, 1, watch.in_this_process)
    assert found["exponents"]["seconds"] == pytest.approx(
        0.3
    )  # offsets -1.5, -0.5, 0.5, 1.5 from the mean: 1.5 / 5
    assert found["last_exponents"] == {"seconds": pytest.approx(1), "peak_bytes": pytest.approx(0)}


@pytest.mark.parametrize(
    ("largest", "expected"), [(10**6, (10**3, 10**4, 10**5, 10**6)), (2000, (1000,)), (50, (50,))]
)
def test_data_sets_grow_tenfold(largest, expected):
    assert scaling.full_sizes(largest, cores=2).num_images == expected


def test_faster_than_linear_is_told(capsys):
    row = {"size": 1, "seconds": 1, "images_per_second": 1, "peak_bytes": 1}
    for exponent, last, is_told in ((1.0, 1.0, False), (1.2, 1.0, True), (1.0, 1.2, True)):
        found = {
            "rows": [row],
            "exponents": {"seconds": exponent, "peak_bytes": 0.5},
            "last_exponents": {"seconds": last, "peak_bytes": 0.5},
        }
        scaling.print_sweep("files", found)
        assert ("faster than linearly" in capsys.readouterr().out) == is_told


def test_the_post_is_no_peer():
    rates = {"project": [6.0, 8.0], "torch": [3.0, 2.0], "post": [100.0, 0.5]}
    found = commands.summary_beside_post(rates, {})
    assert found["best_peer"] == "torch"
    assert found["ratio"] == {"median": 3, "min": 2, "max": 4}
    assert found["ratio_to_post"]["max"] == 16
    assert found["images_per_second"]["post"]["median"] == 50.25
    assert "ratio_to_post" not in commands.summary_beside_post({"project": [1.0], "torch": [1.0]}, {})


def test_starts_are_told_in_seconds():
    found = start.summary_of_starts({"project": [0.25, 0.5, 0.125], "keras": [0.125, 0.5, 0.25]}, {})
    assert found["seconds"]["project"] == {"median": 4, "min": 2, "max": 8}
    assert found["ratio"] == {"median": 1, "min": 0.5, "max": 2}
    assert start.summary_of_starts({"project": [0.25]}, {"keras": "no"})["ratio"] is None


def test_a_start_that_fails_in_silence_says_so(tmp_path):
    (tmp_path / "stderr").touch()
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(RuntimeError, match="ended with code 3 before its first update$"):
        start.wait_until(lambda: False, process, tmp_path / "stderr")


def test_a_start_that_takes_too_long_says_so(monkeypatch, tmp_path):
    (tmp_path / "stderr").write_text("waiting\n")
    monkeypatch.setattr(start, "PATIENCE", 0.0)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(RuntimeError, match="no update within 0 s: waiting"):
        start.wait_until(lambda: False, process, tmp_path / "stderr")
    process.communicate()


# the post's way


def test_the_posts_windows_are_the_projects():
    images = made.noise(3, 9, seed=0)
    expected = corner_center_crop_reflect(images, 6)
    np.testing.assert_array_equal(post_way.corner_center_crop_reflect(images, 6), expected)
    summed = post_way.predict(lambda crops: crops.reshape(len(crops), -1), images, 6)  # (N, 6 * 6 * 3)
    np.testing.assert_allclose(summed, expected.reshape(3, 10, -1).mean(axis=1))


def test_the_posts_random_windows_are_windows():
    (image,) = images = made.noise(1, 5, seed=0)
    windows = [image[top : top + 4, left : left + 4] for top in range(2) for left in range(2)]
    windows += [window[:, ::-1] for window in windows]
    found = set()
    for seed in range(50):
        (crop,) = post_way.random_crop_reflect(images, 4, np.random.default_rng(seed))
        found |= {i for i, window in enumerate(windows) if np.array_equal(crop, window)}
    assert found == set(range(8))


def test_the_post_loads_floats(tmp_path):
    paths = made.write_photos(tmp_path, 1, seed=0)
    (image,) = post_way.load(paths, 16)
    assert (image.shape, image.dtype) == ((16, 16, 3), np.float32)
    assert 0 <= image.min() < image.max() <= 1


# the windows of the peers, made images, memory


@pytest.mark.skipif(not HAS_TORCH, reason="needs torch")
def test_the_windows_of_torchs_loader_are_windows_in_channels_last():
    import torch

    images = made.noise(2, 5, seed=0)
    windows = Windows(images, np.array([7, 8]), 4)
    expected = [images[1, top : top + 4, left : left + 4] for top in range(2) for left in range(2)]
    expected += [window[:, ::-1] for window in expected]
    found = set()
    torch.manual_seed(0)
    for _ in range(100):
        crop, number = windows[1]
        assert number == 8
        found |= {i for i, window in enumerate(expected) if np.array_equal(crop, window)}
    assert found == set(range(8))
    (batch, numbers) = next(iter(torch.utils.data.DataLoader(windows, batch_size=2)))
    assert numbers.tolist() == [7, 8]
    assert batch.permute(0, 3, 1, 2).is_contiguous(memory_format=torch.channels_last)


def test_the_ten_windows_of_the_peers_are_the_projects():
    images = made.noise(2, 9, seed=0)
    crops = inference._ten_crops(images, 6, lambda crop: crop[:, :, ::-1])
    dataset = DataSet(images, crop_size=6)
    np.testing.assert_array_equal(np.stack(crops, axis=1), dataset.batch([0, 1], augment=True)[0])


def test_made_images_lie_on_disk(tmp_path):
    made.write_noise(tmp_path / "images.npy", 600, 4, seed=0)
    train = made.open_splits(tmp_path / "images.npy", 3, 4).train
    assert isinstance(train.images, np.memmap)
    np.testing.assert_array_equal(train.images[:88], train.images[512:])
    assert train.images[:256].std() > 50
    np.testing.assert_array_equal(train.labels.sum(axis=0), [200, 200, 200])


def test_made_photographs_have_the_size_of_a_photograph():
    photo = made.make_photo(np.random.default_rng(0))
    assert photo.shape == (375, 500, 3)
    assert photo.std() > 20


def test_a_labelled_folder_repeats_its_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "DISTINCT", 3)
    made.write_tree(tmp_path, 4, 8, seed=0)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg"))
    assert names == ["cat/000000.jpg", "cat/000002.jpg", "dog/000001.jpg", "dog/000003.jpg"]
    assert (tmp_path / "dog/000003.jpg").samefile(tmp_path / "cat/000000.jpg")


def test_a_peak_in_between_is_seen(next_look):
    with watch.PeakMemory() as memory:
        before = watch.anonymous_bytes()
        kept = np.ones(100_000_000, np.uint8)
        next_look()
        del kept
    assert memory.peak > before + 95e6


def test_the_memory_of_children_counts():
    before = watch.family_bytes()
    command = "import sys; kept = bytearray(b'x' * 50_000_000); print('ready', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    during = watch.family_bytes()
    process.communicate()
    assert 50e6 < during - before < 150e6
    assert watch.family_bytes(process.pid) == 0


def test_a_peer_that_fails_is_left_out(tmp_path, capsys):
    def call(function, name, *case):
        if name == "torch":
            raise ImportError("No module named 'torch'\nmore")
        return {"contestant": name, "precision": case[-1], "peak_bytes": 5e6}

    rows = memory_peers.measure_peers(tmp_path, memory_peers.QUICK, ["bfloat16"], call)
    (reason,) = [row["left_out"] for row in rows if "left_out" in row]
    assert reason == "ImportError: No module named 'torch'"
    memory_peers.print_peers(rows, memory_peers.QUICK)
    assert "No module named" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_project_must_not_fail(tmp_path):
    def call(*case):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        memory_peers.measure_peers(tmp_path, memory_peers.QUICK, ["bfloat16"], call)


# the options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rounds", "0"], "--rounds is 0; give 1 or more"),
        (["--threads", "-1"], "--threads is -1; give 1 or more"),
        (["--seconds", "-1"], "--seconds is -1; give 0 or more"),
    ],
)
def test_impossible_options(options, message, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", *options])
    with pytest.raises(UsageError, match=message):
        commands.parse_measurement(commands.measurement_parser("x", "Text.", rounds=2, seconds=1.0))


def test_a_net_that_is_not_measured(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "vgg"])
    with pytest.raises(UsageError, match="the nets are vgg; there are alexnet, resnet50"):
        inference.main()


def test_what_quick_sets(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "--quick", "--rounds", "9"])
    arguments = commands.parse_measurement(commands.measurement_parser("x", "Text.", rounds=2, seconds=1.0))
    assert (arguments.rounds, arguments.seconds) == (1, 0.0)
    arguments = commands.parse_measurement(commands.measurement_parser("x", "Text.", rounds=2))
    assert "seconds" not in arguments
    options = commands.conditions(arguments)["options"]
    assert options == {"quick": True, "rounds": 1, "threads": arguments.threads}


def test_what_is_measured_once_has_no_rounds(monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "--quick"])
    assert "rounds" not in commands.parse_measurement(commands.measurement_parser("x", "Text."))
    monkeypatch.setattr("sys.argv", ["benchmark", "--rounds", "2"])
    with pytest.raises(UsageError, match="--rounds"):
        commands.parse_measurement(commands.measurement_parser("x", "Text."))


def test_a_folder_that_is_named_is_made_and_kept(tmp_path):
    with commands.working_folder(tmp_path / "a" / "b") as folder:
        assert folder == tmp_path / "a" / "b"
    assert folder.is_dir()
    with commands.working_folder(None) as folder:
        assert folder.is_dir()
    assert not folder.exists()
