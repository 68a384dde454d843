"""Choose batch size and number of epochs by the size of the training set, for fine-tuning."""

import dataclasses
from typing import Any

from datasets.options.fields import AUTO
from learning.config.run_config import RunConfig

SMALL_BATCH, LARGE_BATCH = 16, 32
FEWEST_UPDATES = 8  # of an epoch with large batches
IMAGES = 1000  # that fine-tuning sees of a small set; more changes little
FEWEST_EPOCHS, MOST_EPOCHS = 2, 20


def auto_batch_size(num_examples: int) -> int:
    """Return 32 if that makes 8 updates of an epoch, else 16, but not more than there are images."""
    size = LARGE_BATCH if num_examples >= FEWEST_UPDATES * LARGE_BATCH else SMALL_BATCH
    return min(size, num_examples)


def auto_num_epochs(num_examples: int) -> int:
    """Return the number of epochs in which fine-tuning sees about 1,000 images: 2 to 20."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(IMAGES / num_examples)))


def with_set_size(config: RunConfig, num_examples: int) -> tuple[RunConfig, str]:
    """Return the configuration with numbers in place of `auto`, and a line that says which; "" if there was none.

    :param num_examples: training images.
    """
    chosen: dict[str, Any] = {}
    if config.train.batch_size == AUTO:
        chosen["batch_size"] = auto_batch_size(num_examples)
    if config.train.num_epochs == AUTO:
        chosen["num_epochs"] = auto_num_epochs(num_examples)
    if not chosen:
        return config, ""
    text = ", ".join(f"{name} {value}" for name, value in chosen.items())
    train = dataclasses.replace(config.train, **chosen)
    return dataclasses.replace(config, train=train), f"auto   {text}, for {num_examples} training images"
