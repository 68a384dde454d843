"""Cut random windows out of images as PyTorch users do: singly for a `DataLoader`, or a whole batch at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class Windows:
    """Random windows, half of them mirrored: item i is a (crop_size, crop_size, C) uint8 tensor and a class number.

    `permute(0, 3, 1, 2)` makes a batch (B, h, w, C) channels_last; this is a view, so nothing is copied.

    :param images: (N, H, W, C) uint8, in memory or memory-mapped; writable, because PyTorch warns of other arrays.
    :param classes: (N,) int64.
    :param crop_size: side of the windows, pixels.
    """

    def __init__(self, images: np.ndarray, classes: np.ndarray, crop_size: int) -> None:
        self.images, self.classes, self.crop_size = images, classes, crop_size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        height, width = self.images.shape[1:3]
        top = int(torch.randint(height - self.crop_size + 1, ()))
        left = int(torch.randint(width - self.crop_size + 1, ()))
        crop = self.images[index, top : top + self.crop_size, left : left + self.crop_size]
        window = torch.from_numpy(crop)
        return (window.flip(1) if torch.rand(()) < 0.5 else window), int(self.classes[index])


def window_batches(
    images: np.ndarray, classes: np.ndarray, crop_size: int, batch_size: int
) -> Iterator[tuple[Any, Any]]:
    """Yield batches (B, crop_size, crop_size, C) and (B,) without end, each cut by a single indexing operation.

    Each epoch drops its last partial batch.

    :param images: (N, H, W, C) uint8, padded beforehand if windows may overlap the edges.
    """
    import torch

    pixels, labels = torch.from_numpy(images), torch.from_numpy(classes)
    offsets, steps = images.shape[1] - crop_size + 1, torch.arange(crop_size)
    while True:
        for rows in torch.randperm(len(pixels))[: len(pixels) // batch_size * batch_size].split(batch_size):
            tops = torch.randint(offsets, (len(rows), 1)) + steps  # (B, h)
            mirrored = torch.rand(len(rows), 1) < 0.5
            lefts = torch.randint(offsets, (len(rows), 1)) + torch.where(mirrored, steps.flip(0), steps)
            yield pixels[rows[:, None, None], tops[:, :, None], lefts[:, None, :]], labels[rows]


def ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the same batches; a thread makes the next one while the current one is used."""
    with ThreadPoolExecutor(1) as cutter:
        following = cutter.submit(next, batches)
        while True:
            batch = following.result()
            following = cutter.submit(next, batches)
            yield batch
