"""Draw with matplotlib: without its notes, with texts shown literally, into files that appear as a whole."""

import logging
import textwrap
import threading
import warnings
from pathlib import Path

from datasets.storage.atomic import replacing

_notes = logging.getLogger("matplotlib")
_level = _notes.level
_notes.setLevel(logging.ERROR)  # its import warns of a home directory that it cannot write
try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text
    from matplotlib.ticker import MaxNLocator
finally:
    _notes.setLevel(_level)

__all__ = ["Axes", "Figure", "MaxNLocator", "plain", "save", "shortened", "wrapped"]

DOTS_PER_INCH = 120
_DRAWING = threading.Lock()  # the whole process shares the fonts and the filter of warnings
# DejaVu, matplotlib's own font, has no Chinese, Japanese or Korean; the system's other fonts may
FONTS = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "AppleGothic")


def plain(text: str) -> str:
    """Return text that matplotlib shows literally: no line breaks, no unprintable letters, no formulas."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable.replace("$", r"\$")


def shortened(name: str) -> str:
    """Return at most 24 letters, from both ends: names often differ only in the last letters."""
    return name if len(name) <= 24 else f"{name[:12]}…{name[-11:]}"


def wrapped(caption: str) -> str:
    """Return at most two lines of 25 letters, so that neighbours do not touch."""
    return "\n".join(textwrap.wrap(plain(caption), 25, max_lines=2, placeholder="…"))


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, as a whole or not at all. A letter that no font has is shown as a box."""
    with _DRAWING, replacing(path) as temporary:
        installed = fontManager.get_font_names()
        families = [name for name in FONTS if name in installed]
        for text in figure.findobj(Text):
            text.set_fontfamily(families)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
