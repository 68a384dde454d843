"""learning/findings/fitting.py: over- and underfitting, and what curves show."""

import pytest

from learning.config.run_config import RunConfig, TrainConfig
from learning.findings.fitting import fit_of
from learning.findings.summary import findings
from learning.runs.files import read_run
from tests.support.pages import history, make_run, results

GOOD = [[195, 5], [4, 196]]


def said(tmp_path, **what):
    """The sentences about a run with these files."""
    return findings(read_run(make_run(tmp_path / "run", **what)))


def config(num_epochs=3, **options):
    return RunConfig(train=TrainConfig(num_epochs=num_epochs, **options))


class TestFit:
    @pytest.mark.parametrize(
        ("matrix", "training", "kind"),
        [
            (GOOD, (400, 396), "fits"),  # 0.99 and 0.9775
            ([[150, 50], [40, 160]], (400, 398), "overfits"),  # 0.995 and 0.775
            ([[150, 50], [40, 160]], (400, 312), "underfits"),  # 0.78 and 0.775
            ([[150, 50], [40, 160]], (400, 350), "overfits"),  # 0.875 and 0.775
            ([[17, 3], [4, 16]], (40, 38), "unknown"),  # 0.95 and 0.825: may be chance
        ],
    )
    def test_kinds(self, tmp_path, matrix, training, kind):
        files = read_run(make_run(tmp_path / "run", tested=results(matrix, ("a", "b")), training=training))
        assert fit_of(files).kind == kind

    def test_the_sentence_has_both_figures(self, tmp_path):
        tested = results([[150, 50], [40, 160]], ("a", "b"))
        assert said(tmp_path, tested=tested, training=(400, 398))[2] == (
            "It overfits: it recognises 0.9950 of 400 training images and 0.7750 of 400 test images, both by the "
            "centre crop."
        )

    def test_a_class_that_was_not_learned(self, tmp_path):
        """The network always gives the answer that is right for ten of eleven images."""
        tested = results([[200, 0], [20, 0]], ("cat", "dog"))
        assert said(tmp_path, tested=tested, training=([200, 20], [200, 0]))[2] == (
            "It has not learned every class: of its own training images it recognises only 0 of 20 of 'dog'."
        )

    def test_harder_test_images(self, tmp_path):
        tested = results([[150, 50], [40, 160]], ("a", "b"))
        info = {"num_images": {"val": 500}}
        rows = history(3, val_score=0.96)
        sentence = said(tmp_path, tested=tested, training=(400, 398), rows=rows, info=info, config=config())[
            2
        ]
        assert "part of the gap is that the test images are harder, or come from elsewhere" in sentence

    def test_of_other_weights(self, tmp_path):
        path = make_run(tmp_path / "run", tested=results(GOOD, ("a", "b")), training=(400, 398))
        text = (path / "test.json").read_text().replace('"epoch": 2', '"epoch": 3')
        (path / "test.json").write_text(text)
        assert fit_of(read_run(path)) is None


class TestCurves:
    def test_a_rising_validation_loss(self, tmp_path):
        rows = history(
            20, train_loss=lambda epoch: 1 / epoch, val_loss=lambda epoch: 0.3 + 0.01 * abs(epoch - 6)
        )
        assert said(tmp_path, rows=rows)[1] == (
            "The validation loss was lowest in epoch 6 (0.3000) and has risen to 0.4300 since, while the training "
            "loss went on falling: the later epochs made it more confident in its errors."
        )

    @pytest.mark.parametrize("lowest", [1, 19, 20])
    def test_one_that_has_not_risen_for_long(self, tmp_path, lowest):
        rows = history(20, train_loss=0.5, val_loss=lambda epoch: 0.3 + 0.02 * abs(epoch - lowest))
        assert len(said(tmp_path, rows=rows)) == 1

    def test_a_score_that_was_still_rising(self, tmp_path):
        info = {"num_images": {"val": 1000}}
        rows = history(20, val_score=lambda epoch: 0.5 + 0.02 * epoch)
        assert said(tmp_path, rows=rows, info=info)[1] == (
            "The validation accuracy was still improving at the end: 0.7600 in the third quarter of the epochs, "
            "0.8600 in the last."
        )

    def test_one_that_rises_by_less_than_its_noise(self, tmp_path):
        info = {"num_images": {"val": 100}}
        rows = history(20, val_score=lambda epoch: 0.8 + 0.002 * epoch)
        assert len(said(tmp_path, rows=rows, info=info)) == 1
