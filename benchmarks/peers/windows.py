"""Random windows of images as PyTorch's `DataLoader` takes them."""

from typing import Any

import numpy as np


class Windows:
    """Random windows, half of them mirrored: item i is a (crop_size, crop_size, C) uint8 tensor and a class number.

    A batch of them, (B, h, w, C), becomes channels_last by `permute(0, 3, 1, 2)`, a view, and is never copied.

    :param images: (N, H, W, C) uint8, in memory or mapped; writable, or torch warns of what it might do to them.
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
