"""learning/training/set_size.py: batch size and epochs by the size of the training set."""

import pytest

from learning.config.options import TrainConfig
from learning.config.run_config import RunConfig
from learning.training.set_size import with_set_size


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "num_epochs"),
    [(5, 5, 20), (16, 16, 20), (100, 16, 10), (255, 16, 4), (256, 32, 4), (1000, 32, 2), (10_000, 32, 2)],
)
def test_the_numbers_follow_from_the_set(num_examples, batch_size, num_epochs):
    config = RunConfig(train=TrainConfig(batch_size="auto", num_epochs="auto"))
    config, line = with_set_size(config, num_examples)
    assert (config.train.batch_size, config.train.num_epochs) == (batch_size, num_epochs)
    assert (
        line == f"auto   batch_size {batch_size}, num_epochs {num_epochs}, for {num_examples} training images"
    )


def test_a_number_that_was_given_stays():
    config = RunConfig(train=TrainConfig(batch_size="auto", num_epochs=7))
    config, line = with_set_size(config, 300)
    assert (config.train.batch_size, config.train.num_epochs) == (32, 7)
    assert "num_epochs" not in line
    assert with_set_size(config, 300) == (config, "")
