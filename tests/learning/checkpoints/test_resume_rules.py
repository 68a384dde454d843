"""Which options and data may change when a run is resumed."""

import shutil

import pytest
import tensorflow.compat.v1 as v1

from learning.checkpoints.resume_rules import differences, fixed_of
from learning.errors import CheckpointError
from learning.evaluators import ErrorRateEvaluator
from tests.conftest import TinyNet, make_set, sessions, tiny_model
from tests.support.tiny_training import train

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    with sessions() as open_session:
        train(open_session, folder, num_epochs=1)
    return folder


@pytest.fixture
def run_dir(trained, tmp_path):
    """A copy of it."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 8), ("seed", 3), ("schedule", "constant"), ("augment_train", False)],
)
def test_other_options(session, run_dir, name, value):
    with pytest.raises(CheckpointError, match=f"{name} is {value!r}, was .*resume with the same options"):
        train(session, run_dir, num_epochs=1, resume=True, **{name: value})


def test_a_run_whose_warm_up_would_change_cannot_be_extended(session, tmp_path):
    steps = {"schedule": "steps", "boundaries": (100,), "warmup_steps": 5}
    train(session, tmp_path, num_epochs=1, **steps)
    with pytest.raises(CheckpointError, match=r"warm-up \(updates\) is 1, was 0"):
        train(session, tmp_path, num_epochs=2, resume=True, **steps)


def test_a_warm_up_that_fits_both_lengths_is_not_a_difference(session, tmp_path):
    steps = {"schedule": "steps", "boundaries": (100,), "warmup_steps": 1}
    train(session, tmp_path, num_epochs=2, **steps)
    assert train(session, tmp_path, num_epochs=3, resume=True, **steps)[0].state.epoch == 3


@pytest.mark.fault(23)
def test_another_evaluator_or_validation_set_would_choose_other_weights(session, run_dir):
    with pytest.raises(CheckpointError, match="evaluator is 'ErrorRateEvaluator', was 'AccuracyEvaluator'"):
        train(session, run_dir, num_epochs=2, resume=True, evaluator=ErrorRateEvaluator())
    with pytest.raises(CheckpointError, match=r"validation images is \[8, .*validation labels is "):
        train(session, run_dir, num_epochs=2, resume=True, val_set=make_set(8))


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout_prob", 0.1),
        ("weight_decay_on", "weights"),
        ("label_smoothing", 0.1),
        ("precision", "bfloat16"),
        ("seed", 7),
    ],
)
def test_a_model_with_other_options_but_the_same_variables(session, run_dir, name, value):
    model = tiny_model(**{"dropout_prob": 0.3, name: value})
    with pytest.raises(CheckpointError, match=f"model.{name} is {value!r}, was "):
        train(session, run_dir, num_epochs=2, resume=True, model=model)


def test_options_missing_in_an_older_checkpoint_are_not_differences(session, tmp_path, monkeypatch):
    def older(*arguments, **options):
        fixed = fixed_of(*arguments, **options)
        return {key: fixed[key] for key in ("batch_size", "seed")}

    with monkeypatch.context() as patch:
        patch.setattr("learning.training.loop.fixed_of", older)
        train(session, tmp_path, num_epochs=1)
    assert train(session, tmp_path, num_epochs=2, resume=True)[0].state.epoch == 2


@pytest.mark.fault(23, 24)
def test_another_model(session, run_dir):
    class Wider(TinyNet):
        def _build_model(self, dropout_prob=0.3):
            return super()._build_model(dropout_prob, width=5)

    with v1.Graph().as_default():
        model = Wider((10, 10, 3), 2)
    with pytest.raises(CheckpointError, match=r"conv1/beta is \[4\] there, \[5\] here; .* and 7 more"):
        train(session, run_dir, resume=True, model=model)


SAVED = {"optimizer": "Momentum", "crops": {"crop_size": 24, "padding": 4, "seed": 0}}


# redraw stands for an option that the version of the saved run did not have; its default is True
@pytest.mark.parametrize(
    ("crops", "expected"),
    [
        ({"crop_size": 24, "padding": 4, "seed": 0, "redraw": True}, []),
        ({"crop_size": 24, "seed": 0}, []),
        (
            {"crop_size": 24, "padding": 2, "seed": 0},
            [
                "crops is {'crop_size': 24, 'padding': 2, 'seed': 0}, "
                "was {'crop_size': 24, 'padding': 4, 'seed': 0}"
            ],
        ),
        (
            {"crop_size": 24, "seed": 0, "redraw": False},
            [
                "crops is {'crop_size': 24, 'seed': 0, 'redraw': False}, "
                "was {'crop_size': 24, 'seed': 0, 'redraw': True}"
            ],
        ),
    ],
)
def test_options_of_crops_that_the_earlier_version_lacked_have_their_defaults(crops, expected):
    assert differences({"optimizer": "Momentum", "crops": crops}, SAVED) == expected


def test_values_that_one_version_lacks_are_no_difference():
    assert differences({"optimizer": "Adam", "warm-up (updates)": 5}, SAVED) == [
        "optimizer is 'Adam', was 'Momentum'"
    ]
