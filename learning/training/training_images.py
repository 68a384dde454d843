"""Draw some training images as the network sees them, and one of them in several augmented forms."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.failures import storage_reason
from learning.callbacks import Callback, Training
from models.inputs import one_hot

IMAGES_FILE, FORMS_FILE = "augmented.png", "augmented-forms.png"
NUM_IMAGES = 32
NUM_FORMS = 8

logger = logging.getLogger(__name__)


class TrainingImages(Callback):
    """Draws augmented.png, unless it exists: some images as the network sees them in the first epoch.

    Also augmented-forms.png: the centre crop of the first image, and its crops in the first eight epochs. The
    latter is not written if training does not augment images.

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
        drawings = [(images, captions, path)]
        if augment and (forms := self._forms()) is not None:
            epochs = [f"epoch {epoch + 1}" for epoch in range(NUM_FORMS)]
            drawings.append((forms, ["centre crop", *epochs], training.save_dir / FORMS_FILE))
        pool = ThreadPoolExecutor(1)
        self._drawing = pool.submit(_draw_all, drawings)
        pool.shutdown(wait=False)

    def _forms(self) -> np.ndarray | None:
        """Return the centre crop of the first image and its crops in the first epochs; None if all are the same."""
        first = [0]
        centre, _ = self._train_set.batch(first)
        crops = [
            self._train_set.batch(first, augment=True, is_train=True, epoch=epoch)[0]
            for epoch in range(NUM_FORMS)
        ]
        forms = np.concatenate([centre, *crops])  # (1 + NUM_FORMS, h, w, C)
        return None if (forms == forms[0]).all() else forms

    def on_stop(self, training: Training) -> None:
        if self._drawing is not None:
            self._drawing.result()


def _draw_all(drawings: Sequence[tuple[np.ndarray, list[str], Path]]) -> None:
    from learning.pictures.plots import draw_image_grid  # importing matplotlib takes a while

    for images, captions, path in drawings:
        try:
            draw_image_grid(images, captions, path, columns=3 if path.name == FORMS_FILE else 8)
        except OSError as error:
            logger.warning("%s cannot be written (%s)", path, storage_reason(error, path.parent))
