"""Keep digests of a run's training images in its folder, to notice a test on the same images.

The file has 8 bytes for each training image, in ascending order: 200 KB for 25,000 images. The chance that two of
that many different images have the same digest is 1 in 10^10.
"""

import logging
from pathlib import Path

import numpy as np

from datasets.images.array_rows import Images
from datasets.images.duplicates import SHORT_DIGEST, shortened_digests
from datasets.splits import Splits
from datasets.storage.atomic import fsync_path, replacing
from datasets.storage.failures import storage_errors
from learning.errors import CheckpointError
from learning.runs.directory import DIGESTS_FILE, RunDirectory, is_run
from models.weights.packaged import PACKAGES

MAX_BYTES = 2**27  # of the file: 16 million images

logger = logging.getLogger(__name__)


def keep_digests(folder: Path, splits: Splits) -> None:
    """Write the digests of the training images into a run's folder, unless it has them already.

    :raises StorageError: they cannot be written.
    """
    path = folder / DIGESTS_FILE
    if path.exists() or not 0 < len(splits.digests.get("train", ())) <= MAX_BYTES // SHORT_DIGEST.itemsize:
        return
    with storage_errors(folder, f"cannot write {path}", "make room"), replacing(path) as temporary:
        temporary.write_bytes(np.sort(shortened_digests(splits.digests["train"])).tobytes())
        fsync_path(temporary)


def count_seen(run: RunDirectory, digests: Images) -> int | None:
    """Return how many images are among the training images of a run, or None if its folder does not say.

    If the file cannot be used, a warning says so, and the test goes on.

    :param digests: `datasets.images.duplicates.pixel_digests` of the images, decoded as the run's were.
    """
    path = run.path / DIGESTS_FILE
    if not path.is_file():
        return None
    expected = run.num_images.get("train", 0) * SHORT_DIGEST.itemsize
    try:
        size = path.stat().st_size
        if size == expected <= MAX_BYTES:
            return count_shared(digests, np.frombuffer(path.read_bytes(), SHORT_DIGEST))
        problem = f"it has {size} bytes instead of {expected}"
    except OSError as error:
        problem = f"{error.strerror}"
    logger.warning(
        "%s cannot be used (%s), so it does not tell which images the run was trained on; restore it from a copy, "
        "or remove it", path, problem,
    )  # fmt: skip
    return None


def warn_of_seen(init: str | None, splits: Splits) -> None:
    """Warn of held-out images that an earlier run was trained on, if a new run starts from its weights.

    Images that were decoded at another size are not recognised.

    :param init: `model.init` of the new run.
    """
    seen = set[str]()
    while init is not None and init not in PACKAGES and init not in seen and is_run(init):
        seen.add(init)
        try:
            source = RunDirectory(init)
        except CheckpointError:  # an earlier run, which nothing else needs
            return
        counts = [
            f"on {count} of the {len(splits.digests[part])} {name} images here"
            for part, name in (("val", "validation"), ("test", "test"))
            if part in splits.digests and (count := count_seen(source, splits.digests[part]))
        ]
        if counts:
            logger.warning(
                "%s, whose weights this run starts from, was trained %s, so their scores are too optimistic; keep "
                "train.seed, data.val_fraction and data.test_fraction as they were there",
                source.path, " and ".join(counts),
            )  # fmt: skip
        init = source.config.model.init


def count_shared(digests: Images, seen: Images) -> int:
    """Return how many of the `digests`, (N, 16) uint8, are among `seen`: (M, 16) uint8, or (M,) of 8 bytes each."""
    return int(np.isin(shortened_digests(digests), seen if seen.ndim == 1 else shortened_digests(seen)).sum())
