import pytest

from tests.support.served import Brightness, serving


@pytest.fixture
def net():
    return Brightness()


@pytest.fixture
def client(net):
    with serving(net) as (client, _):
        yield client
