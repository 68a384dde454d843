import pytest

from benchmarks.harness import hardware
from benchmarks.speed import filter_gradients


@pytest.mark.bfloat16
def test_filter_gradients(quick, capsys):
    figures = quick(filter_gradients.main)
    num_precisions = 1 if hardware.emulation() else 2
    assert [row["taken"] for row in figures["rows"]] == [True] * 2 * num_precisions
    assert all(row[way] > 0 for row in figures["rows"] for way in filter_gradients.WAYS)
    assert "| 2 x 7x7x32 | 3x3, 128 channels |" in capsys.readouterr().out


def test_operations_of_a_convolution_by_hand():
    # 2 images, 4x4 pixels of output, 9 places, 3 and 5 channels: 2 * 16 * 9 * 15 multiply-adds
    shape = filter_gradients.Shape(2, 8, 3, 5, stride=2)
    assert shape.gflop() == pytest.approx(2 * 2 * 16 * 9 * 15 / 1e9)
    assert shape.texts() == ("2 x 8x8x3", "3x3, 5 channels, stride 2")
