"""Serve batches of images and labels from a position that can be saved."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from datasets.augment.crops import Cropper
from datasets.augment.sampling import Cursor, Sampler, check_batch_size, part_of
from datasets.augment.stored import StoredCrops
from datasets.images.array_rows import ImageRows, Images
from datasets.images.value_checks import check_pixels, checked_labels
from datasets.options.fields import Size, changed
from datasets.options.loading import ALEXNET_CROP_SIZE, Crops
from datasets.storage.names import Names
from datasets.storage.rows import Rows, row_numbers

Labels = np.ndarray | Any  # Any stands for None, the labels of an unlabelled set, which is rare


class DataSet:
    """Images with labels and names, and a cursor at the start of the next batch.

    The order of epoch e and each image's window in it are functions of (seed, e, index), so a batch depends only
    on the seed, the cursor and the arguments.

    :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1]: an array, a memory map, or ImageRows.
        An empty set (N = 0) can be predicted, but not drawn from.
    :param labels: (N, K) one-hot or shares that sum to 1, (N,) or (N, 1) class numbers from 0, or None. Whole
        floats and booleans become integers, a column becomes (N,).
    :param class_names: the K names in the order of the labels.
    :param file_names: N names, for reports.
    :param crops: how images are cropped and augmented; by default `Crops` with crop_size at most the images'
        smaller side. The frame has the set's mean colour, which is zero for a network that subtracts the mean.
        Crops larger than the images include the frame in tests, too.
    :param seed: of the order, the crops and the augmentation.
    :param channel_sums: (N, C) sums over each image's pixels if known, to save a pass for the mean.
    :param changes: fields of `crops` to replace, such as crop_size=64; None leaves a field as it is.
    :raises ValueError: images or labels of another shape, dtype or range, NaN in images, counts that do not match,
        a crop that does not fit, or an unknown option.
    """

    def __init__(
        self,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        class_names: Iterable[str] | None = None,
        file_names: Iterable[str] | None = None,
        crops: Crops | None = None,
        seed: int = 0,
        channel_sums: Images | None = None,
        **changes: Any,
    ) -> None:
        self._images = images if isinstance(images, (np.ndarray, ImageRows)) else np.asarray(images)
        self._labels = checked_labels(labels)
        self._class_names = None if class_names is None else tuple(class_names)
        self._file_names: Sequence[str] | None = None
        if file_names is not None:
            self._file_names = file_names if isinstance(file_names, Names) else tuple(file_names)
        self._channel_sums = channel_sums
        self._check_images()
        self._check_counts()
        if crops is None:
            crops = Crops(crop_size=min(*self._images.shape[1:3], ALEXNET_CROP_SIZE))
        self._crops = changed(crops, {name: value for name, value in changes.items() if value is not None})
        self._sampler = Sampler(self.num_examples, int(seed), self._drawn_classes())
        self._cropper = Cropper(self._images, self._crops, self._sampler, channel_sums)

    @property
    def images(self) -> Images:
        """Return the images (N, H, W, C), as given."""
        return self._images

    @property
    def labels(self) -> Labels:
        """Return the labels: (N, K), (N,) or None."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """Return N, the number of images."""
        return self._images.shape[0]

    @property
    def num_classes(self) -> int | None:
        """Return K for one-hot labels, the largest class number + 1 for others, and None without labels."""
        if self._labels is None:
            return None
        if self._labels.ndim > 1:
            return self._labels.shape[1]
        return int(self._labels.max()) + 1 if len(self._labels) else 0

    @property
    def classes(self) -> Labels:
        """Return the class number of each image, (N,), of one-hot labels too; None without labels."""
        if self._labels is None or self._labels.ndim == 1:
            return self._labels
        return self._labels.argmax(axis=1)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Return the K names in the order of the labels, or None."""
        return self._class_names

    @property
    def file_names(self) -> Sequence[str] | None:
        """Return the N names in the order of the images, or None."""
        return self._file_names

    @property
    def crops(self) -> Crops:
        """Return the options of how images are cropped and augmented."""
        return self._crops

    @property
    def crop_size(self) -> Size:
        """Return the side in pixels of the images in a batch, or their (height, width)."""
        return self._crops.crop_size

    @property
    def crop_shape(self) -> tuple[int, int, int]:
        """Return (h, w, C) of the images in a batch."""
        return *self._crops.crop_sides, self._images.shape[-1]

    @property
    def num_crops(self) -> int:
        """Return the number of windows per image in a test: 10, or 5 without reflection.

        Windows as large as the images all coincide; then there are 2 (the image and its mirror image), or 1.
        """
        return self._cropper.num_crops

    @property
    def seed(self) -> int:
        """Return the seed of the order, the crops and the augmentation."""
        return self._sampler.seed

    @property
    def epochs_completed(self) -> int:
        """Return the number of epochs that `next_batch` has completed; a batch may straddle two."""
        return self._sampler.epochs_completed

    @property
    def cursor(self) -> Cursor:
        """Return the start of the next batch: {"epochs_completed": epochs, "index_in_epoch": images of this epoch}.

        At the end of an epoch the index stays at N until the next batch begins the new epoch.
        """
        return self._sampler.cursor

    @cursor.setter
    def cursor(self, cursor: Mapping[str, int]) -> None:
        self._sampler.cursor = cursor

    @property
    def image_mean(self) -> np.ndarray:
        """Return the mean of each channel over all pixels, in [0, 1]: float64 (C,); computed once.

        :raises ValueError: the set is empty.
        """
        return self._cropper.channel_mean

    @property
    def pixel_mean(self) -> np.ndarray:
        """Return the mean of each pixel over the centre windows, in [0, 1]: float64 (h, w, C).

        :raises ValueError: the set is empty.
        """
        return self._cropper.pixel_mean

    def next_batch(
        self,
        batch_size: int,
        shuffle: bool = True,
        augment: bool = True,
        is_train: bool = True,
        fake_data: bool = False,
        *,
        rows: slice | None = None,
    ) -> tuple[np.ndarray, Labels]:
        """Return the next batch_size images and their labels, and move the cursor; a batch may straddle epochs.

        :param batch_size: images, at least 1; more than N takes as many epochs as it needs.
        :param shuffle: draw a new order in each epoch, by `Crops.order`; False: the order of the images.
        :param augment: with is_train a random window of each image, without it the `num_crops` windows of a
            test; False: the centre.
        :param fake_data: return random images and labels for trying out a model, and keep the cursor.
        :param rows: return this part of the batch alone, such as slice(0, 64); the cursor moves by the whole batch.
        :return: images (B, h, w, C), or (B, num_crops, h, w, C) for a test, in the set's dtype; labels
            (B, K) or (B,) or None. Fake images are float32 (B, h, w, C) in [0, 1), with labels (B, K).
        :raises ValueError: batch_size is below 1, or the set is empty.
        """
        if fake_data:
            return self._fake_batch(batch_size)
        drawn = self._sampler.next_parts(batch_size, shuffle)
        parts = [
            self._batch(indices, augment=augment, is_train=is_train, epoch=epoch, rows=table_rows)
            for epoch, indices, table_rows in (drawn if rows is None else part_of(drawn, rows))
        ]
        if len(parts) == 1:
            return parts[0]
        images, labels = zip(*parts, strict=True)
        return np.concatenate(images), None if self._labels is None else np.concatenate(labels)

    def next_indices(self, batch_size: int, shuffle: bool = True) -> list[tuple[int, np.ndarray]]:
        """Move the cursor by batch_size images, and return [(epoch, indices (b,)), ...] for the epochs touched."""
        return self._sampler.next_indices(batch_size, shuffle)

    def batch(
        self, indices: Rows, *, augment: bool = False, is_train: bool = False, epoch: int = 0
    ) -> tuple[np.ndarray, Labels]:
        """Return the chosen images and labels as `next_batch` does, without moving the cursor.

        :param indices: (B,) images of this set; negative indices count from the end.
        :param epoch: whose windows are used, for augment with is_train.
        """
        indices = row_numbers(indices, self.num_examples)
        return self._batch(indices, augment=augment, is_train=is_train, epoch=epoch, rows=indices)

    def _batch(
        self, indices: np.ndarray, *, augment: bool, is_train: bool, epoch: int, rows: np.ndarray
    ) -> tuple[np.ndarray, Labels]:
        labels = None if self._labels is None else self._labels[indices]
        if augment and is_train:
            return self._cropper.drawn(indices, epoch, rows), labels
        return (self._cropper.fixed if augment else self._cropper.center)(indices), labels

    def subset(self, indices: Rows) -> "DataSet":
        """Return some images as another DataSet with its cursor at the start, without copying pixels."""
        indices = row_numbers(indices, self.num_examples)
        part = copy.copy(self)  # the values were checked when this set was made
        part._images = ImageRows(self._images, indices)
        part._labels = None if self._labels is None else self._labels[indices]
        if isinstance(self._file_names, Names):
            part._file_names = self._file_names[indices]
        elif self._file_names is not None:
            part._file_names = tuple(self._file_names[i] for i in indices)
        part._channel_sums = None if self._channel_sums is None else ImageRows(self._channel_sums, indices)
        part._sampler = Sampler(len(indices), self.seed, part._drawn_classes())
        part._cropper = Cropper(part._images, self._crops, part._sampler, part._channel_sums)
        return part

    @property
    def num_variants(self) -> int | None:
        """Return how many different training crops an image can have: 1 or 2, or None for more."""
        return self._cropper.num_variants

    def variants(self, indices: Rows) -> np.ndarray:
        """Return the training crops that each image can have, if these are few: (num_variants, B, h, w, C)."""
        return self._cropper.variants(row_numbers(indices, self.num_examples))

    def with_stored(self, **stored: np.ndarray | None) -> "DataSet":
        """Return this set with batches of values computed from the crops, such as features: see `StoredCrops`.

        The order and the cursor are this set's own.
        """
        part = copy.copy(self)
        part._cropper = StoredCrops(self._cropper, **stored)
        return part

    def _drawn_classes(self) -> np.ndarray | None:
        """Return the classes (N,) that are drawn equally often; None if every image is drawn once."""
        return None if self._crops.order == "shuffled" else self.classes

    def _fake_batch(self, batch_size: int) -> tuple[np.ndarray, Labels]:
        check_batch_size(batch_size, self.num_examples)
        rng = np.random.default_rng(self.seed)
        images = rng.random((batch_size, *self.crop_shape), dtype=np.float32)
        if self.num_classes is None:
            return images, None
        classes = rng.integers(0, self.num_classes, size=batch_size)
        return images, np.eye(self.num_classes, dtype=np.uint8)[classes]

    def _check_images(self) -> None:
        shape, dtype = self._images.shape, self._images.dtype
        if len(shape) != 4 or min(shape[1:]) < 1:
            raise ValueError(f"images of shape {shape}; give images of at least one pixel, as (N, H, W, C)")
        if dtype != np.uint8 and not np.issubdtype(dtype, np.floating):
            raise ValueError(f"images of dtype {dtype}; give uint8 in [0, 255] or float in [0, 1]")
        check_pixels(self._images)

    def _check_counts(self) -> None:
        for name, values in (("labels", self._labels), ("file names", self._file_names)):
            if values is not None and len(values) != self.num_examples:
                raise ValueError(f"{len(values)} {name} for {self.num_examples} images; give one for each")
        names, num_classes = self._class_names, self.num_classes
        if names is None or self._labels is None or num_classes is None:
            return
        if num_classes > len(names) or (self._labels.ndim > 1 and num_classes != len(names)):
            hint = "" if self._labels.ndim > 1 else ", and number them from 0"
            raise ValueError(
                f"{num_classes} classes in labels, {len(names)} class names; name each class{hint}"
            )
