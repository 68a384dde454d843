"""models/weights/maps/catalogue.py: which source a file is from."""

import pytest

from models.weights.errors import WeightsError
from models.weights.maps.catalogue import MAPS, recognise


def test_unknown_names_are_an_error_that_shows_them_and_the_known_sources():
    shapes = {"a/b": (3, 4), "c": (), "d": (5,), "e": (5,)}
    with pytest.raises(WeightsError) as raised:
        recognise(shapes)
    known = ", ".join(dict.fromkeys(weights_map.name for weights_map in MAPS))
    assert str(raised.value) == (
        f"weights of an unknown network: a/b (3, 4), c (), d (5,) and 1 more; known are: {known}"
    )


def test_a_file_without_tensors_is_an_error():
    with pytest.raises(WeightsError, match="unknown network: no tensors; known are: torchvision ResNet"):
        recognise({})
