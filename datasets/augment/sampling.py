"""Keep the position in an endless series of epochs, and draw the random numbers of each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from datasets.augment.windows import Windows, draw_crops

Cursor = dict[str, int]  # "epochs_completed" (epochs) and "index_in_epoch" (images of this epoch)
_ORDER, CROPS = 0, 1  # streams of random numbers: see `Sampler.drawn`


class Sampler:
    """Draw the order of the images and their augmentation as functions of (seed, epoch, index).

    :param num_examples: N; nothing can be drawn from 0 images.
    :ivar epochs_completed: epochs before that of the last batch.
    """

    def __init__(self, num_examples: int, seed: int) -> None:
        self.num_examples, self.seed = num_examples, seed
        self.epochs_completed = 0
        self._index_in_epoch = 0
        self._tables: dict[tuple[int, int], Any] = {}

    @property
    def cursor(self) -> Cursor:
        """Return the position of the next batch: see `DataSet.cursor`."""
        return {"epochs_completed": self.epochs_completed, "index_in_epoch": self._index_in_epoch}

    @cursor.setter
    def cursor(self, cursor: Mapping[str, int]) -> None:
        epoch, index = int(cursor["epochs_completed"]), int(cursor["index_in_epoch"])
        if epoch < 0 or not 0 <= index <= self.num_examples:
            raise ValueError(f"no position {cursor} in {self.num_examples} images; give a cursor of this set")
        self.epochs_completed, self._index_in_epoch = epoch, index

    def next_indices(self, batch_size: int, shuffle: bool = True) -> list[tuple[int, np.ndarray]]:
        """Move the cursor by batch_size images, and return [(epoch, indices (b,)), ...] for the epochs touched.

        :raises ValueError: batch_size is below 1, or there are no images.
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
        """Draw a window of each image of height x width pixels in an epoch, as `draw_crops` does."""
        return self.drawn(
            CROPS, epoch, lambda rng: draw_crops(rng, self.num_examples, height, width, crop_l, reflect)
        )

    def drawn(self, stream: int, epoch: int, draw: Callable[[np.random.Generator], Any]) -> Any:
        """Return what `draw` makes of the random numbers of an epoch; keep it for two epochs at most.

        :param stream: 0 for the order, 1 for the windows, and another number for each augmentation; the seed, the
            epoch and the stream seed the generator.
        """
        key = (stream, epoch)
        if key not in self._tables:
            kept = {k: v for k, v in self._tables.items() if k[0] != stream or abs(k[1] - epoch) <= 1}
            self._tables = kept | {key: draw(np.random.default_rng([self.seed, epoch, stream]))}
        return self._tables[key]


def check_batch_size(batch_size: int, num_examples: int) -> None:
    """Raise ValueError for an empty batch, and for any batch of an empty set."""
    if num_examples < 1:
        raise ValueError("the set is empty, so there is nothing to draw; give a set with at least one image")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give the number of images in a batch, at least 1")
