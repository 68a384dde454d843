"""Find images with the same pixels, whatever their names and formats.

The digests of files are those of the resized squares, computed while these are decoded into the cache, and are kept
there. The digests of arrays are those of the original images.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from datasets.errors import escape_name
from datasets.images.array_rows import Images
from datasets.storage.rows import pieces

DIGEST_BYTES = 16  # among a billion images, two share a digest by chance with a probability of 1 in 10^21
SHORT_DIGEST = np.dtype("<u8")
_NAMED = 3  # pairs that a warning names

logger = logging.getLogger(__name__)


def pixel_digest(image: np.ndarray) -> bytes:
    """Return a digest (DIGEST_BYTES) of the size and the pixels of an image (H, W, C) uint8."""
    size = np.array(image.shape, np.uint32).tobytes()
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=DIGEST_BYTES, salt=size).digest()


def pixel_digests(images: np.ndarray) -> np.ndarray:
    """Return the digest of each image: (N, H, W, C) uint8 -> (N, DIGEST_BYTES) uint8."""
    joined = b"".join(map(pixel_digest, images))
    return np.frombuffer(joined, np.uint8).reshape(len(images), DIGEST_BYTES)


def warn_of_shared(
    parts: Mapping[str, np.ndarray], digests: np.ndarray, names: Sequence[str], *, learned: str
) -> None:
    """Warn about each part of a set that shares images with the part for training.

    :param parts: the rows of each part by its name.
    :param digests: (N, DIGEST_BYTES) of all images.
    :param names: N names of all images.
    :param learned: the key of parts for training.
    """
    for part, rows in parts.items():
        if part != learned and len(rows) and (pairs := _twins(digests, rows, parts[learned])):
            named = ", ".join(
                f"'{escape_name(names[row])}' is '{escape_name(names[twin])}'" for row, twin in pairs[:_NAMED]
            )
            more = f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
            images, are, them = ("images", "are", "them") if len(pairs) > 1 else ("image", "is", "it")
            logger.warning(
                "%d %s of the %s set %s also in the %s set, so its score is too optimistic (%s%s); "
                "remove %s from one of the two",
                *(len(pairs), images, part, are, learned, named, more, them),
            )


def shortened_digests(digests: Images) -> np.ndarray:
    """Return the first 8 bytes of each digest as a number: (N, DIGEST_BYTES) uint8 -> (N,) uint64."""
    return np.ascontiguousarray(digests[:, : SHORT_DIGEST.itemsize]).view(SHORT_DIGEST)[:, 0]


def _twins(digests: np.ndarray, rows: np.ndarray, learned: np.ndarray) -> list[tuple[int, int]]:
    """Return each of the rows that has an equal digest among the learned rows, and the first of these."""
    learned = _among(digests, learned, digests[rows])
    rows = _among(digests, rows, digests[learned])
    first = {digests[row].tobytes(): row for row in learned[::-1]}
    found = ((row, first.get(digests[row].tobytes())) for row in rows)
    return [(row, twin) for row, twin in found if twin is not None]


def _among(digests: np.ndarray, rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the rows whose digests begin like a wanted one, piece by piece: a million at once take 60 MB."""
    starts = shortened_digests(wanted)
    parts = (rows[piece] for piece in pieces(len(rows)))
    return np.concatenate([part[np.isin(shortened_digests(digests[part]), starts)] for part in parts])
