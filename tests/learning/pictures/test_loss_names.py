"""learning/pictures/loss_names.py: a legend says what a loss consists of."""

import pytest

from learning.config.run_config import ModelConfig, RunConfig, TrainConfig
from learning.pictures.loss_names import training_loss_name


@pytest.mark.parametrize(
    ("model", "train", "name"),
    [
        ({"weight_decay": 0.0}, {}, "training, cross-entropy"),
        ({"weight_decay": 0.1}, {}, "training, cross-entropy + weight decay"),
        (
            {"weight_decay": 0.1, "label_smoothing": 0.1},
            {"class_weights": "balanced"},
            "training, cross-entropy + weight decay + label smoothing + class weights",
        ),
    ],
)
def test_the_loss_of_training_is_named_by_its_parts(model, train, name):
    assert training_loss_name(RunConfig(model=ModelConfig(**model), train=TrainConfig(**train))) == name
