"""benchmarks/cluster/simulation.py, by hand calculation."""

import pytest

from benchmarks.cluster.simulation import Bucket, Network, Parts, efficiency, step_seconds

PARTS = Parts(compute=10.0, buckets=(Bucket(9.0, 400), Bucket(5.0, 800)), handling=0.0)
FAST = Network(bandwidth=1e12, latency=0.0)


def test_one_worker_sends_nothing():
    assert step_seconds(PARTS, 1, Network(1.0, 100.0)) == 10.0
    assert efficiency(PARTS, 1, Network(1.0, 100.0)) == 1.0


def test_a_bucket_that_travels_during_the_backward_pass_costs_nothing():
    # Each of two workers sends a whole bucket: 800 bytes from 5 s to 7 s, 400 from 9 s to 10 s; updates of 1 s.
    assert step_seconds(PARTS, 2, Network(400.0, 0.0)) == pytest.approx(11.0)


def test_a_bucket_waits_for_the_one_before_it():
    # 800 bytes from 5 s to 13 s, 400 bytes until 17 s, updates until 18 s.
    assert step_seconds(PARTS, 2, Network(100.0, 0.0)) == pytest.approx(18.0)
    assert efficiency(PARTS, 2, Network(100.0, 0.0)) == pytest.approx(10 / 18)


def test_a_ring_of_four_sends_half_as_much_again_in_six_rounds():
    # 1,200 bytes from 5 s to 17 s, 600 bytes until 23 s, 6 x 0.5 s of latency, updates of 1 s.
    assert step_seconds(PARTS, 4, Network(100.0, 0.5)) == pytest.approx(27.0)


def test_the_processor_computes_nothing_while_it_handles_what_is_sent():
    # 8 s for the first bucket, so that the second is ready at 17 s; 4 s for that, and updates of 1 s.
    assert step_seconds(PARTS._replace(handling=0.01), 2, FAST) == pytest.approx(22.0)
