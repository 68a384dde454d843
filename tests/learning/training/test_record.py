from learning.training.record import CURVES_FILE
from tests.support.tiny_training import train


def test_a_finished_run_has_its_curves(session, tmp_path):
    train(session, tmp_path)
    assert (tmp_path / CURVES_FILE).stat().st_size > 1000
