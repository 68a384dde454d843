import numpy as np
import pytest

from datasets.images.array_rows import ImageRows


@pytest.fixture
def base():
    return np.random.default_rng(0).integers(0, 256, (20, 3, 4, 2), dtype=np.uint8)


CHOSEN = [7, 3, 3, 19, -1, 0]


@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        np.int64(1),
        [4, 0],
        np.array([True, False, True, False, False, True]),
        slice(1, 5, 2),
        Ellipsis,
        (0, slice(1, 3), slice(0, 2)),
        (slice(None), slice(1, 3)),
        (slice(0, 3), 1, 2, 0),
        (slice(None), [0, 2]),
        ([1, 2], slice(None), 3),
        (Ellipsis, 0),
        (slice(1, 4), Ellipsis, 1),
    ],
)
def test_indexing_gives_what_the_copied_array_gives(base, key):
    np.testing.assert_array_equal(np.asarray(ImageRows(base, CHOSEN)[key]), base[CHOSEN][key])


def test_a_slice_and_rows_of_rows_stay_lazy(base):
    rows = ImageRows(base, CHOSEN)
    again = ImageRows(rows[1:], [2, 0])
    assert isinstance(rows[1:], ImageRows)
    assert again.base is base
    np.testing.assert_array_equal(np.asarray(again), base[[19, 3]])


def test_looks_like_an_array(base):
    rows = ImageRows(base, CHOSEN)
    assert (rows.shape, rows.dtype, rows.ndim, len(rows)) == ((6, 3, 4, 2), np.uint8, 4, 6)
    assert np.asarray(rows, dtype=np.float32).dtype == np.float32
    assert rows.min() == base[CHOSEN].min()
    assert rows.max() == base[CHOSEN].max()


def test_means_over_several_chunks():
    base = np.random.default_rng(1).integers(0, 256, (700, 2, 2, 3), dtype=np.uint8)
    rows = ImageRows(base, np.arange(699, -1, -1))
    assert rows.mean() == pytest.approx(base.mean())
    np.testing.assert_allclose(rows.mean(axis=(0, 1, 2)), base.mean(axis=(0, 1, 2)))
    with pytest.raises(ValueError, match="not over 1"):
        rows.mean(axis=1)


def test_missing_rows_are_refused(base):
    with pytest.raises(IndexError, match="beyond the 20 rows"):
        ImageRows(base, [20])


def test_a_view_without_copying_is_refused(base):
    with pytest.raises(ValueError, match="copying"):
        np.array(ImageRows(base, CHOSEN), copy=False)
