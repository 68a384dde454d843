"""Keep the position in an endless series of epochs, and draw the random numbers of each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from datasets.augment.windows import Windows, draw_crops
from datasets.options.fields import Size
from datasets.storage.rows import narrow_type, row_numbers

Cursor = dict[str, int]  # "epochs_completed" (epochs) and "index_in_epoch" (images of this epoch)
_ORDER, CROPS = 0, 1  # streams of random numbers: see `Sampler.drawn`


class Sampler:
    """Draw the order of the images and their augmentation as functions of (seed, epoch, index).

    :param num_examples: N; nothing can be drawn from 0 images.
    :param classes: (N,) class numbers, to draw every class equally often; None: every image once.
    :ivar epochs_completed: epochs before that of the last batch.
    """

    def __init__(self, num_examples: int, seed: int, classes: np.ndarray | None = None) -> None:
        self.num_examples, self.seed, self._classes = num_examples, seed, classes
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
        return [(epoch, indices) for epoch, indices, _ in self.next_parts(batch_size, shuffle)]

    def next_parts(self, batch_size: int, shuffle: bool = True) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Move the cursor as `next_indices` does, and also return the rows (b,) of the tables of `drawn` to use.

        The row is the image's index. Where an image can occur several times in an epoch, it is the place in the
        order, so that the image is augmented in another way each time.
        """
        check_batch_size(batch_size, self.num_examples)
        parts = []
        while batch_size > 0:
            if self._index_in_epoch == self.num_examples:
                self.epochs_completed, self._index_in_epoch = self.epochs_completed + 1, 0
            start = self._index_in_epoch
            stop = min(start + batch_size, self.num_examples)
            indices = self.order(self.epochs_completed)[start:stop] if shuffle else np.arange(start, stop)
            is_repeated = shuffle and self._classes is not None
            rows = np.arange(start, start + len(indices)) if is_repeated else indices
            parts.append((self.epochs_completed, indices, rows))
            self._index_in_epoch += len(indices)
            batch_size -= len(indices)
        return parts

    def order(self, epoch: int) -> np.ndarray:
        """Draw the shuffled order of an epoch: indices (N,)."""
        count, classes = self.num_examples, self._classes

        def draw(rng: np.random.Generator) -> np.ndarray:
            if classes is not None:
                return row_numbers(balanced_order(rng, classes), count)
            rows = np.arange(count, dtype=narrow_type(count))
            rng.shuffle(rows)
            return rows

        return self.drawn(_ORDER, epoch, draw)

    def windows(self, epoch: int, height: int, width: int, crop_l: Size, reflect: bool) -> Windows:
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


def part_of(
    parts: list[tuple[int, np.ndarray, np.ndarray]], rows: slice
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return what some rows of a batch are in, given what `Sampler.next_parts` returned for the whole batch.

    :param rows: a slice with a start and a stop, and at least one row.
    """
    found, first = [], 0
    for epoch, indices, table_rows in parts:
        own = slice(max(rows.start - first, 0), max(rows.stop - first, 0))
        if len(indices[own]):
            found.append((epoch, indices[own], table_rows[own]))
        first += len(indices)
    return found


def balanced_order(rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
    """Draw N of N images in a random order so that the numbers of images of any two classes differ by at most 1.

    No image of a class is repeated before all of them were drawn.

    :param classes: (N,) class numbers; classes without images do not count.
    :return: indices (N,).
    """
    counts = np.unique(classes, return_counts=True)[1]
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    share, rest = divmod(len(classes), len(counts))
    sizes = share + (rng.permutation(len(counts)) < rest)
    drawn = []
    for images, size in zip(members, sizes.tolist(), strict=True):
        rounds = [rng.permutation(images) for _ in range(-(-size // len(images)))]
        drawn.append(np.concatenate([images[:0], *rounds])[:size])
    return rng.permutation(np.concatenate(drawn))


def check_batch_size(batch_size: int, num_examples: int) -> None:
    """Raise ValueError for an empty batch, and for any batch of an empty set."""
    if num_examples < 1:
        raise ValueError("the set is empty, so there is nothing to draw; give a set with at least one image")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give the number of images in a batch, at least 1")
