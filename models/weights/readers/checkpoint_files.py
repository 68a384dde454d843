"""Read checkpoints of TensorFlow by their prefix, of TF1 and TF2, in the format of today and in the first one.

Today's are PREFIX.index and PREFIX.data-00000-of-00001; in the first, which slim's models have, one file holds all.
"""

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from models.runtime.tensorflow_paths import plain_prefix
from models.weights.errors import WeightsError
from models.weights.readers.checkpoint_index import MAX_INDEX_BYTES, check_index
from models.weights.readers.checkpoint_paths import checkpoint_bytes, checkpoint_files, index_of
from models.weights.readers.limits import MAX_TENSORS, Budget, Entry, checked_shape

_OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"  # behind the names of tf.train.Checkpoint
_FLOATS = {tf.float16, tf.bfloat16, tf.float32, tf.float64}


def checkpoint_entries(prefix: Path) -> Iterator[Entry]:
    """Yield the tensors of floating-point numbers, those of the optimizer included.

    The names that tf.train.Checkpoint gives lose their ending ".ATTRIBUTES/VARIABLE_VALUE".
    """
    if index_of(prefix).is_file():
        if index_of(prefix).stat().st_size > MAX_INDEX_BYTES:
            raise WeightsError(
                f"its index is larger than {MAX_INDEX_BYTES} bytes; do not use this checkpoint"
            )
        check_index(index_of(prefix).read_bytes())
    with plain_prefix(prefix, checkpoint_files(prefix)) as plain:
        reader = tf.train.load_checkpoint(plain)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        if len(shapes) > 4 * MAX_TENSORS:
            raise WeightsError(f"it has {len(shapes)} tensors; do not use this checkpoint")
        _check_bytes(shapes, dtypes, prefix)
        for name in sorted(shapes):
            if dtypes[name] in _FLOATS:
                own = name.removesuffix(_OBJECT)
                yield Entry(own, checked_shape(shapes[name], own), functools.partial(reader.get_tensor, name))


def _check_bytes(shapes: dict[str, list[int]], dtypes: dict[str, Any], prefix: Path) -> None:
    """Refuse an index that promises more than the data files hold, before TensorFlow takes memory for it."""
    numbers = {name: math.prod(shape) * dtypes[name].size for name, shape in shapes.items()}
    if index_of(prefix).is_file():
        held = checkpoint_bytes(prefix) - index_of(prefix).stat().st_size
        if sum(numbers.values()) > held:
            raise WeightsError(
                f"its data files are cut short: {held} bytes of {sum(numbers.values())}; copy it again"
            )
    budget = Budget(checkpoint_bytes(prefix))
    for name, num_bytes in numbers.items():
        budget.take(num_bytes, name)
