"""Copy labelled photographs into folders by class, some to train on, others to test on."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from datasets.errors import DataError
from datasets.image_files.folder_or_zip import open_source
from datasets.image_files.labels import are_pets, class_of_folder, class_of_pet, list_labelled

HELD_OUT_SEED = 0


class Photographs:
    """Labelled image files: one folder per class, or Asirra in any of its forms.

    The files of each class are shuffled in a fixed way; the last `held_out` of them are never used for training.

    :param data_dir: folder or zip archive.
    :param held_out: number of files per class to test on.
    """

    def __init__(self, data_dir: Path, held_out: int) -> None:
        self._source, self._held_out = open_source(data_dir), held_out
        rule = class_of_pet if are_pets(self._source) else class_of_folder
        listed = [file for part in list_labelled(self._source, rule).values() for file in part]
        rng, self._names = np.random.default_rng(HELD_OUT_SEED), dict[str, list[str]]()
        for name, class_name in sorted(listed):
            self._names.setdefault(class_name, []).append(name)
        for names in self._names.values():
            rng.shuffle(names)

    def write_held_out(self, folder: Path) -> None:
        """Copy the files to test on to `folder`/CLASS."""
        for class_name, names in self._names.items():
            self._write(folder / class_name, names[-self._held_out :])

    def write(self, folder: Path, per_class: int, seed: int) -> None:
        """Copy files to train on to `folder`/CLASS; with the same seed, a larger number includes the smaller ones.

        :raises DataError: a class has too few files.
        """
        rng = np.random.default_rng(seed)
        for class_name, names in self._names.items():
            pool = names[: -self._held_out]
            if len(pool) < per_class:
                raise DataError(
                    f"'{self._source}' has {len(names)} images of {class_name}, fewer than {per_class} to train "
                    f"on and {self._held_out} to hold out; lower --per-class or --held-out"
                )
            self._write(folder / class_name, [pool[row] for row in rng.permutation(len(pool))[:per_class]])

    def _write(self, folder: Path, names: Iterable[str]) -> None:
        folder.mkdir(parents=True)
        for number, name in enumerate(sorted(names)):
            (folder / f"{number:05}{PurePosixPath(name).suffix}").write_bytes(self._source.read(name))
