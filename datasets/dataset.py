"""Images and labels, handed out in batches from a position that can be saved."""

import numpy as np

from datasets.augment import (
    center_window,
    corner_center_windows,
    crop_reflect,
    crop_windows,
    draw_crops,
)
from datasets.rows import ImageRows

ALEXNET_CROP_SIZE = 227  # the side at which AlexNet's layers fit together
_ORDER, _CROPS = 0, 1  # what a stream of random numbers is for: the third word of its seed


class DataSet:
    """Images, their labels and names, and a cursor that says how far `next_batch` has come.

    Nothing here is hidden randomness: the order of epoch e and each image's window in epoch e are functions
    of (seed, e, index), so a batch depends on the seed, the cursor and the arguments alone.

    :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1]: an array, a memory map, or ImageRows.
    :param labels: (N, K) one-hot, (N,) class numbers, or None.
    :param class_names: the K names in the order of the labels.
    :param file_names: N names, for reports.
    :param crop_size: side of the windows in pixels; None: 227 where the images are at least that large, else
        their smaller side.
    :param reflect: whether windows may be mirrored left to right.
    :param padding: width in pixels of the frame of zeros that training windows may reach into.
    :param seed: of the order and of the windows.
    :param channel_sums: (N, C) sums over each image's pixels where known, to save a pass for the mean.
    :raises ValueError: no images, another dtype, counts that do not match, or a crop that does not fit.
    """

    def __init__(
        self,
        images,
        labels=None,
        *,
        class_names=None,
        file_names=None,
        crop_size=None,
        reflect=True,
        padding=0,
        seed=0,
        channel_sums=None,
    ):
        self._images = images if isinstance(images, (np.ndarray, ImageRows)) else np.asarray(images)
        self._labels = None if labels is None else np.asarray(labels)
        self._class_names = None if class_names is None else tuple(class_names)
        self._file_names = None if file_names is None else tuple(file_names)
        self._channel_sums = channel_sums
        self._check_images()
        self._check_counts()
        height, width = self._images.shape[1:3]
        self._crop_size = min(height, width, ALEXNET_CROP_SIZE) if crop_size is None else int(crop_size)
        self._reflect, self._padding, self._seed = bool(reflect), int(padding), int(seed)
        self._check_crop(height, width)
        self._epochs_completed = 0
        self._index_in_epoch = 0
        self._mean = None
        self._tables = {}

    @property
    def images(self):
        """(N, H, W, C), as given."""
        return self._images

    @property
    def labels(self):
        """(N, K), (N,) or None, as given."""
        return self._labels

    @property
    def num_examples(self):
        return self._images.shape[0]

    @property
    def num_classes(self):
        """K of one-hot labels; the largest class number + 1; None without labels."""
        if self._labels is None:
            return None
        return self._labels.shape[1] if self._labels.ndim > 1 else int(self._labels.max()) + 1

    @property
    def class_names(self):
        return self._class_names

    @property
    def file_names(self):
        return self._file_names

    @property
    def crop_size(self):
        """Side in pixels of the images that a batch holds."""
        return self._crop_size

    @property
    def reflect(self):
        return self._reflect

    @property
    def padding(self):
        return self._padding

    @property
    def seed(self):
        return self._seed

    @property
    def epochs_completed(self):
        return self._epochs_completed

    @property
    def cursor(self):
        """Where the next batch starts: {"epochs_completed": epochs, "index_in_epoch": images of this epoch}.

        At the end of an epoch the index stays at N until the next batch begins the new epoch.
        """
        return {"epochs_completed": self._epochs_completed, "index_in_epoch": self._index_in_epoch}

    @cursor.setter
    def cursor(self, cursor):
        epoch, index = int(cursor["epochs_completed"]), int(cursor["index_in_epoch"])
        if epoch < 0 or not 0 <= index <= self.num_examples:
            raise ValueError(f"no position {cursor} in {self.num_examples} images; give a cursor of this set")
        self._epochs_completed, self._index_in_epoch = epoch, index

    @property
    def image_mean(self):
        """The mean of each channel over all pixels, in [0, 1]: float64 (C,); computed once."""
        if self._mean is None:
            if self._channel_sums is not None:
                _, height, width, _ = self._images.shape
                mean = np.sum(self._channel_sums, axis=0, dtype=np.float64)
                mean = mean / (self.num_examples * height * width)
            else:
                mean = ImageRows(self._images, np.arange(self.num_examples)).mean(axis=(0, 1, 2))
            self._mean = mean / 255.0 if self._images.dtype == np.uint8 else mean
        return self._mean

    def next_batch(self, batch_size, shuffle=True, augment=True, is_train=True, fake_data=False):
        """Takes the next batch_size images and moves the cursor; a batch may straddle epochs.

        :param batch_size: images, at least 1; more than N takes as many epochs as it needs.
        :param shuffle: a new order in each epoch; False: the order of the images.
        :param augment: with is_train a random window of each image, without it ten windows (five where
            reflect is off); False: the centre.
        :param fake_data: random images and labels instead, for trying out a model; the cursor stays.
        :return: images (B, h, w, C), or (B, 10, h, w, C) for ten windows, in the set's dtype; labels
            (B, K) or (B,) or None. Fake images are float32 in [0, 1).
        :raises ValueError: batch_size below 1.
        """
        if fake_data:
            return self._fake_batch(batch_size)
        parts = [
            self.batch(indices, augment=augment, is_train=is_train, epoch=epoch)
            for epoch, indices in self.next_indices(batch_size, shuffle)
        ]
        if len(parts) == 1:
            return parts[0]
        images, labels = zip(*parts, strict=True)
        return np.concatenate(images), None if self._labels is None else np.concatenate(labels)

    def next_indices(self, batch_size, shuffle=True):
        """Moves the cursor by batch_size images: [(epoch, indices (b,)), ...], one per epoch touched."""
        _check_batch_size(batch_size)
        parts = []
        while batch_size > 0:
            if self._index_in_epoch == self.num_examples:
                self._epochs_completed, self._index_in_epoch = self._epochs_completed + 1, 0
            start = self._index_in_epoch
            order = self._order(self._epochs_completed) if shuffle else np.arange(self.num_examples)
            indices = order[start : start + batch_size]
            parts.append((self._epochs_completed, indices))
            self._index_in_epoch += len(indices)
            batch_size -= len(indices)
        return parts

    def batch(self, indices, *, augment=False, is_train=False, epoch=0):
        """The chosen images, prepared as `next_batch` does; never moves the cursor.

        :param indices: (B,) images of this set.
        :param epoch: whose windows, for augment with is_train.
        :return: as `next_batch`.
        """
        indices = np.arange(self.num_examples)[indices]  # negative ones count from the end, as usual
        labels = None if self._labels is None else self._labels[indices]
        if augment and is_train:
            return self._random_crops(indices, epoch), labels
        if augment:
            return self._fixed_crops(indices, corner_center_windows, self._reflect), labels
        return self._fixed_crops(indices, center_window)[:, 0], labels

    def subset(self, indices):
        """Some images as a DataSet of their own, with its cursor at the start; no pixel is copied."""
        indices = np.arange(self.num_examples)[indices]
        return DataSet(
            ImageRows(self._images, indices),
            None if self._labels is None else self._labels[indices],
            class_names=self._class_names,
            file_names=None if self._file_names is None else [self._file_names[i] for i in indices],
            crop_size=self._crop_size,
            reflect=self._reflect,
            padding=self._padding,
            seed=self._seed,
            channel_sums=None if self._channel_sums is None else self._channel_sums[indices],
        )

    def _order(self, epoch):
        return self._table(_ORDER, epoch, lambda rng: rng.permutation(self.num_examples))

    def _random_crops(self, indices, epoch):
        height, width = (side + 2 * self._padding for side in self._images.shape[1:3])
        tops, lefts, flips = self._table(
            _CROPS,
            epoch,
            lambda rng: draw_crops(rng, self.num_examples, height, width, self._crop_size, self._reflect),
        )
        windows = tops[indices], lefts[indices], flips[indices]
        return crop_reflect(self._images, indices, *windows, self._crop_size, padding=self._padding)

    def _fixed_crops(self, indices, make_windows, *options):
        height, width = self._images.shape[1:3]
        padding = 0 if self._crop_size <= min(height, width) else self._padding
        windows = make_windows(height + 2 * padding, width + 2 * padding, self._crop_size, *options)
        return crop_windows(self._images, indices, windows, self._crop_size, padding=padding)

    def _table(self, purpose, epoch, draw):
        """What `draw` makes of the generator of (seed, epoch, purpose); kept for two epochs at most."""
        key = (purpose, epoch)
        if key not in self._tables:
            stale = [k for k in self._tables if k[0] == purpose and abs(k[1] - epoch) > 1]
            for k in stale:
                del self._tables[k]
            self._tables[key] = draw(np.random.default_rng([self._seed, epoch, purpose]))
        return self._tables[key]

    def _fake_batch(self, batch_size):
        _check_batch_size(batch_size)
        rng = np.random.default_rng(self._seed)
        shape = (batch_size, self._crop_size, self._crop_size, self._images.shape[-1])
        images = rng.random(shape, dtype=np.float32)
        if self._labels is None:
            return images, None
        classes = rng.integers(0, self.num_classes, size=batch_size)
        return images, np.eye(self.num_classes, dtype=np.uint8)[classes]

    def _check_images(self):
        shape, dtype = self._images.shape, self._images.dtype
        if len(shape) != 4 or min(shape) < 1:
            raise ValueError(f"images of shape {shape}; give at least one image, as (N, H, W, C)")
        if dtype != np.uint8 and not np.issubdtype(dtype, np.floating):
            raise ValueError(f"images of dtype {dtype}; give uint8 in [0, 255] or float in [0, 1]")

    def _check_counts(self):
        for name, values in (("labels", self._labels), ("file names", self._file_names)):
            if values is not None and len(values) != self.num_examples:
                raise ValueError(f"{len(values)} {name} for {self.num_examples} images; give one for each")
        names = self._class_names
        if names is None or self._labels is None:
            return
        one_hot = self._labels.ndim > 1
        if self.num_classes > len(names) or (one_hot and self.num_classes != len(names)):
            raise ValueError(
                f"{self.num_classes} classes in labels, {len(names)} class names; name each class"
            )

    def _check_crop(self, height, width):
        largest = min(height, width) + 2 * self._padding
        if self._padding < 0 or not 1 <= self._crop_size <= largest:
            raise ValueError(
                f"crop_size {self._crop_size} with padding {self._padding} does not fit images of "
                f"{height}x{width}; choose a crop from 1 to {largest} pixels and a padding of 0 or more"
            )


def _check_batch_size(batch_size):
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give the number of images in a batch, at least 1")
