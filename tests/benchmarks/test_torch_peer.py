"""The PyTorch peer: the paper's ResNet-20, and batches that are windows of the images."""

import json
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.accuracy import cifar10_peer  # noqa: E402
from benchmarks.peers import torch_cifar10  # noqa: E402
from benchmarks.peers.torch_cifar10 import Batches, Peer, Settings, started_net  # noqa: E402
from benchmarks.speed import epoch_time  # noqa: E402
from datasets.dataset import DataSet  # noqa: E402
from learning.errors import UsageError  # noqa: E402
from tests.support.made_sets import cifar_parts, write_binary_batches  # noqa: E402


@pytest.fixture
def cifar(tmp_path):
    """The six binary batches of CIFAR-10, four images each."""
    return write_binary_batches(tmp_path, cifar_parts(4))


def make_set(num_images=6, size=8):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (num_images, size, size, 3), dtype=np.uint8)
    return DataSet(images, np.eye(10, dtype=np.uint8)[np.arange(num_images)])


def test_the_net_has_the_parameters_of_the_projects():
    assert sum(p.numel() for p in started_net(10).parameters()) == 269_722
    assert started_net(10)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_shortcut_is_the_subsampled_input_between_zeros():
    block = started_net(10).eval().layer2[0]  # 16 to 32 channels, stride 2
    torch.nn.init.zeros_(block.bn2.weight)  # nothing but the shortcut is left
    x = torch.rand(1, 16, 8, 8)
    out = block(x)
    torch.testing.assert_close(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_a_batch_holds_windows_of_the_padded_images():
    dataset = make_set()
    batches = Batches(dataset, 2, torch.Generator().manual_seed(0))
    (images, labels), (others, _) = batches.epoch(3)
    assert images.shape == (3, 3, 8, 8)
    assert images.is_contiguous(memory_format=torch.channels_last)
    pixels = images.permute(0, 2, 3, 1).numpy() * batches.std + batches.mean  # (B, 8, 8, 3)
    padded = batches.padded.numpy()
    np.testing.assert_array_equal(padded[:, 2:-2, 2:-2], dataset.images)
    np.testing.assert_array_equal(padded[:, 0, 0], np.broadcast_to(np.round(batches.mean), (6, 3)))
    for crop, label in zip(pixels, labels, strict=True):
        windows = [padded[label, top : top + 8, left : left + 8] for top in range(5) for left in range(5)]
        both = [*windows, *(window[:, ::-1] for window in windows)]
        assert min(np.abs(crop - window).max() for window in both) < 1e-3
    assert not torch.equal(images, others)


def test_an_epoch_has_every_image_once_and_no_partial_batch():
    batches = Batches(make_set(), 2, torch.Generator().manual_seed(0))
    assert sorted(torch.cat([labels for _, labels in batches.epoch(2)]).tolist()) == list(range(6))
    assert [len(labels) for _, labels in batches.epoch(4)] == [4]


def test_steps_lower_the_loss():
    peer = Peer(make_set(), Settings(batch_size=6, threads=torch.get_num_threads()))
    images, labels = next(peer.batches.epoch(6))
    losses = [peer.step(images, labels, 0.05) for _ in range(5)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.bfloat16
def test_a_quick_comparison_of_the_steps_has_every_contestant(tmp_path, monkeypatch):
    data_dir, output = write_binary_batches(tmp_path, cifar_parts(4)), tmp_path / "steps.json"
    monkeypatch.setattr(torch_cifar10, "Settings", partial(Settings, batch_size=8))
    options = ["--model.options.widths", "[16,32,64]", "--train.batch_size", "8"]
    assert tuple(options[:2]) == epoch_time.PAPER_WIDTHS
    monkeypatch.setattr(epoch_time, "PAPER_WIDTHS", options)
    monkeypatch.setattr("sys.argv", ["epoch_time", str(data_dir), "--quick", "--output", str(output)])
    epoch_time.main()
    figures = json.loads(output.read_text())
    assert set(figures["images_per_second"]) == {"project", "torch", "torch, batches ahead"}
    assert figures["left_out"] == {}
    assert figures["options"]["quick"] is True
    assert figures["train_options"] == options


def test_one_epoch_on_a_few_images(cifar, tmp_path, monkeypatch, capsys):
    output = tmp_path / "peer.json"
    monkeypatch.setattr(
        "sys.argv",
        ["peer", str(cifar), "--epochs", "1", "--batch-size", "8", "--output", str(output)],
    )
    cifar10_peer.main()
    figures = json.loads(output.read_text())
    assert figures["num_images"] == {"train": 20, "test": 4}
    assert figures["accuracy"] in (0, 0.25, 0.5, 0.75, 1)
    assert len(figures["epoch_seconds"]) == 1
    assert figures["images_per_second"] == pytest.approx(16 / figures["training_seconds"])
    assert figures["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "epoch   1" in capsys.readouterr().out


def test_a_batch_larger_than_the_set_is_refused(cifar, monkeypatch):
    monkeypatch.setattr("sys.argv", ["peer", str(cifar), "--epochs", "1"])
    with pytest.raises(UsageError, match="more than the 20 training images"):
        cifar10_peer.main()
