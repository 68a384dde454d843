import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.augment.color import color_components, color_multiples
from datasets.augment.jitter import jitters, vary_colors
from datasets.augment.sampling import Sampler
from datasets.augment.windows import center_crop, corner_center_crop_reflect
from datasets.dataset import DataSet
from datasets.images.array_rows import ImageRows


def make_images(num_images=10, side=8, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_images, side, side, channels), dtype=np.uint8)


def make_set(num_images=10, **options):
    options = {"crop_size": 6, **options}
    labels = np.eye(num_images, dtype=np.uint8)  # the label tells which image it is
    return DataSet(make_images(num_images), labels, **options)


def identities(labels):
    return labels.argmax(axis=1).tolist()


def test_an_epoch_holds_every_image_once_and_epochs_differ():
    dataset = make_set(10)
    first = identities(dataset.next_batch(10)[1])
    second = identities(dataset.next_batch(10)[1])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_a_batch_straddles_two_epochs():
    whole = make_set(10)
    orders = [identities(whole.next_batch(10)[1]) for _ in range(2)]
    dataset = make_set(10)
    dataset.next_batch(8)
    assert dataset.cursor == {"epochs_completed": 0, "index_in_epoch": 8}
    labels = identities(dataset.next_batch(5)[1])
    assert labels == orders[0][8:] + orders[1][:3]
    assert dataset.epochs_completed == 1
    assert dataset.cursor == {"epochs_completed": 1, "index_in_epoch": 3}


def test_an_epoch_is_completed_when_the_next_one_begins():
    dataset = make_set(10)
    dataset.next_batch(5)
    dataset.next_batch(5)
    assert dataset.cursor == {"epochs_completed": 0, "index_in_epoch": 10}
    dataset.next_batch(1)
    assert dataset.cursor == {"epochs_completed": 1, "index_in_epoch": 1}


def test_a_batch_larger_than_the_set_takes_several_epochs():
    dataset = make_set(3)
    images, labels = dataset.next_batch(8)
    assert images.shape == (8, 6, 6, 3)
    assert np.bincount(identities(labels)).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])
    assert dataset.cursor == {"epochs_completed": 2, "index_in_epoch": 2}


def test_unshuffled_batches_follow_the_images():
    dataset = make_set(4)
    assert identities(dataset.next_batch(6, shuffle=False)[1]) == [0, 1, 2, 3, 0, 1]


@settings(max_examples=25, deadline=None)
@given(batch_size=st.integers(1, 12), steps=st.integers(0, 8), seed=st.integers(0, 50))
def test_a_restored_cursor_continues_exactly(batch_size, steps, seed):
    dataset = make_set(7, seed=seed)
    for _ in range(steps):
        dataset.next_batch(batch_size)
    restored = make_set(7, seed=seed)
    restored.cursor = dataset.cursor
    for _ in range(3):
        for a, b in zip(dataset.next_batch(batch_size), restored.next_batch(batch_size), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_windows_of_an_epoch_do_not_depend_on_the_batch_size():
    by_ones, at_once = make_set(6), make_set(6)
    ones = np.concatenate([by_ones.next_batch(1)[0] for _ in range(12)])
    np.testing.assert_array_equal(ones, at_once.next_batch(12)[0])


def test_seeds_make_different_orders():
    assert identities(make_set(10, seed=1).next_batch(10)[1]) != identities(make_set(10).next_batch(10)[1])


def test_evaluation_batches_are_ten_crops_or_the_centre():
    dataset = make_set(4)
    ten, _ = dataset.next_batch(4, shuffle=False, is_train=False)
    np.testing.assert_array_equal(ten, corner_center_crop_reflect(dataset.images, 6))
    centre, _ = dataset.next_batch(4, shuffle=False, augment=False)
    np.testing.assert_array_equal(centre, center_crop(dataset.images, 6))


def test_a_set_that_has_a_reading_direction_is_never_mirrored():
    dataset = DataSet(
        np.tile(np.arange(8, dtype=np.uint8)[:, None], (20, 8, 1, 1)), crop_size=6, reflect=False
    )
    images, _ = dataset.next_batch(20)
    assert (np.diff(images.astype(int), axis=2) == 1).all()
    assert dataset.next_batch(2, is_train=False)[0].shape == (2, 5, 6, 6, 1)


def test_batch_by_indices_leaves_the_cursor_alone():
    dataset = make_set(10)
    before = dataset.cursor
    images, labels = dataset.batch([7, -1, 7])
    assert identities(labels) == [7, 9, 7]
    np.testing.assert_array_equal(images, center_crop(dataset.images[[7, 9, 7]], 6))
    (epoch, order), *_ = make_set(10).next_indices(10)
    drawn, _ = dataset.batch(order, augment=True, is_train=True, epoch=epoch)
    assert dataset.cursor == before
    np.testing.assert_array_equal(drawn, dataset.next_batch(10)[0])
    with pytest.raises(IndexError):
        dataset.batch([10])


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, 1), (np.float32, 255)])
def test_training_windows_reach_into_a_frame_of_the_mean_colour_and_others_do_not(dtype, unit):
    images = np.empty((2000, 4, 4, 3))
    images[0::4], images[1::4], images[2::4], images[3::4] = [10, 0, 1], [10, 0, 2], [10, 0, 1], [10, 200, 3]
    dataset = DataSet((images / unit).astype(dtype), crop_size=4, padding=3)
    frame = np.array([10, 50, 2 if dtype == np.uint8 else 1.75]) / unit  # bytes are rounded
    crops, _ = dataset.batch(np.arange(2000), augment=True, is_train=True, epoch=3)
    is_frame = np.isclose(crops, frame.astype(dtype)).all(axis=-1)  # (N, 4, 4)
    is_image = np.isclose(crops, (images / unit).astype(dtype)[:, :1, :1]).all(axis=-1)
    assert (is_frame ^ is_image).all()
    # the part of each window that is image is one rectangle, and every offset from 0 to 6 occurs
    rows, columns = is_image.any(axis=2).sum(axis=1), is_image.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(rows * columns, is_image.sum(axis=(1, 2)))
    starts = [np.argmax(is_image.any(axis=axis), axis=1) for axis in (2, 1)]
    seen = set(zip(rows, columns, *starts, strict=True))
    ends = [(k, 4 - k) for k in (1, 2, 3)] + [(k, 0) for k in (1, 2, 3)] + [(4, 0)]
    assert (
        {(r, r_start) for r, _, r_start, _ in seen}
        == {(c, c_start) for _, c, _, c_start in seen}
        == set(ends)
    )
    assert len(seen) == 49
    np.testing.assert_array_equal(dataset.batch([3])[0], dataset.images[[3]])


def test_colours_are_varied_by_the_drawn_factors_and_not_in_a_test():
    options = {"crop_size": 8, "reflect": False, "seed": 3}
    images = make_images(40)
    plain, varied = DataSet(images, **options), DataSet(images, color_jitter=0.4, **options)
    factors = 1 + 0.4 * jitters(Sampler(40, 3), 4)
    assert 0.6 <= factors.min() < 0.65 < 1.35 < factors.max() <= 1.4
    np.testing.assert_array_equal(drawn(varied, 4), vary_colors(drawn(plain, 4), factors))
    for augment in (False, True):
        np.testing.assert_array_equal(
            varied.batch([1, 2], augment=augment)[0], plain.batch([1, 2], augment=augment)[0]
        )


def test_a_crop_larger_than_the_image_uses_the_padding_everywhere():
    images = np.full((2, 4, 4, 1), 9, np.uint8)
    images[1] = 29
    dataset = DataSet(images, crop_size=6, padding=1)
    expected = np.full((2, 6, 6, 1), 19)
    expected[:, 1:5, 1:5] = images
    np.testing.assert_array_equal(dataset.batch([0, 1])[0], expected)
    np.testing.assert_array_equal(dataset.batch([0, 1], augment=True)[0], np.stack([expected] * 2, axis=1))
    assert dataset.num_crops == 2


@pytest.mark.parametrize(
    ("side", "crop_size", "options", "expected"),
    [
        (8, 6, {}, 10),
        (8, 6, {"reflect": False}, 5),
        (8, 8, {}, 2),
        (8, 8, {"reflect": False}, 1),
        (8, 8, {"padding": 4}, 2),
    ],
)
def test_windows_that_coincide_are_tested_once(side, crop_size, options, expected):
    dataset = DataSet(make_images(3, side), crop_size=crop_size, **options)
    assert dataset.num_crops == expected
    crops, _ = dataset.batch([0, 2], augment=True)
    assert crops.shape == (2, expected, crop_size, crop_size, 3)
    ten = corner_center_crop_reflect(dataset.images[[0, 2]], crop_size, reflect=dataset.crops.reflect)
    np.testing.assert_allclose(crops.mean(axis=1), ten.mean(axis=1))  # the mean of what is predicted, too
    assert len(np.unique(crops[0].reshape(expected, -1), axis=0)) == expected


@pytest.mark.parametrize("shape", [(1, 8, 9, 3), (1, 9, 9, 3)])
def test_where_only_some_windows_coincide_all_ten_count(shape):
    assert DataSet(np.zeros(shape, np.uint8), crop_size=8).num_crops == 10


def drawn(dataset, epoch, rows=slice(None)):
    return dataset.batch(rows, augment=True, is_train=True, epoch=epoch)[0]


OPTIONS = {"crop_size": 7, "padding": 2, "pca_color": 0.5}
RESIZED = {"crop_size": 7, "crop_scale": [0.3, 0.9], "color_jitter": 0.5}
EVERY_WAY = pytest.mark.parametrize("options", [OPTIONS, RESIZED])


@EVERY_WAY
def test_what_is_drawn_is_a_function_of_seed_epoch_and_index(options):
    dataset = make_set(10, **options)
    first = drawn(dataset, 1)
    for epoch in (0, 5, 2):
        assert (drawn(dataset, epoch) != first).any(axis=(1, 2, 3)).all()
    again = make_set(10, **options)
    np.testing.assert_array_equal(drawn(again, 1, [8, 3]), first[[8, 3]])
    assert (drawn(make_set(10, seed=1, **options), 1) != first).any(axis=(1, 2, 3)).all()


def test_colours_are_shifted_along_the_components_and_not_in_a_test():
    images = make_images(40).astype(np.float64) / 255
    options = {"crop_size": 8, "reflect": False, "seed": 3}
    plain, colored = DataSet(images, **options), DataSet(images, pca_color=0.1, **options)
    shifts = drawn(colored, 4) - drawn(plain, 4)  # (N, 8, 8, 3)
    np.testing.assert_allclose(shifts, np.broadcast_to(shifts[:, :1, :1], shifts.shape), atol=1e-12)
    multiples = shifts[:, 0, 0] @ np.linalg.inv(color_components(images))
    np.testing.assert_allclose(multiples, 0.1 * color_multiples(Sampler(40, 3), 4), atol=1e-9)
    assert (np.abs(drawn(colored, 5) - drawn(plain, 5) - shifts).max(axis=(1, 2, 3)) > 1e-6).all()
    for augment in (False, True):
        np.testing.assert_array_equal(
            colored.batch([1, 2], augment=augment)[0], plain.batch([1, 2], augment=augment)[0]
        )


@EVERY_WAY
def test_without_redrawing_every_epoch_sees_the_images_of_the_first(options):
    dataset, fresh = make_set(12, redraw=False, **options), make_set(12, **options)
    for epoch in (0, 1, 7):
        np.testing.assert_array_equal(drawn(dataset, epoch), drawn(fresh, 0))
    orders = []
    for _ in range(2):
        images, labels = dataset.next_batch(12)
        orders.append(identities(labels))
        np.testing.assert_array_equal(images, drawn(fresh, 0)[orders[-1]])
    assert orders[0] != orders[1]
    assert orders == [
        identities(fresh.next_batch(12)[1]) for _ in range(2)
    ]  # the order is the same either way


@EVERY_WAY
def test_a_subset_keeps_the_options_and_draws_for_itself(options):
    whole = make_set(10, reflect=False, redraw=False, seed=4, **options)
    subset = whole.subset([5, 1, 7])
    for name in ("crops", "seed", "num_crops"):
        assert getattr(subset, name) == getattr(whole, name), name
    own = DataSet(whole.images[[5, 1, 7]], reflect=False, redraw=False, seed=4, **options)
    np.testing.assert_array_equal(
        drawn(subset, 2), drawn(own, 2)
    )  # frame and components are the subset's own


def test_training_crops_of_random_size_are_resized_and_those_of_a_test_are_not():
    images = np.zeros((40, 9, 9, 1), np.uint8)
    images[:, 4, 4] = 255  # of a window of 9x9 pixels one in 81
    dataset = DataSet(images, crop_size=3, crop_scale=[1.0, 1.0])
    np.testing.assert_array_equal(drawn(dataset, 0), drawn(dataset, 1))  # the whole image, resized
    assert drawn(dataset, 0)[0, 1, 1, 0] < 100
    plain = DataSet(images, crop_size=3)
    for augment in (False, True):
        np.testing.assert_array_equal(
            dataset.batch([3], augment=augment)[0], plain.batch([3], augment=augment)[0]
        )


def test_a_balanced_order_repeats_the_images_of_a_small_class_in_other_windows():
    images, labels = make_images(12), np.eye(2)[[0] * 11 + [1]]
    dataset = DataSet(images, labels, crop_size=5, order="balanced")
    crops, drawn_labels = dataset.next_batch(12)
    assert drawn_labels.sum(axis=0).tolist() == [6, 6]
    repeated = crops[drawn_labels[:, 1] == 1]
    assert len(np.unique(repeated.reshape(6, -1), axis=0)) > 2
    numbered = DataSet(images, [0] * 11 + [1], crop_size=5, order="balanced")
    np.testing.assert_array_equal(numbered.next_batch(12)[0], crops)


def test_a_balanced_order_continues_exactly_from_a_cursor():
    options = {"crop_size": 5, "order": "balanced"}
    dataset = DataSet(make_images(10), [0] * 7 + [1] * 3, **options)
    dataset.next_batch(7)
    cursor = dataset.cursor
    expected = [dataset.next_batch(7) for _ in range(3)]
    resumed = DataSet(make_images(10), [0] * 7 + [1] * 3, **options)
    resumed.cursor = cursor
    for images, labels in expected:
        found = resumed.next_batch(7)
        np.testing.assert_array_equal(found[0], images)
        np.testing.assert_array_equal(found[1], labels)


def test_the_balanced_order_of_a_subset_counts_its_own_images_and_unlabelled_sets_have_none():
    whole = DataSet(make_images(10), [0] * 5 + [1] * 5, crop_size=5, order="balanced")
    labels = whole.subset([0, 1, 2, 3, 4, 5, 6, 7]).subset([0, 1, 2, 3, 4, 5]).next_batch(6)[1]
    assert labels.tolist().count(1) == 3
    assert DataSet(make_images(10), crop_size=5, order="balanced").next_batch(10)[0].shape == (10, 5, 5, 3)


@pytest.mark.parametrize("options", [{"padding": 2}, {"crop_scale": [0.3, 0.9]}])
def test_crops_can_be_higher_or_wider(options):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 9, 12, 3), dtype=np.uint8)
    dataset = DataSet(images, crop_size="5x10", **options)
    assert dataset.crop_shape == (5, 10, 3)
    assert drawn(dataset, 0).shape == (4, 5, 10, 3)
    np.testing.assert_array_equal(dataset.batch([1])[0], images[1:2, 2:7, 1:11])
    corners = dataset.batch([2], augment=True)[0]
    assert corners.shape == (1, 10, 5, 10, 3)
    np.testing.assert_array_equal(corners[0, 3], images[2, 4:, 2:])
    np.testing.assert_array_equal(corners[0, 8], images[2, 4:, :1:-1])
    assert DataSet(images, crop_size="9x12").num_crops == 2
    assert DataSet(images, crop_size="9x10").num_crops == 10


def test_pixel_mean_is_of_the_centre_windows():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    images[0, 1:3, 1:3, 0] = [[51, 0], [102, 255]]
    images[1, 1:3, 1:3, 0] = [[51, 51], [0, 255]]
    images[:, 0] = 255  # outside
    dataset = DataSet(images, crop_size=2)
    expected = np.array([[[0.2], [0.1]], [[0.2], [1.0]]])
    np.testing.assert_allclose(dataset.pixel_mean, expected)
    np.testing.assert_allclose(DataSet(images / 255, crop_size=2).pixel_mean, expected)
    np.testing.assert_allclose(dataset.subset([1]).pixel_mean[0, :, 0], [0.2, 0.2])


def test_pixel_mean_of_many_images_and_of_rows():
    images = make_images(600)
    expected = center_crop(images, 6).mean(axis=0) / 255
    np.testing.assert_allclose(DataSet(images, crop_size=6).pixel_mean, expected)
    rows = ImageRows(np.concatenate([images, images[::-1] // 2]), np.arange(600))
    np.testing.assert_allclose(DataSet(rows, crop_size=6, padding=1).pixel_mean, expected)


def test_fake_data_is_the_same_each_time_and_needs_no_images():
    dataset = make_set(5)
    images, labels = dataset.next_batch(7, fake_data=True)
    assert images.shape == (7, 6, 6, 3)
    assert images.dtype == np.float32
    assert 0 <= images.min() <= images.max() < 1
    assert labels.shape == (7, 5)
    assert (labels.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(images, dataset.next_batch(7, fake_data=True)[0])
    assert dataset.cursor == {"epochs_completed": 0, "index_in_epoch": 0}


@pytest.mark.parametrize(("side", "crop_size"), [(256, 227), (227, 227), (32, 32)])
def test_the_default_crop_is_alexnets_where_it_fits(side, crop_size):
    images = np.zeros((1, side, side + 1, 1), np.uint8)
    assert DataSet(images).crop_size == DataSet(images, crop_size=None).crop_size == crop_size


def test_subset_copies_no_pixels(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.zeros((100, 64, 64, 3), np.uint8))
    base = np.load(path, mmap_mode="r")
    dataset = DataSet(
        base, np.arange(100), class_names=map(str, range(100)), file_names=range(100), crop_size=8
    )
    tracemalloc.start()
    subset = dataset.subset(np.arange(99, 9, -1)).subset([0, 5])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000 < base.nbytes
    assert isinstance(subset.images, ImageRows)
    assert subset.images.base is base
    assert subset.labels.tolist() == list(subset.file_names) == [99, 94]
    assert (subset.crop_size, subset.class_names) == (8, dataset.class_names)


@pytest.mark.parametrize("known", [True, False])
def test_image_mean_is_per_channel_and_in_units_of_one(known):
    images = np.zeros((4, 2, 2, 3), np.uint8)
    images[..., 0], images[:2, ..., 1] = 255, 51
    dataset = DataSet(images, channel_sums=images.sum(axis=(1, 2), dtype=np.int64) if known else None)
    np.testing.assert_allclose(dataset.image_mean, [1.0, 0.1, 0.0])
    np.testing.assert_allclose(dataset.subset([0, 1]).image_mean, [1.0, 0.2, 0.0])


def test_float_images_keep_their_dtype_and_scale():
    images = np.full((3, 8, 8, 1), 0.25, np.float32)
    dataset = DataSet(images, crop_size=4)
    assert dataset.next_batch(2)[0].dtype == np.float32
    np.testing.assert_allclose(dataset.image_mean, [0.25])


def test_num_classes_of_each_kind_of_labels():
    images = make_images(3)
    assert DataSet(images).num_classes is None
    assert DataSet(images).next_batch(2)[1] is None
    assert DataSet(images, np.array([0, 4, 1])).num_classes == 5
    assert DataSet(images, np.eye(2)[[0, 1, 1]]).num_classes == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": np.zeros(3)}, "3 labels for 10 images"),
        ({"file_names": ["a"]}, "1 file names for 10 images"),
        (
            {"labels": np.eye(10), "class_names": ["cat", "dog"]},
            "10 classes in labels, 2 class names; name each class$",
        ),
        (
            {"labels": [1, 2] * 5, "class_names": ["cat", "dog"]},
            "2 class names; name each class, and number them from 0",
        ),
        ({"crop_size": 9}, "crop_size is 9; it must be at most 8 for images of 8x8"),
        ({"crop_size": 11, "padding": 1}, "must be at most 10"),
        ({"padding": -1}, "padding is -1"),
        ({"crop": 5}, "there is no option 'crop'; did you mean 'crop_size'"),
        ({"pca_color": -0.1}, "pca_color is -0.1; it must be zero or a positive number"),
        ({"pca_color": float("nan")}, "pca_color is nan"),
        ({"images": np.zeros((10, 8, 8, 1), np.uint8), "pca_color": 0.1}, "it must be 0 for grey images"),
        ({"images": np.zeros((10, 0, 8, 3), np.uint8)}, "at least one pixel"),
        ({"images": np.zeros((8, 8, 3), np.uint8)}, "as \\(N, H, W, C\\)"),
        ({"images": np.zeros((10, 8, 8, 3), np.int64)}, "uint8 in \\[0, 255\\] or float"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DataSet(**{"images": make_images(10), **options})


@pytest.mark.parametrize("fake_data", [False, True])
def test_a_batch_has_at_least_one_image(fake_data):
    with pytest.raises(ValueError, match="batch_size is 0"):
        make_set(3).next_batch(0, fake_data=fake_data)


@pytest.mark.parametrize("cursor", [(-1, 0), (0, 4), (0, -1)])
def test_a_position_outside_the_set_is_refused(cursor):
    dataset = make_set(3)
    with pytest.raises(ValueError, match="no position"):
        dataset.cursor = {"epochs_completed": cursor[0], "index_in_epoch": cursor[1]}


EMPTY = np.zeros((0, 8, 9, 3), np.uint8)


@pytest.mark.parametrize(
    "empty",
    [
        DataSet(EMPTY, crop_size=6),
        DataSet(np.zeros((5, 8, 9, 3), np.uint8), crop_size=6).subset([]),
        DataSet(EMPTY, crop_size=6, padding=1, pca_color=0.1),
    ],
)
def test_an_empty_set_has_batches_of_no_images(empty):
    assert empty.num_examples == 0
    images, labels = empty.batch([])
    assert (images.shape, images.dtype, labels) == ((0, 6, 6, 3), np.uint8, None)
    assert empty.batch([], augment=True)[0].shape == (0, 10, 6, 6, 3)
    assert empty.batch(slice(0, 4), augment=True, is_train=True)[0].shape == (0, 6, 6, 3)
    assert empty.subset([]).num_examples == 0


def test_labels_of_an_empty_set_keep_their_shape():
    one_hot = DataSet(EMPTY, np.zeros((0, 2)), class_names=["cat", "dog"], file_names=[], crop_size=6)
    assert one_hot.num_classes == 2
    assert one_hot.batch([])[1].shape == (0, 2)
    assert DataSet(EMPTY, np.zeros(0, np.uint8), crop_size=6).num_classes == 0


@pytest.mark.parametrize("fake_data", [False, True])
def test_nothing_can_be_drawn_from_an_empty_set(fake_data):
    with pytest.raises(ValueError, match="the set is empty, so there is nothing to draw"):
        DataSet(EMPTY, crop_size=6).next_batch(2, fake_data=fake_data)


@pytest.mark.parametrize("sums", [None, np.zeros((0, 3), np.int64)])
def test_an_empty_set_has_no_mean(sums):
    with pytest.raises(ValueError, match="without images there is no mean"):
        _ = DataSet(EMPTY, crop_size=6, channel_sums=sums).image_mean
    with pytest.raises(ValueError, match="without images there is no mean"):
        _ = DataSet(EMPTY, crop_size=6, channel_sums=sums).pixel_mean
