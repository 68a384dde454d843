"""learning/findings/advice.py: suggestions follow from figures, and there are none without."""

import pytest

from learning.config.run_config import DataConfig, ModelConfig, RunConfig, TrainConfig
from learning.findings.advice import advice
from learning.runs.files import read_run
from tests.support.pages import history, make_run, results

GOOD = [[1950, 50], [40, 1960]]
POOR = [[1550, 450], [450, 1550]]


def advised(tmp_path, **what):
    return advice(read_run(make_run(tmp_path / "run", **what)))


def test_a_good_run_needs_nothing(tmp_path):
    assert advised(tmp_path, tested=results(GOOD, "ab"), training=(4000, 3930)) == []


def test_a_run_without_a_test(tmp_path):
    assert advised(tmp_path, rows=history(3)) == []


def test_against_overfitting(tmp_path):
    config = RunConfig(model=ModelConfig(weight_decay=0.0), train=TrainConfig(augment_train=False))
    info = {"num_images": {"train": 100}}
    found = advised(
        tmp_path, names="ab", tested=results(POOR, "ab"), training=(100, 100), config=config, info=info
    )
    starts = (
        "Augmentation",
        "More training images: there are 50",
        "Fine-tuning",
        "More weight decay",
        "Stronger",
    )
    assert [text.startswith(start) for text, start in zip(found, starts, strict=True)] == [True] * 5


def test_digits_are_not_fine_tuned(tmp_path):
    config = RunConfig(data=DataConfig(name="digits", channels=1))
    info = {"num_images": {"train": 100}}
    found = advised(
        tmp_path, names="ab", tested=results(POOR, "ab"), training=(100, 100), config=config, info=info
    )
    assert found == ["More training images: there are 50 per class on average."]


def test_against_underfitting(tmp_path):
    rows = history(12, val_score=lambda epoch: 0.5 + 0.02 * epoch)
    info = {"num_images": {"train": 5000, "val": 1000}}
    config = RunConfig(train=TrainConfig(num_epochs=12), model=ModelConfig(weight_decay=0.01))
    tested = results(POOR, "ab", epoch=12)
    found = advised(
        tmp_path, names="ab", tested=tested, training=(4000, 3100), rows=rows, info=info, config=config
    )
    starts = (
        "More epochs: the score was still improving after 12",
        "Larger images",
        "Less weight decay",
        "Fine",
    )
    assert [text.startswith(start) for text, start in zip(found, starts, strict=True)] == [True] * 4


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_a_small_class(tmp_path, weights):
    info = {"class_counts": {"train": [1000, 100]}, "num_images": {"train": 1100}}
    config = RunConfig(train=TrainConfig(class_weights=weights))
    matrix = [[990, 10], [60, 40]]
    found = advised(tmp_path, names="ab", tested=results(matrix, "ab"), info=info, config=config)
    assert found[-1] == (
        "More training images of the weak classes: there are 100 of 'b', and 550 per class on average."
    )
    assert [text.startswith("Equal weight for small classes") for text in found[:-1]] == [True] * (
        weights == "none"
    )


def test_a_weak_class_that_is_not_small(tmp_path):
    info = {"class_counts": {"train": [1000, 1000]}}
    found = advised(tmp_path, names="ab", tested=results([[990, 10], [300, 700]], "ab"), info=info)
    assert found == ["More training images of 'b'."]


def test_mirrored_images(tmp_path):
    mirroring = {"plain": 0.95, "mirrored": 0.7, "z": 12.0}
    found = advised(tmp_path, tested=results(GOOD, "ab", mirroring=mirroring))
    assert found[0].startswith(
        "No mirror images, --data.reflect false: mirrored crops have an accuracy of 0.7000"
    )


def test_probabilities_that_are_off(tmp_path):
    calibration = {"ece": 0.2, "bins": [], "temperature": None}
    tested = results(GOOD, "ab", calibration=calibration)
    found = advised(tmp_path, tested=tested, info={"num_images": {"val": 50}})
    assert found == ["A fitted temperature: probabilities are off by 0.2000 on average."]


def test_a_temperature_is_not_suggested_if_none_can_be_fitted(tmp_path):
    calibration = {"ece": 0.2, "bins": [], "temperature": None}
    tested = results(GOOD, "ab", calibration=calibration)
    assert advised(tmp_path, tested=tested, info={"num_images": {"val": 49}}) == []


def test_a_small_test(tmp_path):
    found = advised(tmp_path, tested=results([[9, 1], [2, 8]], "ab"))
    assert found == ["More test images: 20 only show that the accuracy is between 0.64 and 0.95."]
