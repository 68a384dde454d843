"""Write the variables of a checkpoint, read them into a session, or check that they can be read."""

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import tensorflow as tf
import tensorflow.compat.v1 as v1

from datasets.storage.failures import first_line
from learning.errors import CheckpointError, StorageError
from models.runtime.tensorflow_paths import PathError, plain_folder
from models.weights.readers.limits import shown

PREFIX = "model.ckpt"
# What TensorFlow's reader raises on damaged files: its own errors, and Python's.
UNREADABLE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, tf.errors.OpError)


@contextlib.contextmanager
def path_errors() -> Iterator[None]:
    """Raise StorageError where TensorFlow cannot use a path."""
    try:
        yield
    except PathError as error:
        raise StorageError(str(error)) from error


@path_errors()
def find_unreadable(folder: Path) -> str | None:
    """Return what cannot be read of a checkpoint without checksums, or None if everything can."""
    try:
        with plain_folder(folder) as plain:
            reader = tf.train.load_checkpoint(f"{plain}/{PREFIX}")
            shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
            num_bytes = sum(math.prod(shape) * dtypes[name].size for name, shape in shapes.items())
            if num_bytes > sum(path.stat().st_size for path in folder.glob(f"{PREFIX}.data-*")):
                return f"its data are shorter than the {num_bytes} bytes of its index"
            for name in shapes:
                reader.get_tensor(name)
    except UNREADABLE as error:
        return first_line(error)
    return None


@path_errors()
def restore(
    sess: v1.Session, variables: Iterable[tf.Variable], checkpoint: Path, *, exact: bool = False
) -> None:
    """Load `variables` from the folder of a checkpoint.

    :param exact: the checkpoint must not hold other variables, as for a resume.
    :raises CheckpointError: the checkpoint cannot be read, or a variable is missing, has another shape, or
        (`exact`) is not in the model. TensorFlow itself silently loads a tensor of another shape.
    :raises StorageError: TensorFlow cannot use the path.
    """
    variables = list(variables)
    try:
        with plain_folder(checkpoint) as plain, sess.graph.as_default():
            saved = tf.train.load_checkpoint(f"{plain}/{PREFIX}").get_variable_to_shape_map()
            _compare(saved, {v.op.name: v.shape.as_list() for v in variables}, checkpoint, exact)
            v1.train.Saver(variables).restore(sess, f"{plain}/{PREFIX}")
    except UNREADABLE as error:
        reason = first_line(error).replace(plain, str(checkpoint))
        raise CheckpointError(
            f"cannot read the checkpoint {checkpoint}: {reason}; move its folder away to use an earlier one"
        ) from error


@path_errors()
def save(sess: v1.Session, saver: v1.train.Saver, folder: Path) -> None:
    """Write the variables of `saver` into a folder; raise OSError, StorageError or TensorFlow's errors."""
    with plain_folder(folder) as plain, sess.graph.as_default():
        saver.save(sess, f"{plain}/{PREFIX}", write_meta_graph=False, write_state=False)


def _compare(
    saved: dict[str, list[int]], wanted: dict[str, list[int]], checkpoint: Path, exact: bool
) -> None:
    problems = [f"{name} is missing there" for name in sorted(wanted.keys() - saved.keys())]
    if exact:
        problems += [f"{shown(name)} is not in this model" for name in sorted(saved.keys() - wanted.keys())]
    problems += [
        f"{name} is {saved[name]} there, {shape} here"
        for name, shape in sorted(wanted.items())
        if name in saved and saved[name] != shape
    ]
    if problems:
        named = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise CheckpointError(
            f"the checkpoint {checkpoint} is of another model: {named}; "
            "build the model with the run's own options (config.yaml in the run directory)"
        )
