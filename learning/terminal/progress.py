"""Show progress on a terminal."""

from collections.abc import Iterable, Sequence

from rich.progress import track

from learning.terminal.output import is_watched


def show_progress(chunks: Sequence[int], task: str = "predicting") -> Iterable[int]:
    """Show a progress bar over the chunks of a prediction if standard output is a terminal."""
    return track(chunks, task, transient=True, disable=not is_watched())
