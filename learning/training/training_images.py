"""Draw some training images as the network sees them."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.failures import storage_reason
from learning.callbacks import Callback, Training
from models.inputs import one_hot

IMAGES_FILE = "augmented.png"
NUM_IMAGES = 32

logger = logging.getLogger(__name__)


class TrainingImages(Callback):
    """Draws augmented.png, unless it exists: some images as the network sees them in the first epoch.

    A thread draws them, so that training need not wait for matplotlib, which takes more than a second to import.
    If the picture cannot be written, a warning says so and training goes on.
    """

    def __init__(self, train_set: DataSet) -> None:
        self._train_set = train_set
        self._drawing: Future[None] | None = None

    def on_start(self, training: Training) -> None:
        path = training.save_dir / IMAGES_FILE
        if path.exists():
            return
        num_examples, names = self._train_set.num_examples, self._train_set.class_names
        count = min(NUM_IMAGES, num_examples)
        indices = np.linspace(0, num_examples - 1, count).astype(int)
        augment = training.config.train.augment_train
        images, labels = self._train_set.batch(indices, augment=augment, is_train=True)
        captions = [""] * count
        if names:
            captions = [names[index] for index in np.argmax(one_hot(labels, len(names)), axis=1)]
        pool = ThreadPoolExecutor(1)
        self._drawing = pool.submit(_draw, images, captions, path)
        pool.shutdown(wait=False)

    def on_stop(self, training: Training) -> None:
        if self._drawing is not None:
            self._drawing.result()


def _draw(images: np.ndarray, captions: list[str], path: Path) -> None:
    from learning.reports.plots import draw_image_grid  # importing matplotlib takes a while

    try:
        draw_image_grid(images, captions, path)
    except OSError as error:
        logger.warning("%s cannot be written (%s)", path, storage_reason(error, path.parent))
