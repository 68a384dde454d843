import io
from types import SimpleNamespace

import numpy as np
import pytest

from datasets.cache import build


@pytest.mark.parametrize("num_images", [1, 99999, 10**9])
def test_the_header_is_one_that_numpy_reads(num_images):
    header = build._npy_header(num_images, (256, 192, 3))
    assert len(header) == 128
    file = io.BytesIO(header)
    assert np.lib.format.read_magic(file) == (1, 0)
    assert np.lib.format.read_array_header_1_0(file) == ((num_images, 256, 192, 3), False, np.dtype("u1"))
    assert file.tell() == 128


def test_the_bar_appears_only_on_a_terminal_and_after_a_while(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(build, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with build.DecodeBar(10) as bar:
        now[0] += 1000
        bar.advance(5)
        assert bar._bar is None
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with build.DecodeBar(10) as bar:
        bar.advance(4)
        now[0] += 0.99 * build._BAR_AFTER
        bar.advance(1)
        assert bar._bar is None
        now[0] += 0.02 * build._BAR_AFTER
        bar.advance(3)
        assert bar._bar.tasks[0].completed == 8
