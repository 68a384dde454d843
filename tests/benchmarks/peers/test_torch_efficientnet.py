"""benchmarks/peers/torch_efficientnet.py; its logits are compared in tests/models/weights/maps."""

import pytest


def test_padding_is_that_of_tensorflow(one_torch_thread):
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_efficientnet import SameConv

    conv = SameConv(1, 1, 3, 2)
    torch.nn.init.ones_(conv.weight)
    out = conv(torch.ones(1, 1, 4, 4))  # a row of zeros below and on the right
    assert out[0, 0].tolist() == [[9.0, 6.0], [6.0, 4.0]]
