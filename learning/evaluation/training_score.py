"""Score the network on its own training images as on new ones, to see whether it overfits.

The scores of training itself do not show that: they come from augmented images, dropout and weights that were still
changing.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from datasets.dataset import DataSet
from datasets.storage.atomic import write_text
from learning.evaluation.evaluate import finite_score
from learning.evaluators import class_indices
from models.convnet import ConvNet

MOST_IMAGES = 5000  # for which a 95% interval is at most 1.4 percent to each side


def score_training(
    sess: Any, model: ConvNet, train_set: DataSet, *, evaluator: str, batch_size: int, at_most: int
) -> dict[str, Any]:
    """Score the centre crops of training images, taken evenly from the whole set.

    :param at_most: images; a pass over as many as are held out takes no longer than their test.
    :return: num_images and num_right of each class, and score, that of the evaluator (None if it has none for
        these images).
    """
    count = min(train_set.num_examples, at_most, MOST_IMAGES)
    some = train_set.subset(np.linspace(0, train_set.num_examples - 1, count).astype(int))
    pred = model.predict(sess, some, batch_size=batch_size, augment_pred=False)
    truth = class_indices(some.labels, model.num_classes)
    right = truth[truth == pred.argmax(axis=1)]
    by_class = [np.bincount(classes, minlength=model.num_classes).tolist() for classes in (truth, right)]
    score = finite_score(evaluator, some.labels, pred)
    return {"num_images": by_class[0], "num_right": by_class[1], "score": score}


def write_training_score(found: dict[str, Any], path: Path) -> None:
    """Write the result of `score_training` and the epoch of the weights as JSON."""
    write_text(path, json.dumps(found, indent=1))
