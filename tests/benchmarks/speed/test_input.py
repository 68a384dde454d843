from benchmarks.harness.turns import PROJECT
from benchmarks.speed import input
from tests.benchmarks.speed.conftest import left_out


def test_input(quick):
    found = quick(input.main)["next_batch"]
    assert not left_out(found)
    assert {PROJECT, "tf.data"} <= set(found["images_per_second"])
