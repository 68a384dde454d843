"""Images and labels, handed out in batches from a position that can be saved."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from datasets.augment.crops import Cropper, Crops
from datasets.augment.sampling import Cursor, Sampler, check_batch_size
from datasets.images.array_rows import ImageRows, Images
from datasets.images.value_checks import check_pixels, checked_labels

Rows = np.ndarray | Sequence[int] | slice
Labels = np.ndarray | Any  # Any stands for the None of a set without labels, which few callers meet
ALEXNET_CROP_SIZE = 227  # the side at which AlexNet's layers fit together


class DataSet:
    """Images, their labels and names, and a cursor that says how far `next_batch` has come.

    Nothing here is hidden randomness: the order of epoch e and each image's window in epoch e are functions
    of (seed, e, index), so a batch depends on the seed, the cursor and the arguments alone.

    :param images: (N, H, W, C), uint8 in [0, 255] or float in [0, 1]: an array, a memory map, or ImageRows.
        An empty set (N = 0) can be predicted, but not be drawn from.
    :param labels: (N, K) one-hot or shares that sum to 1, (N,) or (N, 1) class numbers from 0, or None. Whole
        floats and booleans become integers, a column becomes (N,).
    :param class_names: the K names in the order of the labels.
    :param file_names: N names, for reports.
    :param crop_size: side of the windows in pixels; None: 227 where the images are at least that large, else
        their smaller side.
    :param reflect: whether windows may be mirrored left to right.
    :param padding: width in pixels of the frame that training windows may reach into, and the others too where
        the crop is larger than the image. It has the set's mean colour, which is zero to a network that
        subtracts the mean.
    :param pca_color: standard deviation of the colour augmentation of Krizhevsky et al. 2012, section 4.1 (0.1
        there), drawn for each image and epoch; 0 for none.
    :param redraw: draw windows, reflections and colours anew in every epoch; False: those of the first epoch in
        every epoch, as an array that was augmented once before training would have them.
    :param seed: of the order and of the windows.
    :param channel_sums: (N, C) sums over each image's pixels where known, to save a pass for the mean.
    :raises ValueError: images of another shape, dtype or range, NaN among them, labels that are not of these
        kinds, counts that do not match, or a crop that does not fit.
    """

    def __init__(
        self,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        class_names: Iterable[str] | None = None,
        file_names: Iterable[str] | None = None,
        crop_size: int | None = None,
        reflect: bool = True,
        padding: int = 0,
        pca_color: float = 0.0,
        redraw: bool = True,
        seed: int = 0,
        channel_sums: np.ndarray | None = None,
    ) -> None:
        self._images = images if isinstance(images, (np.ndarray, ImageRows)) else np.asarray(images)
        self._labels = checked_labels(labels)
        self._class_names = None if class_names is None else tuple(class_names)
        self._file_names = None if file_names is None else tuple(file_names)
        self._channel_sums = channel_sums
        self._check_images()
        self._check_counts()
        self._crops = Crops(
            crop_size=min(*self._images.shape[1:3], ALEXNET_CROP_SIZE)
            if crop_size is None
            else int(crop_size),
            reflect=bool(reflect),
            padding=int(padding),
            pca_color=float(pca_color),
            redraw=bool(redraw),
        )
        self._sampler = Sampler(self.num_examples, int(seed))
        self._cropper = Cropper(self._images, self._crops, self._sampler, channel_sums)

    @property
    def images(self) -> Images:
        """(N, H, W, C), as given."""
        return self._images

    @property
    def labels(self) -> Labels:
        """(N, K), (N,) or None."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """N."""
        return self._images.shape[0]

    @property
    def num_classes(self) -> int | None:
        """K of one-hot labels; the largest class number + 1; None without labels."""
        if self._labels is None:
            return None
        if self._labels.ndim > 1:
            return self._labels.shape[1]
        return int(self._labels.max()) + 1 if len(self._labels) else 0

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """K names in the order of the labels, or None."""
        return self._class_names

    @property
    def file_names(self) -> tuple[str, ...] | None:
        """N names in the order of the images, or None."""
        return self._file_names

    @property
    def crops(self) -> Crops:
        """How images are cut out and changed: crop_size, reflect, padding, pca_color, redraw."""
        return self._crops

    @property
    def crop_size(self) -> int:
        """Side in pixels of the images that a batch holds."""
        return self._crops.crop_size

    @property
    def crop_shape(self) -> tuple[int, int, int]:
        """(h, w, C) of the images that a batch holds."""
        return self.crop_size, self.crop_size, self._images.shape[-1]

    @property
    def num_crops(self) -> int:
        """How many windows a test takes of each image: 10, or 5 where nothing is mirrored.

        Windows as large as the images all coincide, so there it is 2 (the image and its mirror image), or 1.
        """
        return self._cropper.num_crops

    @property
    def seed(self) -> int:
        """Of the order and of the windows."""
        return self._sampler.seed

    @property
    def epochs_completed(self) -> int:
        """Epochs that `next_batch` has gone through; its batches may straddle them."""
        return self._sampler.epochs_completed

    @property
    def cursor(self) -> Cursor:
        """Where the next batch starts: {"epochs_completed": epochs, "index_in_epoch": images of this epoch}.

        At the end of an epoch the index stays at N until the next batch begins the new epoch.
        """
        return self._sampler.cursor

    @cursor.setter
    def cursor(self, cursor: Mapping[str, int]) -> None:
        self._sampler.cursor = cursor

    @property
    def image_mean(self) -> np.ndarray:
        """The mean of each channel over all pixels, in [0, 1]: float64 (C,); computed once.

        :raises ValueError: the set is empty.
        """
        return self._cropper.channel_mean

    @property
    def pixel_mean(self) -> np.ndarray:
        """The mean of each pixel of the centre windows, in [0, 1]: float64 (h, w, C).

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
    ) -> tuple[np.ndarray, Labels]:
        """Takes the next batch_size images and moves the cursor; a batch may straddle epochs.

        :param batch_size: images, at least 1; more than N takes as many epochs as it needs.
        :param shuffle: a new order in each epoch; False: the order of the images.
        :param augment: with is_train a random window of each image, without it the `num_crops` windows of a
            test; False: the centre.
        :param fake_data: random images and labels instead, for trying out a model; the cursor stays.
        :return: images (B, h, w, C), or (B, num_crops, h, w, C) for a test, in the set's dtype; labels
            (B, K) or (B,) or None. Fake ones are float32 (B, h, w, C) in [0, 1), and (B, K).
        :raises ValueError: batch_size below 1, or the set is empty.
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

    def next_indices(self, batch_size: int, shuffle: bool = True) -> list[tuple[int, np.ndarray]]:
        """Moves the cursor by batch_size images: [(epoch, indices (b,)), ...], one per epoch touched."""
        return self._sampler.next_indices(batch_size, shuffle)

    def batch(
        self, indices: Rows, *, augment: bool = False, is_train: bool = False, epoch: int = 0
    ) -> tuple[np.ndarray, Labels]:
        """The chosen images, prepared as `next_batch` does; never moves the cursor.

        :param indices: (B,) images of this set.
        :param epoch: whose windows, for augment with is_train.
        :return: as `next_batch`.
        """
        indices = np.arange(self.num_examples)[indices]  # negative ones count from the end, as usual
        labels = None if self._labels is None else self._labels[indices]
        if augment and is_train:
            return self._cropper.drawn(indices, epoch), labels
        if augment:
            return self._cropper.fixed(indices), labels
        return self._cropper.center(indices), labels

    def subset(self, indices: Rows) -> "DataSet":
        """Some images as a DataSet of their own, with its cursor at the start; no pixel is copied."""
        indices = np.arange(self.num_examples)[indices]
        part = copy.copy(self)  # its values were checked when this set was made
        part._images = ImageRows(self._images, indices)
        part._labels = None if self._labels is None else self._labels[indices]
        part._file_names = None if self._file_names is None else tuple(self._file_names[i] for i in indices)
        part._channel_sums = None if self._channel_sums is None else self._channel_sums[indices]
        part._sampler = Sampler(len(indices), self.seed)
        part._cropper = Cropper(part._images, self._crops, part._sampler, part._channel_sums)
        return part

    def _fake_batch(self, batch_size: int) -> tuple[np.ndarray, Labels]:
        check_batch_size(batch_size, self.num_examples)
        rng = np.random.default_rng(self.seed)
        shape = (batch_size, self.crop_size, self.crop_size, self._images.shape[-1])
        images = rng.random(shape, dtype=np.float32)
        num_classes = self.num_classes
        if num_classes is None:
            return images, None
        classes = rng.integers(0, num_classes, size=batch_size)
        return images, np.eye(num_classes, dtype=np.uint8)[classes]

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
