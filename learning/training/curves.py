"""Draw the learning curves of a run while it trains."""

import time

from learning.callbacks import Callback, Training

CURVES_FILE = "learning_curves.png"
INTERVAL = 60.0  # seconds between drawings


class LearningCurves(Callback):
    """Draws learning_curves.png at the end, and about once a minute before."""

    def on_start(self, training: Training) -> None:
        """Begin to wait for the first drawing."""
        self._last_drawing = time.perf_counter()

    def on_epoch(self, training: Training) -> None:
        """Draw if the last drawing is old, and there is a curve to draw."""
        if time.perf_counter() - self._last_drawing > INTERVAL and len(training.history) > 1:
            self._draw(training)

    def on_stop(self, training: Training) -> None:
        """Draw all epochs of a finished run."""
        if training.stopped == "finished" and training.history:
            self._draw(training)

    def _draw(self, training: Training) -> None:
        from learning.reports.plots import draw_learning_curves  # matplotlib takes a while to import

        draw_learning_curves(
            training.history, training.save_dir / CURVES_FILE, best_epoch=training.best_epoch or None
        )
        self._last_drawing = time.perf_counter()
