"""benchmarks/speed/serving.py: the clients get answers, and the figures are those of their rates and latencies."""

import pytest

from benchmarks.speed import serving
from tests.support.served import Brightness
from tests.support.served import serving as served

LOOPS, CLIENTS = {"loop of 1", "loop of 32"}, {"1 client", "8 clients", "32 clients"}


@pytest.mark.long
def test_serving(quick):
    figures = quick(serving.main)
    assert set(figures["images_per_second"]) == LOOPS | CLIENTS
    assert set(figures["latency_ms"]) == CLIENTS
    assert serving.table(figures).count("\n") == 1 + 5


def test_each_client_asks_at_least_once():
    net = Brightness()
    with served(net) as (client, guard):
        clients = serving.Clients(client.port, 3, serving.photograph())
        count, seconds = clients(0.0)
    assert count == len(clients.latencies) == sum(net.batches) == guard.answered == 3
    assert 0 < max(clients.latencies) <= seconds


def test_an_answer_that_is_an_error_ends_the_measurement():
    with served(Brightness()) as (client, _):
        clients = serving.Clients(client.port, 1, b"no image")
        with pytest.raises(RuntimeError, match="serve.py answers 422: "):
            clients(0.0)


def test_rates_are_compared_with_the_loop_and_latencies_are_in_milliseconds():
    rates = {"loop of 1": [10.0, 20.0], "8 clients": [20.0, 60.0]}
    found = serving.summary(rates, {"8 clients": [0.01, 0.02, 0.03]})
    assert found["ratio"]["8 clients"] == {"median": 2.5, "min": 2, "max": 3}
    assert found["latency_ms"]["8 clients"] == {"median": pytest.approx(20), "p99": pytest.approx(29.8)}
    assert "| 8 clients | 40 | 2.50 (2.00 to 3.00) | 20.0 | 29.8 |" in serving.table(found)
