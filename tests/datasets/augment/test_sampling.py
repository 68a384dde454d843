import numpy as np
import pytest

from datasets.augment.color import color_multiples
from datasets.augment.sampling import Sampler
from datasets.augment.windows import draw_crops


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


def test_windows_are_those_of_draw_crops_and_not_of_the_order():
    drawn = Sampler(50, 7).windows(3, 10, 12, 8, True)
    for ours, theirs in zip(
        drawn, draw_crops(np.random.default_rng([7, 3, 1]), 50, 10, 12, 8, True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


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
