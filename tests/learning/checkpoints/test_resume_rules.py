import pytest

from learning.checkpoints.resume_rules import differences

SAVED = {"optimizer": "Momentum", "crops": {"crop_size": 24, "padding": 4, "seed": 0}}


@pytest.mark.parametrize(
    ("crops", "expected"),
    [
        ({"crop_size": 24, "padding": 4, "seed": 0, "erasing": 0.5}, []),
        ({"crop_size": 24, "seed": 0}, []),
        (
            {"seed": 0, "erasing": 0.5, "padding": 2, "crop_size": 24},
            [
                "crops is {'seed': 0, 'padding': 2, 'crop_size': 24}, "
                "was {'seed': 0, 'padding': 4, 'crop_size': 24}"
            ],
        ),
    ],
)
def test_only_the_crop_options_of_both_versions_are_compared(crops, expected):
    assert differences({"optimizer": "Momentum", "crops": crops}, SAVED) == expected


def test_values_that_one_version_lacks_are_no_difference():
    assert differences({"optimizer": "Adam", "warm-up (updates)": 5}, SAVED) == [
        "optimizer is 'Adam', was 'Momentum'"
    ]
