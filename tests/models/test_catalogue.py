"""The table of models."""

import pytest

from models import nn
from models.catalogue import MODELS, dotted_path, model_class


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_a_class_that_nn_exports(name):
    found = model_class(name)
    assert getattr(nn, found.__name__) is found
    assert found.__name__ in nn.__all__
    assert dotted_path(name) == MODELS[name].path == f"{found.__module__}.{found.__name__}"
