"""What the project takes of matplotlib, imported without its notes about a home that it cannot write."""

import logging

_notes = logging.getLogger("matplotlib")
_level = _notes.level
_notes.setLevel(logging.ERROR)
try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text
    from matplotlib.ticker import MaxNLocator
finally:
    _notes.setLevel(_level)

__all__ = ["Axes", "Figure", "MaxNLocator", "Text", "fontManager"]
