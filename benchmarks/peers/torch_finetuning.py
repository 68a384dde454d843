"""Fine-tune EfficientNet-Lite0 in PyTorch as the project's recipe `folder` does, on the batches of its data sets.

Importing this module imports PyTorch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.torch_efficientnet import pretrained
from datasets.dataset import DataSet
from datasets.prefetch import Prefetcher
from datasets.splits import Splits
from learning.config.run_config import RunConfig
from learning.evaluation.mirroring import halves
from learning.schedules import build_schedule
from learning.transfer.linear_probe import FEWEST, FOLDS, MAX_ITERATIONS, MOST, STRENGTHS

MEAN, STD = 127 / 255, 128 / 255  # of the published weights
DROPOUT = 0.2
FROZEN = ("_conv_stem", *(f"_blocks.{number}." for number in range(5)))  # the stem and stages 1 to 3


class FineTuning:
    """A network with published weights and a new last layer; its first stages and its batch norms are frozen.

    :param splits: the images, or features in place of images if only the last layer is trained.
    """

    def __init__(self, config: RunConfig, splits: Splits) -> None:
        self._config, self._splits, self._net = config, splits, pretrained()
        for name, value in self._net.named_parameters():
            value.requires_grad_(value.ndim > 1 and not name.startswith(FROZEN))
        with torch.no_grad():  # the input is X - MEAN, as in the project, so learning rates mean the same
            self._net._conv_stem.weight /= STD
        self._net._fc = nn.Linear(1280, len(splits.class_names))

    def train(self) -> None:
        """Fit the last layer to features, then train it alone or all layers."""
        train_set, val_set, train = self._splits.train, self._splits.val, self._config.train
        features, classes = self._over(train_set, self._features), train_set.labels.argmax(axis=1)
        views = [features]
        if train.augment_train and train_set.crops.reflect and len(classes) <= MOST:
            views.append(self._over(halves(train_set)[1], self._features))
        self._fit_head(views, classes)
        layers: Any = self._net
        if self._config.model.freeze == "head-only":
            train_set, layers = train_set.with_stored(center=features), self._net._fc
            val_set = val_set and val_set.with_stored(center=self._over(val_set, self._features))
        decayed = [value for value in layers.parameters() if value.ndim > 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": self._config.model.weight_decay},
            {"params": [self._net._fc.bias]},
        ]
        momentum = self._config.optimizer.momentum
        optimizer = torch.optim.SGD(groups, lr=1.0, momentum=momentum, nesterov=True, fused=True)
        updates = train_set.num_examples // train.batch_size
        schedule = build_schedule(self._config.schedule, self._config.optimizer, train.num_epochs * updates)
        with Prefetcher(train_set, train.batch_size, augment=train.augment_train) as batches:
            for step in range(train.num_epochs * updates):
                images, labels, _ = next(batches)
                for group in optimizer.param_groups:
                    group["lr"] = schedule.learning_rate(step)
                self._update(optimizer, images, labels.argmax(axis=1))
                if (step + 1) % updates == 0 and val_set is not None:
                    self.predict(val_set)

    def _update(self, optimizer: torch.optim.Optimizer, images: np.ndarray, classes: np.ndarray) -> None:
        optimizer.zero_grad(set_to_none=True)
        logits = self._net._fc(F.dropout(self._features(torch.from_numpy(images)), DROPOUT))
        loss = F.cross_entropy(logits, torch.from_numpy(classes))
        loss.backward()
        optimizer.step()
        loss.item()

    def predict(self, dataset: DataSet) -> np.ndarray:
        """Return logits (N, K) of the centre crops."""
        return self._over(dataset, lambda images: self._net._fc(self._features(images)))

    def _features(self, images: Tensor) -> Tensor:
        """Return (N, 1280) of images (N, H, W, 3) uint8, or of stored features."""
        if images.ndim == 2:
            return images
        return self._net.features(images.permute(0, 3, 1, 2).float() / 255 - MEAN)

    @torch.inference_mode()
    def _over(self, dataset: DataSet, compute: Callable[[Tensor], Tensor]) -> np.ndarray:
        size = self._config.train.batch_size
        found = []
        for first in range(0, dataset.num_examples, size):
            images, *_ = dataset.batch(range(first, min(first + size, dataset.num_examples)))
            images = np.ascontiguousarray(images)  # PyTorch accepts no reversed arrays
            found.append(compute(torch.from_numpy(images)).numpy())
        return np.concatenate(found)

    def _fit_head(self, views: list[np.ndarray], classes: np.ndarray) -> None:
        """Fit a logistic regression to crops and mirror images, with the project's regularisation strengths."""
        is_few, rows = np.bincount(classes).min() < FEWEST, np.arange(len(classes))
        low, middle, high = STRENGTHS  # GridSearchCV takes the first of equally good ones
        search = GridSearchCV(
            LogisticRegression(max_iter=MAX_ITERATIONS),
            {"C": [middle] if is_few else [middle, low, high]},
            cv=[(rows, rows)] if is_few else StratifiedKFold(FOLDS, shuffle=True, random_state=0),
        )
        regression = search.fit(views[0], classes).best_estimator_
        regression.set_params(C=regression.C / len(views))
        regression.fit(np.concatenate(views), np.tile(classes, len(views)))
        weights, biases = regression.coef_, regression.intercept_  # (K, D), or (1, D) of two classes
        if len(biases) == 1:
            weights, biases = np.vstack([-weights / 2, weights / 2]), np.hstack([-biases / 2, biases / 2])
        with torch.no_grad():
            self._net._fc.weight.copy_(torch.from_numpy(weights))
            self._net._fc.bias.copy_(torch.from_numpy(biases))
