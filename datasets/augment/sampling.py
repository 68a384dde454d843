"""Keep the position in an endless row of epochs, and draw what is random in each of them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from datasets.augment.windows import Windows, draw_crops

Cursor = dict[str, int]  # "epochs_completed" (epochs) and "index_in_epoch" (images of this epoch)
_ORDER, _CROPS = 0, 1  # streams of random numbers: see `Sampler.drawn`


class Sampler:
    """Draw which image comes next and how it is augmented, as functions of (seed, epoch, index) alone.

    :param num_examples: N; nothing can be drawn from 0 images.
    :param seed: of everything that is drawn.
    :ivar epochs_completed: epochs before the one that the last batch was taken from.
    """

    def __init__(self, num_examples: int, seed: int) -> None:
        self.num_examples, self.seed = num_examples, seed
        self.epochs_completed = 0
        self._index_in_epoch = 0
        self._tables: dict[tuple[int, int], Any] = {}

    @property
    def cursor(self) -> Cursor:
        """The position at which the next batch starts.

        At the end of an epoch the index stays at N until the next batch begins the new epoch.
        """
        return {"epochs_completed": self.epochs_completed, "index_in_epoch": self._index_in_epoch}

    @cursor.setter
    def cursor(self, cursor: Mapping[str, int]) -> None:
        epoch, index = int(cursor["epochs_completed"]), int(cursor["index_in_epoch"])
        if epoch < 0 or not 0 <= index <= self.num_examples:
            raise ValueError(f"no position {cursor} in {self.num_examples} images; give a cursor of this set")
        self.epochs_completed, self._index_in_epoch = epoch, index

    def next_indices(self, batch_size: int, shuffle: bool = True) -> list[tuple[int, np.ndarray]]:
        """Move the cursor by batch_size images: [(epoch, indices (b,)), ...], one per epoch touched.

        :raises ValueError: batch_size below 1, or no images.
        """
        check_batch_size(batch_size, self.num_examples)
        parts = []
        while batch_size > 0:
            if self._index_in_epoch == self.num_examples:
                self.epochs_completed, self._index_in_epoch = self.epochs_completed + 1, 0
            start = self._index_in_epoch
            order = self.order(self.epochs_completed) if shuffle else np.arange(self.num_examples)
            indices = order[start : start + batch_size]
            parts.append((self.epochs_completed, indices))
            self._index_in_epoch += len(indices)
            batch_size -= len(indices)
        return parts

    def order(self, epoch: int) -> np.ndarray:
        """Draw the shuffled order of an epoch: indices (N,)."""
        return self.drawn(_ORDER, epoch, lambda rng: rng.permutation(self.num_examples))

    def windows(self, epoch: int, height: int, width: int, crop_l: int, reflect: bool) -> Windows:
        """Draw a window of each image in an epoch: `draw_crops` for N images of height x width pixels."""
        return self.drawn(
            _CROPS, epoch, lambda rng: draw_crops(rng, self.num_examples, height, width, crop_l, reflect)
        )

    def drawn(self, stream: int, epoch: int, draw: Callable[[np.random.Generator], Any]) -> Any:
        """Return what `draw` makes of the random numbers of an epoch; kept for two epochs at most.

        :param stream: a number that tells apart what is drawn: 0 is the order, 1 the windows, and each
            augmentation has its own. With the seed and the epoch it seeds the generator.
        """
        key = (stream, epoch)
        if key not in self._tables:
            stale = [k for k in self._tables if k[0] == stream and abs(k[1] - epoch) > 1]
            for k in stale:
                del self._tables[k]
            self._tables[key] = draw(np.random.default_rng([self.seed, epoch, stream]))
        return self._tables[key]


def check_batch_size(batch_size: int, num_examples: int) -> None:
    """Refuse an empty batch, and any batch of an empty set."""
    if num_examples < 1:
        raise ValueError("the set is empty, so there is nothing to draw; give a set with at least one image")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give the number of images in a batch, at least 1")
