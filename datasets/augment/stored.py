"""Serve values computed from the crops of each image in place of the crops."""

from typing import Any

import numpy as np

from datasets.augment.crops import Cropper


class StoredCrops(Cropper):
    """Stand in for a `Cropper` whose crops are few, and return stored rows that correspond to them.

    :param cropper: whose crops the rows were computed from; it still decides which variant an epoch draws.
    :param center: (N, ...), of the centre crops. variants: (num_variants, N, ...), of the training crops.
    :param fixed: (N, num_crops, ...), of the crops of a test. None for crops that are not used.
    """

    def __init__(
        self,
        cropper: Cropper,
        *,
        center: np.ndarray | None = None,
        variants: np.ndarray | None = None,
        fixed: np.ndarray | None = None,
    ) -> None:
        vars(self).update(vars(cropper))
        self._stored = {"center": center, "variants": variants, "fixed": fixed}

    def drawn(self, indices: np.ndarray, epoch: int, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the rows of the variants that the epoch draws: (B, ...)."""
        return self._of("variants")[self.variant_numbers(epoch, indices if rows is None else rows), indices]

    def fixed(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows of the crops of a test: (B, num_crops, ...)."""
        return self._of("fixed")[indices]

    def center(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows of the centre crops: (B, ...)."""
        return self._of("center")[indices]

    def _of(self, kind: str) -> Any:
        stored = self._stored[kind]
        if stored is None:
            raise ValueError(f"no values are stored for the {kind} crops; give {kind} to DataSet.with_stored")
        return stored
