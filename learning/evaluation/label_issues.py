"""Find images whose labels may be wrong, because a network that was not trained on them disagrees.

The images are ranked as in confident learning (Northcutt, Jiang & Chuang 2021, section 3.2), by the margin between
the probability of the label and that of the best other class. cleanlab's ranking is no better: on digits with 5%
wrong labels, both find the same share of them at the top. It would add pandas for a sort.
"""

from typing import Any

import numpy as np

from learning.evaluation.predicted_images import PredictedImages

MOST_LISTED = 16  # in the results; the table holds all


def suspected_labels(images: PredictedImages) -> list[dict[str, Any]]:
    """Return the images whose predicted class differs from their label, the most suspicious first.

    Images whose probabilities are not numbers are left out.

    :param images: images that the network was not trained on.
    :return: file, label, suggested (the predicted class), its probability, label_probability, and margin, the
        difference of the two, largest first.
    """
    probabilities, rows = images.probabilities, np.arange(len(images.truth))
    predicted = images.predicted
    of_label, of_best = probabilities[rows, images.truth], probabilities.max(axis=1)
    margins = of_best - of_label  # (N,), 0 if the label is predicted
    wrong = np.flatnonzero(margins > 0)  # false for NaN
    return [
        {
            "file": images.files[row],
            "label": images.class_names[images.truth[row]],
            "suggested": images.class_names[predicted[row]],
            "probability": float(of_best[row]),
            "label_probability": float(of_label[row]),
            "margin": float(margins[row]),
        }
        for row in wrong[np.argsort(-margins[wrong], kind="stable")]
    ]
