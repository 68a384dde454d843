"""learning/checkpoints/state.py: the history of runs of this version and of earlier ones."""

from learning.checkpoints.state import TrainingState


def state(*rows):
    return TrainingState(step_losses=[1.0, 3.0], history=list(rows))


def test_an_epoch_has_the_loss_of_the_validation_set():
    new = state()
    new.end_epoch(0.5, 0.75, 0.1, 2, improved=True, eval_loss=0.6)
    assert new.history[0] == {
        "epoch": 1,
        "step": 0,
        "learning_rate": 0.1,
        "train_loss": 2.0,
        "train_score": 0.5,
        "val_score": 0.75,
        "val_loss": 0.6,
    }
    assert TrainingState.from_json(new.to_json(), "here").history == new.history


def test_without_a_validation_set_there_is_an_empty_column():
    new = state()
    new.end_epoch(0.5, None, 0.1, 2, improved=True)
    assert new.history[0]["val_loss"] is None


def test_a_run_of_an_earlier_version_keeps_its_columns():
    row = {
        "epoch": 1,
        "step": 2,
        "learning_rate": 0.1,
        "train_loss": 2.0,
        "train_score": 0.5,
        "val_score": 0.7,
    }
    old = state(row)
    old.end_epoch(0.5, 0.75, 0.1, 2, improved=True, eval_loss=0.6)
    assert old.history[1].keys() == row.keys()
