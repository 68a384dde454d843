"""learning/evaluation/run_test.py: what a test of a run writes, and by which crops it is tested."""

import json

import pytest

from datasets.splits import Splits
from learning.config.run_config import RunConfig
from learning.evaluation.run_test import RunTest
from learning.reports.scores import score_lines
from tests.support.by_brightness import LEVELS, build, eight_images


def test_predictions_that_are_not_numbers_are_reported(session, tmp_path):
    sess, model = build(session, sharpness=float("nan"))
    splits = Splits(eight_images(), None, eight_images(), tuple("abcd"), "")
    results, names = RunTest(sess, model, RunConfig(), 1).on_held_out(splits, tmp_path)
    assert (results["calibration"]["ece"], results["errors"]) == (None, [])
    assert all((tmp_path / name).is_file() for name in names)
    assert json.loads((tmp_path / "test.json").read_text()) == results
    assert score_lines(results)[0] == "8 test images, weights of epoch 1"


@pytest.mark.parametrize("repeats", [1, 10])
def test_a_test_of_what_was_held_out_fits_the_temperature_on_the_validation_set(net, tmp_path, repeats):
    test = eight_images(file_names=map(str, LEVELS))
    splits = Splits(eight_images(), eight_images(repeats), test, tuple("abcd"), "")
    results, names = RunTest(*net, RunConfig(), 7).on_held_out(splits, tmp_path)
    written = json.loads((tmp_path / "calibration.json").read_text())
    assert (written["epoch"], results["epoch"], results["split"]) == (7, 7, "test")
    assert written["temperature"] == results["calibration"]["temperature"]
    if repeats == 1:
        assert written["reason"] == "the validation set has 8 images, and 50 are needed"
        assert written["reason"] in score_lines(results)[3]
    else:  # two of eight are wrong, of which the network is nearly certain
        assert 3 < written["temperature"] < 12
        assert written["nll_calibrated"] < written["nll"]
        assert results["calibration"]["ece_calibrated"] < results["calibration"]["ece"]
    assert [entry["predicted"] for entry in results["errors"]] == ["2", "0"]
    expected = {"test.json", "test-confusion.png", "test-predictions.csv", "test-errors", "calibration.json"}
    assert set(names) == {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    ("config", "asked", "crops"),
    [
        ({}, None, [1, 10]),
        ({"test_crops": "one"}, None, [1]),
        ({"test_crops": "one"}, True, [1, 10]),
        ({}, False, [1]),
    ],
)
def test_a_run_is_tested_by_the_crops_of_its_configuration_unless_others_are_asked_for(
    net, tmp_path, config, asked, crops
):
    splits = Splits(eight_images(), None, eight_images(), tuple("abcd"), "")
    config = RunConfig.from_dict({"train": config})
    test = RunTest(*net, config, 7, all_crops=asked, label_issues=True)
    results, _ = test.on_held_out(splits, tmp_path)
    assert [entry["crops"] for entry in results["scores"]] == crops
    assert [issue["file"] for issue in results["label_issues"]] == ["6", "2"]
    table = (tmp_path / "test-label-issues.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in table[1:]] == [["6", "0", "2"], ["2", "1", "0"]]
