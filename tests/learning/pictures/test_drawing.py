"""learning/pictures/drawing.py: figures are written completely or not at all, and show texts literally."""

import stat

import pytest
from matplotlib.figure import Figure
from PIL import Image

from learning.pictures.drawing import plain, save, shortened, wrapped


class TestWriting:
    def draw(self, path):
        figure = Figure(figsize=(1, 1))
        figure.suptitle("a title")
        save(figure, path)

    def test_a_failed_drawing_leaves_the_old_picture(self, monkeypatch, tmp_path):
        path = tmp_path / "grid.png"
        path.write_bytes(b"the old one")

        def fail(figure, temporary, **kwargs):
            temporary.write_bytes(b"half a pict")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Figure, "savefig", fail)
        with pytest.raises(OSError, match="No space left"):
            self.draw(path)
        assert path.read_bytes() == b"the old one"
        assert [entry.name for entry in tmp_path.iterdir()] == ["grid.png"]

    def test_a_drawing_replaces_the_old_picture(self, tmp_path):
        path = tmp_path / "grid.png"
        path.write_bytes(b"the old one")
        self.draw(path)
        with Image.open(path) as picture:
            assert picture.format == "PNG"
        assert [entry.name for entry in tmp_path.iterdir()] == ["grid.png"]

    def test_others_can_read_it(self, tmp_path):
        (tmp_path / "plain").touch()
        self.draw(tmp_path / "grid.png")
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "grid.png")]
        assert modes[0] == modes[1]

    def test_same_input_same_bytes(self, tmp_path):
        for name in ("a.png", "b.png"):
            self.draw(tmp_path / name)
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("function", "text", "result"),
    [
        (plain, "a\nb $x$", r"a?b \$x\$"),
        (shortened, "x" * 24, "x" * 24),
        (shortened, "a" * 20 + "b" * 20, "aaaaaaaaaaaa…bbbbbbbbbbb"),
        (wrapped, "one two three four five six", "one two three four five\nsix"),
        (wrapped, "word " * 30, "word word word word word\nword word word word word…"),
    ],
)
def test_texts(function, text, result):
    assert function(text) == result
