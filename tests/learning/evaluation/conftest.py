"""A network whose predictions are known."""

import pytest

from tests.support import by_brightness


@pytest.fixture
def net(session):
    """A session, and a network that tells images apart by their brightness."""
    return by_brightness.build(session)
