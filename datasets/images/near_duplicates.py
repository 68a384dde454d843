"""Find images that show nearly the same picture: resized, recompressed or slightly edited copies.

Pictures are compared by thumbnails of 16x16 grey levels, whatever their contrast, and by their mean colours.
Candidates are neighbours in a k-d tree of the thumbnails' lowest frequencies, which are never further apart than
the thumbnails. So few pairs are compared, and none is missed, except beyond the 8 nearest of a picture.
"""

import numpy as np
from PIL import Image

SIDE = 16  # pixels of a thumbnail
SIGNATURE_BYTES = SIDE * SIDE + 3 + 1
# The distance of copies. Among the 78 million pairs of 12,500 photographs of cats and dogs, 16 are closer than
# 0.06, all of them the same picture; the next has 0.41. Copies at a fifth of the size, of JPEG's quality 10, or
# brighter by a tenth have up to 0.13.
MOST_APART = 0.15
# Of two images below 64 pixels, which look alike more often: of the 1.6 million pairs of scikit-learn's digits at
# 28 pixels, 23 are closer than 0.15, and one is closer than 0.1.
MOST_APART_SMALL, SMALL = 0.1, 64
_FLATTEST = 8.0  # levels: the least standard deviation to divide by, for a plain picture has only noise
_COLOUR = 256.0  # levels by which mean colours differ at a distance of 1
_FREQUENCIES = 4  # in each direction
_MOST_NEIGHBOURS = 8  # of a thumbnail; thousands of similar ones would make millions of pairs
_CHUNK = 10_000  # thumbnails


def signature(image: np.ndarray) -> bytes:
    """Return what `near_groups` compares of an image (H, W, C) uint8.

    :return: SIGNATURE_BYTES: grey levels, the mean of each channel, and whether the image is small.
    """
    pixels = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)  # antialiased
    colour = np.asarray(small).mean(axis=(0, 1)).round().astype(np.uint8)
    return small.convert("L").tobytes() + colour.tobytes() + bytes([max(image.shape[:2]) < SMALL])


def near_groups(signatures: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each group of images that are nearly the same picture as another in it.

    :param signatures: (N, SIGNATURE_BYTES) uint8.
    :return: arrays of two or more rows, ascending.
    """
    from scipy.sparse import coo_array  # slow to import
    from scipy.sparse.csgraph import connected_components

    different, row_of = np.unique(signatures, axis=0, return_inverse=True)  # equal points slow the tree down
    pairs = _near_pairs(different)
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(different), len(different)))
    group_of = connected_components(links, directed=False)[1][row_of.ravel()]
    rows = np.argsort(group_of, kind="stable")
    groups = np.split(rows, np.flatnonzero(np.diff(group_of[rows])) + 1)
    return [group for group in groups if len(group) > 1]


def _near_pairs(signatures: np.ndarray) -> np.ndarray:
    """Return pairs of rows, (M, 2), of different signatures that are near each other."""
    from scipy.spatial import cKDTree

    low = np.concatenate([_low_frequencies(chunk) for chunk in _chunks(signatures)])
    near = cKDTree(low).query(low, k=_MOST_NEIGHBOURS + 1, distance_upper_bound=MOST_APART, workers=-1)[1]
    first, place = np.nonzero(near < len(signatures))  # a missing neighbour has the number of rows
    pairs = np.stack([first, near[first, place]], axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.concatenate([chunk[_are_near(*signatures[chunk.T])] for chunk in _chunks(pairs)])


def _are_near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return whether signatures are near the others in their place: (M,) bool."""
    apart = np.linalg.norm(_features(one) - _features(other), axis=1)
    are_small = np.minimum(one[:, -1], other[:, -1]) == 1
    return apart < np.where(are_small, MOST_APART_SMALL, MOST_APART)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _CHUNK] for start in range(0, max(len(rows), 1), _CHUNK)]


def _features(signatures: np.ndarray) -> np.ndarray:
    """Return points whose distance says how much pictures differ: float32 (N, 256 + 3).

    These are the thumbnail's levels, with a mean of 0 and a length of 1, and its mean colour.
    """
    levels = signatures[:, : SIDE * SIDE].astype(np.float32)
    levels -= levels.mean(axis=1, keepdims=True)
    length = np.linalg.norm(levels, axis=1, keepdims=True)
    levels /= np.maximum(length, SIDE * _FLATTEST)
    return np.concatenate([levels, signatures[:, SIDE * SIDE : -1] / np.float32(_COLOUR)], axis=1)


def _low_frequencies(signatures: np.ndarray) -> np.ndarray:
    """Return the lowest frequencies of the thumbnails, and the mean colours: float32 (N, 16 + 3).

    The transform is orthogonal, so leaving out some of its values only shortens distances.
    """
    from scipy.fft import dctn

    features = _features(signatures)
    waves = dctn(features[:, :-3].reshape(-1, SIDE, SIDE), axes=(1, 2), norm="ortho")
    low = waves[:, :_FREQUENCIES, :_FREQUENCIES].reshape(len(features), _FREQUENCIES**2)
    return np.concatenate([low, features[:, -3:]], axis=1)
