import pytest

from learning.checkpoints.resume_rules import differences

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
