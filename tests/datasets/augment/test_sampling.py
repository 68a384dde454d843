import numpy as np
import pytest

from datasets.augment.color import color_multiples
from datasets.augment.random_size import draw_sized_windows
from datasets.augment.sampling import Sampler, balanced_order
from datasets.augment.windows import draw_crops
from datasets.options.loading import Crops
from datasets.storage import rows


def test_every_epoch_has_its_own_order_determined_by_the_seed():
    first, again, other = Sampler(20, 1), Sampler(20, 1), Sampler(20, 2)
    orders = [first.order(epoch).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert again.order(2).tolist() == orders[2]  # whatever was asked for before
    assert other.order(0).tolist() != orders[0]


def test_a_batch_is_parted_where_an_epoch_ends():
    sampler = Sampler(5, 0)
    sampler.next_indices(3)
    (epoch, rest), (following, start) = sampler.next_indices(4)
    assert (epoch, following, sampler.epochs_completed) == (0, 1, 1)
    assert rest.tolist() == Sampler(5, 0).order(0)[3:].tolist()
    assert start.tolist() == Sampler(5, 0).order(1)[:2].tolist()
    assert sampler.cursor == {"epochs_completed": 1, "index_in_epoch": 2}


CLASSES = np.array([4] * 13 + [1] * 2 + [7] * 5)


def test_a_balanced_order_holds_every_class_equally_often():
    order = balanced_order(np.random.default_rng(0), CLASSES)
    assert order.shape == (20,)
    numbers = np.unique(CLASSES[order], return_counts=True)[1]
    assert sorted(numbers.tolist()) == [6, 7, 7]
    times = np.bincount(order, minlength=20)
    assert set(times[:13]) == {0, 1}
    assert set(times[13:15]) <= {3, 4}
    assert set(times[15:]) <= {1, 2}


def test_classes_are_mixed_and_share_what_cannot_be_divided():
    orders = [balanced_order(np.random.default_rng(seed), CLASSES) for seed in range(300)]
    first = np.bincount([CLASSES[order[0]] for order in orders])
    assert first[[1, 4, 7]].min() > 70  # of 100 each, five standard deviations
    larger = np.bincount([CLASSES[order].tolist().count(1) for order in orders])
    assert abs(larger[7] / 300 - 2 / 3) < 0.15
    drawn = np.bincount(np.concatenate(orders), minlength=20)[:13]
    np.testing.assert_allclose(drawn, 300 * (20 / 3) / 13, rtol=0.35)


def test_more_classes_than_images_of_any_is_no_limit():
    assert sorted(balanced_order(np.random.default_rng(0), np.array([0, 1, 2]))) == [0, 1, 2]
    assert balanced_order(np.random.default_rng(0), np.array([3])).tolist() == [0]


def test_a_balanced_epoch_is_a_function_of_the_seed_and_the_epoch():
    first, again = Sampler(20, 1, CLASSES), Sampler(20, 1, CLASSES)
    orders = [first.order(epoch).tolist() for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert again.order(2).tolist() == orders[2]


def test_images_that_are_repeated_have_other_rows_each_time():
    sampler = Sampler(20, 0, CLASSES)
    (epoch, indices, rows), (following, _, others) = [*sampler.next_parts(20), *sampler.next_parts(3)]
    assert (epoch, following) == (0, 1)
    assert len(set(indices)) < 20
    assert rows.tolist() == list(range(20))
    assert others.tolist() == [0, 1, 2]
    [(_, indices, rows)] = Sampler(20, 0, CLASSES).next_parts(4, shuffle=False)
    assert indices.tolist() == rows.tolist() == [0, 1, 2, 3]
    [(_, indices, rows)] = Sampler(20, 0).next_parts(4)
    assert indices.tolist() == rows.tolist()


def test_windows_are_those_of_draw_crops_and_not_of_the_order():
    drawn = Sampler(50, 7).windows(3, 10, 12, 8, True)
    for ours, theirs in zip(
        drawn, draw_crops(np.random.default_rng([7, 3, 1]), 50, 10, 12, 8, True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_drawing_in_pieces_changes_nothing(monkeypatch, size):
    crops = Crops(crop_size=8, crop_scale=(0.1, 1.0))

    def drawn():
        rng = np.random.default_rng(5)
        return [
            *draw_crops(rng, 50, 10, 300, 8, True),
            *draw_sized_windows(rng, 50, 20, 30, crops),
            rng.random(),
        ]

    whole = drawn()
    monkeypatch.setattr(rows, "_PIECE", size)
    for ours, theirs in zip(drawn(), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_order_is_the_permutation_of_the_generator():
    for count in (1, 300, 70_000):
        expected = np.random.default_rng([7, 3, 0]).permutation(count)
        np.testing.assert_array_equal(Sampler(count, 7).order(3), expected)


def test_colour_multiples_are_standard_normal_and_depend_on_the_epoch():
    sampler = Sampler(5000, 3)
    first = color_multiples(sampler, 0)
    assert first.shape == (5000, 3)
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(first.std(axis=0), 1, atol=0.05)
    for other in (color_multiples(sampler, 1), color_multiples(Sampler(5000, 4), 0)):
        assert (other != first).all()
    np.testing.assert_array_equal(color_multiples(Sampler(5000, 3), 1), color_multiples(sampler, 1))


def test_a_long_run_keeps_the_tables_of_two_epochs():
    sampler = Sampler(3, 0)
    for epoch in range(10):
        sampler.order(epoch)
        sampler.windows(epoch, 4, 4, 2, True)
        color_multiples(sampler, epoch)
    assert len(sampler._tables) == 6


def test_the_cursor_given_out_is_a_copy():
    sampler = Sampler(3, 0)
    sampler.cursor["index_in_epoch"] = 2
    assert sampler.cursor == {"epochs_completed": 0, "index_in_epoch": 0}


@pytest.mark.parametrize("batch_size", [0, -1])
def test_an_empty_batch_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; give"):
        Sampler(3, 0).next_indices(batch_size)
