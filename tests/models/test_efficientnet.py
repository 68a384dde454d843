"""models/efficientnet.py against the published networks."""

import pytest

from models.efficientnet import scaled
from models.nn import EfficientNetLite
from tests.conftest import tf, whole_net


@pytest.mark.parametrize(
    ("name", "count"),
    [("efficientnet-lite0", 4_652_008), ("efficientnet-lite1", 5_416_680), ("efficientnet-lite2", 6_092_072)],
)
def test_has_the_published_number_of_parameters(name, count):
    model = whole_net(name)
    assert model.num_parameters == count
    assert model.d["features"].shape.as_list() == [None, 1280]


def test_sizes_at_224_pixels():
    d = whole_net("efficientnet-lite0").d
    shapes = {key: tuple(d[key].shape[1:]) for key in ("stem", "stage1/block1", "stage7/block1", "head")}
    assert shapes == {
        "stem": (112, 112, 32),
        "stage1/block1": (112, 112, 16),
        "stage7/block1": (7, 7, 320),
        "head": (7, 7, 1280),
    }
    blocks = [sum(key.startswith(f"stage{stage}/") for key in d) for stage in range(1, 8)]
    assert blocks == [1, 2, 2, 3, 3, 4, 1]


@pytest.mark.parametrize(
    ("width", "factor", "expected"),
    [(16, 1.0, 16), (16, 1.1, 16), (24, 1.1, 24), (40, 1.1, 48), (112, 1.1, 120), (320, 1.1, 352),
     (24, 0.5, 16), (16, 0.1, 8)],
)  # fmt: skip
def test_widths_are_multiples_of_8_and_not_much_smaller(width, factor, expected):
    assert scaled(width, factor) == expected


@pytest.mark.parametrize("option", ["width", "depth"])
@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
def test_a_factor_that_is_not_positive_is_refused(option, value):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=f"{option} is .*a positive number"):
        EfficientNetLite((8, 8, 3), 2, **{option: value})


@pytest.mark.parametrize(("option", "value"), [("batch_norm_momentum", 1.0), ("batch_norm_epsilon", 0.0)])
def test_impossible_options_of_the_norms_are_refused(option, value):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=f"{option} is {value}; it must be"):
        EfficientNetLite((8, 8, 3), 2, **{option: value})
