"""Hold files with their classes in columns, for sets of a million files."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from datasets.image_files.folder_names import normal_form
from datasets.image_files.source import Source
from datasets.storage.names import Names


@dataclass(frozen=True, eq=False)
class LabelledFiles(Sequence[tuple[str, str]]):
    """Images of a source with their classes, as a sequence of (name, class) sorted by name.

    A slice, a mask or an array of ascending indices selects LabelledFiles.

    :param rows: (N,) indices into `Source.files()`, each once.
    :param names: N names.
    :param labels: (N,) indices into `classes`.
    :param classes: sorted names in `normal_form`; these need not all occur.
    """

    rows: np.ndarray
    names: Names
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, key: int) -> tuple[str, str]: ...

    @overload
    def __getitem__(self, key: slice | np.ndarray) -> "LabelledFiles": ...

    def __getitem__(self, key: int | slice | np.ndarray) -> "tuple[str, str] | LabelledFiles":
        if isinstance(key, (int, np.integer)):
            return self.names[key], self.classes[self.labels[key]]
        rows = self.rows[key]
        if np.array_equal(rows, self.rows):
            return self  # a copy would take 20 bytes for each file
        return LabelledFiles(rows, self.names[key], self.labels[key], self.classes)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.names, map(self.classes.__getitem__, self.labels), strict=True)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def used_classes(self) -> list[str]:
        """Return the classes that occur, sorted."""
        return [self.classes[label] for label in np.flatnonzero(np.bincount(self.labels))]

    def class_numbers(self, class_names: Sequence[str]) -> np.ndarray:
        """Return the index of each file's class in class_names, in any Unicode form: (N,) int32."""
        numbers = {normal_form(name): number for number, name in enumerate(class_names)}
        return np.array([numbers.get(name, -1) for name in self.classes], np.int32)[self.labels]


def together(source: Source, parts: Collection[LabelledFiles]) -> LabelledFiles:
    """Return the files of some parts of a source as one."""
    if len(parts) == 1:
        return next(iter(parts))
    rows, labels = (
        np.concatenate(columns) for columns in zip(*((part.rows, part.labels) for part in parts), strict=True)
    )
    order = np.argsort(rows)
    classes = next(part.classes for part in parts)
    return LabelledFiles(rows[order], source.files().names[rows[order]], labels[order], classes)
