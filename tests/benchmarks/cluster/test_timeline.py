"""benchmarks/cluster/timeline.py, with made traces."""

from types import SimpleNamespace

import pytest

from benchmarks.cluster.simulation import Bucket
from benchmarks.cluster.timeline import covered, timeline

START = 1_700_000_000_000_000  # microseconds


def node(label, start, end, *sides):
    shape = SimpleNamespace(dim=[SimpleNamespace(size=side) for side in sides])
    return SimpleNamespace(
        timeline_label=label,
        all_start_micros=START + start,
        all_end_rel_micros=end - start,
        output=[SimpleNamespace(tensor_description=SimpleNamespace(shape=shape))],
    )


def test_a_worker_waits_while_a_sum_is_under_way_and_nothing_is_computed():
    nodes = [
        node("a = Conv2D(x, w)", 0, 400),
        node(
            "b/sum = CollectiveReduceV2(b, c)", 300, 800, 10, 20
        ),  # waited for from 400 to 500 and 600 to 800
        node("c = MatMul(x, w)", 500, 600),
        node("[800B] from /job:worker", 0, 800),  # a transfer, of no operation
        node("d = AssignAdd(x, y)", 900, 1000),  # from 800 to 900 nobody knows
    ]
    found = timeline(SimpleNamespace(dev_stats=[SimpleNamespace(node_stats=nodes)]))
    assert found.seconds == pytest.approx(1000e-6)
    assert found.waiting == pytest.approx(300e-6)
    assert found.buckets == (Bucket(pytest.approx(300e-6), 800),)


def test_the_union_of_intervals_counts_overlaps_once():
    assert covered([(5, 6), (0, 2), (1, 3), (1.5, 2)]) == 4
    assert covered([]) == 0
