"""Where several workers are said to be faster than one process."""

import pytest
import tensorflow as tf

from learning.distributed import advice
from models.nn import AlexNet, ResNet20


def built(kind, side, **options):
    with tf.Graph().as_default():
        return kind((side, side, 3), 10, **options)


@pytest.fixture(autouse=True)
def on_two_cores_without_a_gpu(monkeypatch):
    monkeypatch.setattr(advice, "usable_cores", lambda: 2)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])


def test_small_convolutions_on_two_cores_are_faster_by_two_workers(monkeypatch):
    net = built(ResNet20, 32)
    assert "learning.launch --workers 2 train.py" in advice.workers_advice(net, 128)
    assert advice.workers_advice(net, 16) == ""  # 0.65e9 multiply-adds
    monkeypatch.setattr(advice, "usable_cores", lambda: 1)
    assert advice.workers_advice(net, 128) == ""


@pytest.mark.parametrize(
    ("kind", "side", "options"),
    [(AlexNet, 67, {}), (ResNet20, 224, {}), (ResNet20, 32, {"freeze": "stage1"})],
)
def test_nothing_is_said_of_what_was_not_found_faster(kind, side, options):
    assert advice.workers_advice(built(kind, side, **options), 128) == ""


@pytest.mark.bfloat16
def test_nothing_is_said_of_bfloat16():
    assert advice.workers_advice(built(ResNet20, 32, precision="bfloat16"), 128) == ""
