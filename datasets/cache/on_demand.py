"""Decode the images of a set when a batch needs them, without keeping them on the disk or in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.errors import DataError, escape_name
from datasets.image_files.folder_or_zip import Source
from datasets.images.decode import ImageError, read_resized
from datasets.options.loading import DecodeOptions
from datasets.storage.parallel import in_order


class ImagesOnDemand:
    """The images of files, used like a memory map of them: (N, H, W, C) uint8.

    An integer gives one image (H, W, C), an array of integers (B,) a batch (B, H, W, C), which several threads
    decode. A tuple with further axes decodes whole images, too.

    :param names: N files of the source that could be decoded before.
    :param workers: threads; None: one per processor.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(
        self, source: Source, names: Sequence[str], options: DecodeOptions, workers: int | None = None
    ) -> None:
        self._source, self._names, self._workers = source, names, workers
        self._size, self._fit = options.image_size, options.resize
        self.shape = len(names), *options.image_sides, options.channels

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Decode some images.

        :raises DataError: a file cannot be read or decoded any more.
        """
        if isinstance(key, tuple):
            first, *rest = key
            return self[first][tuple(rest) if np.ndim(first) == 0 else (slice(None), *rest)]
        if np.ndim(key) == 0 and not isinstance(key, slice):
            return self._decoded(int(key))
        rows = np.arange(len(self))[key].tolist()
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for image, decoded in zip(images, in_order(self._decoded, rows, self._workers), strict=True):
            image[...] = decoded
        return images

    def _decoded(self, row: int) -> np.ndarray:
        name = self._names[row]
        try:
            content = self._source.read(name)
            return read_resized(content, self._size, channels=self.shape[-1], fit=self._fit)
        except ImageError as error:
            raise DataError(
                f"'{escape_name(name)}' in '{self._source}' could be decoded when the set was listed, but no "
                f"longer can ({error}); do not change files while they are in use, and start again"
            ) from error
