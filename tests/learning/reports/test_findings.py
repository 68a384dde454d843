"""learning/reports/findings.py: what is said of made figures, and that nothing is said of chance."""

import math

import numpy as np
import pytest

from learning.config.run_config import RunConfig, ScheduleConfig, TrainConfig
from learning.reports import findings
from learning.reports.run_files import read_run
from tests.support.pages import history, make_run, results

GOOD = [[195, 5], [4, 196]]


def said(tmp_path, **what):
    """The sentences about a run with these files."""
    return findings.findings(read_run(make_run(tmp_path / "run", **what)))


def config(num_epochs=3, **options):
    return RunConfig(train=TrainConfig(num_epochs=num_epochs, **options))


def test_wilson_by_its_formula():
    right, total, z = 17, 20, 1.959963984540054
    share, room = right / total, z * z / total
    middle = (share + room / 2) / (1 + room)
    side = z * math.sqrt(share * (1 - share) / total + room / (4 * total)) / (1 + room)
    found = findings.interval(right, total)
    assert (found.low, found.high) == pytest.approx((middle - side, middle + side))
    assert findings.interval(20, 20).high == 1.0  # and not beyond


class TestScore:
    def test_with_its_interval(self, tmp_path):
        first = said(tmp_path, tested=results(GOOD, ("cat", "dog")), rows=history(3), config=config())[0]
        assert first == (
            "Accuracy 0.9775 (95% interval 0.9578 to 0.9881) on 400 test images: 391 right, by the centre crop of "
            "each image and the weights of epoch 2."
        )

    def test_of_an_evaluator_of_its_own(self, tmp_path):
        tested = results(GOOD, ("cat", "dog"))
        tested["scores"][0]["macro_f1"] = 0.5
        assert (
            "The macro_f1 is 0.5000." in said(tmp_path, tested=tested, config=config(evaluator="macro_f1"))[0]
        )

    def test_beside_always_the_same_answer(self, tmp_path):
        tested = results([[200, 0], [15, 5]], ("cat", "dog"))
        # (1 + 0.25) / 2; 200 of 220
        expected = (
            "Always answering 'cat' would be right for 0.9091 of them; if every class counts the same, the"
        )
        assert f"{expected} accuracy is 0.6250." in said(tmp_path, tested=tested)[0]

    def test_no_better_than_always_the_same_answer(self, tmp_path):
        tested = results([[30, 20], [22, 8]], ("cat", "dog"))
        assert "not clearly better than always answering 'cat': 0.6250" in said(tmp_path, tested=tested)[0]

    def test_of_training_images(self, tmp_path):
        tested = results(GOOD, ("cat", "dog"), split="training")
        first = said(tmp_path, tested=tested, training=(400, 395))
        assert "says nothing about new ones; hold some out" in first[0]
        assert not any("overfit" in sentence for sentence in first)


class TestWeakClasses:
    def test_one_is_named_with_what_it_is_taken_for(self, tmp_path):
        matrix = [[95, 5, 0], [2, 98, 0], [8, 3, 9]]
        found = findings.weak_classes(
            read_run(make_run(tmp_path / "run", names="abc", tested=results(matrix, "abc"))).tested
        )
        assert [(weak.name, weak.recall.right, weak.taken_for, weak.times) for weak in found] == [
            ("c", 9, "a", 8)
        ]
        assert (
            "Weakest class: 'c', 9 of 20 recognised (recall 0.4500 (95% interval"
            in said(tmp_path / "b", names="abc", tested=results(matrix, "abc"))[1]
        )

    def test_a_class_that_is_the_worst_by_chance_is_not_named(self, tmp_path):
        # 17 of 20 beside 57 of 60: p = 0.15 (Fisher)
        matrix = np.diag([17, 19, 19, 19])
        matrix[:, 0] += [3, 1, 1, 1]
        matrix[0] = [17, 3, 0, 0]
        sentence = said(tmp_path, names="abcd", tested=results(matrix, "abcd"))[1]
        assert sentence == "No class is recognised less often than the others beyond chance."

    def test_many_classes_of_pure_chance(self, tmp_path):
        """Of 200 classes whose true recall is 0.9, none may be called weak, or hardly one."""
        right = np.random.default_rng(0).binomial(30, 0.9, 200)
        matrix = np.diag(right)
        matrix[np.arange(200), (np.arange(200) + 1) % 200] = 30 - right
        names = [f"c{k}" for k in range(200)]
        assert (
            findings.weak_classes(
                read_run(make_run(tmp_path / "r", names=names, tested=results(matrix, names))).tested
            )
            == []
        )

    def test_too_few_images(self, tmp_path):
        sentence = said(tmp_path, tested=results([[3, 1], [0, 4]], ("cat", "dog")))[1]
        assert sentence == "With 4 images of a class on average, weak classes cannot be told from chance."

    def test_no_error_at_all(self, tmp_path):
        assert (
            said(tmp_path, tested=results([[50, 0], [0, 50]], ("a", "b")))[1]
            == "Every one of them is recognised."
        )


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
        assert findings.fit_of(files).kind == kind

    def test_the_sentence_has_both_figures(self, tmp_path):
        tested = results([[150, 50], [40, 160]], ("a", "b"))
        assert said(tmp_path, tested=tested, training=(400, 398))[2] == (
            "It overfits: 0.9950 of 400 training images and 0.7750 of 400 test images are recognised, both by the "
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
        assert "part of it is that the test images are harder, or come from elsewhere" in sentence

    def test_of_other_weights(self, tmp_path):
        path = make_run(tmp_path / "run", tested=results(GOOD, ("a", "b")), training=(400, 398))
        text = (path / "test.json").read_text().replace('"epoch": 2', '"epoch": 3')
        (path / "test.json").write_text(text)
        assert findings.fit_of(read_run(path)) is None


class TestCurves:
    def test_a_rising_validation_loss(self, tmp_path):
        rows = history(
            20, train_loss=lambda epoch: 1 / epoch, val_loss=lambda epoch: 0.3 + 0.01 * abs(epoch - 6)
        )
        assert said(tmp_path, rows=rows)[1] == (
            "The validation loss was lowest in epoch 6 (0.3000) and has risen to 0.4300 since, while the training "
            "loss went on falling: the later epochs made it surer of its errors."
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


class TestProgress:
    def test_of_a_run_that_was_stopped(self, tmp_path):
        rows = history(3, val_score=lambda epoch: 0.9 if epoch == 2 else 0.5)
        found = said(tmp_path, rows=rows, config=config(10), info={"num_images": {"val": 50}})
        assert found == [
            "Training stands at epoch 3 of 10; train.py --resume continues it if it was stopped. The best "
            "validation accuracy is 0.9000 (95% interval 0.7864 to 0.9565) on 50 images, in epoch 2."
        ]

    def test_of_a_finished_run_without_a_test(self, tmp_path):
        assert said(tmp_path, rows=history(3), config=config())[0].startswith(
            "Training is finished after 3 epochs"
        )

    def test_of_a_run_that_stopped_early(self, tmp_path):
        stopping = RunConfig(schedule=ScheduleConfig(early_stopping_patience=1))
        rows = history(4, val_score=0.5)
        found = said(tmp_path, rows=rows, config=stopping, tested=results(GOOD, ("a", "b")))
        assert found[0].startswith("Accuracy")

    def test_without_a_validation_set(self, tmp_path):
        rows = history(2, val_score=None, val_loss=None)
        assert "of an epoch's last minibatch was 0.9000, in epoch 1." in said(tmp_path, rows=rows)[0]
