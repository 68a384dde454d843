"""The PyTorch peer of configs/resnet20-cifar10-fast.yaml: its batch size and update rule, and the paper's net.

What differs: 64 channels in the last stage, not 128; 4 pixels of padding and 30 epochs, not 2 and 17; pixels are
also divided by their deviation, which the first normalisation undoes; and the last partial batch of an epoch is
left out, where the project takes it into the next one.

It is written as a PyTorch user would who wants it fast: memory is channels_last, the computation bfloat16 by
autocast where the processor does not emulate that, the update fused, and a batch is cut out of the padded images by
one indexing of the whole batch.
Importing this module imports torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import libraries
from benchmarks.harness.hardware import emulation
from benchmarks.peers.torch_nets import RESNETS, ResNet
from datasets.dataset import DataSet

FLOAT32, BFLOAT16 = "float32", "bfloat16 by autocast"


def fast_precision() -> str:
    """bfloat16 unless the processor emulates it."""
    return FLOAT32 if emulation() else BFLOAT16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the reference is trained, and its threads."""

    batch_size: int = 128
    epochs: int = 30
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4  # on everything that is trained
    warmup_epochs: int = 2
    padding: int = 4
    precision: str = field(default_factory=fast_precision)
    memory_format: str = "channels_last"
    seed: int = 0
    threads: int = 1  # 0 leaves the number to PyTorch


def started_net(num_classes: int) -> ResNet:
    """The net with He's initial values, as the project's: He et al. 2015b; 269,722 parameters for 10 classes."""
    net = RESNETS["resnet20"](num_classes=num_classes)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    nn.init.normal_(net.fc.weight, std=0.01)
    nn.init.zeros_(net.fc.bias)
    return net


class Batches:
    """Normalised, cropped and mirrored training batches, all operations on the whole batch.

    :param dataset: uint8 images (N, H, W, 3) with one-hot labels.
    :param padding: pixels of the frame, which has the mean colour: zero after the normalisation.
    """

    def __init__(self, dataset: DataSet, padding: int, generator: torch.Generator) -> None:
        images = np.asarray(dataset.images)
        self.mean, self.std = (np.float32(f(images, axis=(0, 1, 2))) for f in (np.mean, np.std))
        self.side, self.padding, self.generator = images.shape[1], padding, generator
        frame = ((0, 0), (padding, padding), (padding, padding))
        colours = np.round(self.mean).astype(np.uint8)
        channels = [np.pad(images[..., c], frame, constant_values=colours[c]) for c in range(3)]
        self.padded = torch.from_numpy(np.stack(channels, axis=-1))  # (N, H + 2p, W + 2p, 3)
        self.labels = torch.from_numpy(np.argmax(dataset.labels, axis=1))

    def epoch(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The set once in a new order, without its last partial batch."""
        order = torch.randperm(len(self.padded), generator=self.generator)
        for rows in order.split(batch_size):
            if len(rows) == batch_size:
                yield self._augmented(rows), self.labels[rows]

    def _augmented(self, rows: Tensor) -> Tensor:
        """Random windows of the chosen images, half of them mirrored: float32 (B, 3, H, W), channels_last."""
        count, steps = len(rows), torch.arange(self.side)
        offsets = torch.randint(0, 2 * self.padding + 1, (2, count, 1), generator=self.generator)
        mirrored = torch.rand(count, 1, generator=self.generator) < 0.5
        tops = offsets[0] + steps  # (B, H)
        lefts = offsets[1] + torch.where(mirrored, steps.flip(0), steps)  # (B, W)
        crops = self.padded[rows[:, None, None], tops[:, :, None], lefts[:, None, :]]  # (B, H, W, 3)
        return normalised(crops, self.mean, self.std)


def normalised(images: Tensor, mean: np.ndarray, std: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W), zero mean and unit deviation; the memory stays channels_last."""
    return ((images.float() - torch.from_numpy(mean)) / torch.from_numpy(std)).permute(0, 3, 1, 2)


class Peer:
    """The net, its updates and its batches.

    :ivar net: the network.
    :ivar batches: of the training set.
    """

    def __init__(self, train_set: DataSet, settings: Settings) -> None:
        libraries.torch(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.batches = Batches(train_set, settings.padding, torch.Generator().manual_seed(settings.seed))
        net: Any = started_net(int(train_set.num_classes or 0))  # the types of torch lack `memory_format`
        self.net: ResNet = net.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(
            self.net.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=True,
            fused=True,
        )

    def step(self, images: Tensor, labels: Tensor, learning_rate: float) -> float:
        """One update; returns the batch's loss."""
        self.net.train()
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == BFLOAT16):
            logits = self.net(images)
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def accuracy(self, dataset: DataSet, batch_size: int = 500) -> float:
        """Share of the images that are labelled rightly from one crop, the whole image."""
        self.net.eval()
        images, truth = np.asarray(dataset.images), torch.from_numpy(np.argmax(dataset.labels, axis=1))
        right = 0
        for start in range(0, len(images), batch_size):
            part = torch.from_numpy(images[start : start + batch_size])
            with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == BFLOAT16):
                logits = self.net(normalised(part, self.batches.mean, self.batches.std))
            right += int((logits.argmax(dim=1) == truth[start : start + batch_size]).sum())
        return right / len(images)
