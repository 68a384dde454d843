"""The windows of PyTorch users."""

import numpy as np
import pytest

from benchmarks.harness.made_images import noise
from benchmarks.peers.windows import Windows, ahead, window_batches

torch = pytest.importorskip("torch")


def windows_of(image, side):
    """All windows of an image, and their mirror images."""
    offsets = range(image.shape[0] - side + 1)
    found = [image[top : top + side, left : left + side] for top in offsets for left in offsets]
    return [*found, *(window[:, ::-1] for window in found)]


def test_the_windows_of_a_loader_are_windows_in_channels_last():
    images = noise(2, 5)
    windows = Windows(images, np.array([7, 8]), 4)
    expected = windows_of(images[1], 4)
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


def test_batches_hold_every_image_once_in_windows():
    images = noise(6, 5)
    torch.manual_seed(0)
    batches = window_batches(images, np.arange(6), 4, 3)
    for _ in range(2):  # epochs
        rows = []
        for windows, labels in (next(batches), next(batches)):
            assert windows.shape == (3, 4, 4, 3)
            for window, label in zip(windows.numpy(), labels.tolist(), strict=True):
                assert any(np.array_equal(window, one) for one in windows_of(images[label], 4))
                rows.append(label)
        assert sorted(rows) == list(range(6))


def test_batches_ahead_are_the_same():
    taken = ahead(iter(range(1000)))
    assert [next(taken) for _ in range(20)] == list(range(20))
