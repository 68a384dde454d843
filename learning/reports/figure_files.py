"""Texts on matplotlib figures, and writing a figure as a file: as a whole or not at all."""

import textwrap
import threading
import warnings
from pathlib import Path

from datasets.storage.atomic import replacing
from learning.reports.matplotlib_import import Figure, Text, fontManager

DOTS_PER_INCH = 120
_DRAWING = threading.Lock()  # fonts and the filter of warnings are the whole process's
# DejaVu, matplotlib's own font, has no Chinese, Japanese or Korean; what the system has of these comes after
FONTS = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "AppleGothic")


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: no line breaks, no unprintable letters, no formulas."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable.replace("$", r"\$")


def shortened(name: str) -> str:
    """At most 24 letters, from both ends: names often differ in the last ones alone."""
    return name if len(name) <= 24 else f"{name[:12]}…{name[-11:]}"


def wrapped(caption: str) -> str:
    """At most two lines of 25 letters, so that neighbours do not touch."""
    lines = textwrap.wrap(plain(caption), 25, max_lines=2, placeholder="…")
    return "\n".join(lines)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG to a temporary name beside `path`, then rename. A letter that no font has is a box."""
    with _DRAWING, replacing(path) as temporary:
        installed = set(fontManager.get_font_names())
        families = [name for name in FONTS if name in installed]
        for text in figure.findobj(Text):
            text.set_fontfamily(families)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
