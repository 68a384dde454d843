"""learning/findings/summary.py: the score in proportion, and where training stands."""

from learning.config.run_config import RunConfig, ScheduleConfig, TrainConfig
from learning.findings.summary import findings
from learning.runs.files import read_run
from tests.support.pages import history, make_run, results

GOOD = [[195, 5], [4, 196]]


def said(tmp_path, **what):
    """The sentences about a run with these files."""
    return findings(read_run(make_run(tmp_path / "run", **what)))


def config(num_epochs=3, **options):
    return RunConfig(train=TrainConfig(num_epochs=num_epochs, **options))


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
            "Always answering 'cat' would be right for 0.9091 of them; if all classes count the same, the"
        )
        assert f"{expected} accuracy is 0.6250." in said(tmp_path, tested=tested)[0]

    def test_no_better_than_always_the_same_answer(self, tmp_path):
        tested = results([[30, 20], [22, 8]], ("cat", "dog"))
        assert "not clearly better than always answering 'cat' (0.6250)" in said(tmp_path, tested=tested)[0]

    def test_of_training_images(self, tmp_path):
        tested = results(GOOD, ("cat", "dog"), split="training")
        first = said(tmp_path, tested=tested, training=(400, 395))
        assert "says nothing about new ones; hold some out" in first[0]
        assert not any("overfit" in sentence for sentence in first)


class TestProgress:
    def test_of_a_run_that_was_stopped(self, tmp_path):
        rows = history(3, val_score=lambda epoch: 0.9 if epoch == 2 else 0.5)
        found = said(tmp_path, rows=rows, config=config(10), info={"num_images": {"val": 50}})
        assert found == [
            "Training is at epoch 3 of 10; train.py --resume continues it if it was stopped. The best "
            "validation accuracy is 0.9000 (95% interval 0.7864 to 0.9565) on 50 images, in epoch 2."
        ]

    def test_of_a_finished_run_without_a_test(self, tmp_path):
        assert said(tmp_path, rows=history(3), config=config())[0].startswith(
            "Training has finished after 3 epochs"
        )

    def test_of_a_run_that_stopped_early(self, tmp_path):
        stopping = RunConfig(schedule=ScheduleConfig(early_stopping_patience=1))
        rows = history(4, val_score=0.5)
        found = said(tmp_path, rows=rows, config=stopping, tested=results(GOOD, ("a", "b")))
        assert found[0].startswith("Accuracy")

    def test_without_a_validation_set(self, tmp_path):
        rows = history(2, val_score=None, val_loss=None)
        assert "of an epoch's last minibatch was 0.9000, in epoch 1." in said(tmp_path, rows=rows)[0]
