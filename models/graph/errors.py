"""Explain errors that occur while a graph is built: name the line of the user's own code, and the cure."""

import contextlib
import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# What TensorFlow says, and what to do about it. docs/porting.md lists the names of TF1 that are gone.
CURES = {
    r"Variable (\S+) already exists": (
        "the variable {0} exists already: give each layer a scope of its own, `with tf.variable_scope('conv2'):`, "
        "and each network its own `with tf.Graph().as_default():` or scope"
    ),
    r"Variable (\S+) does not exist": (
        "the variable {0} does not exist: a scope with reuse=True only finds what is there; leave reuse out"
    ),
    r"module '[\w.]*' has no attribute '(contrib|estimator|slim)'": (
        "tf.{0} is not part of TensorFlow 2; docs/porting.md says what to write instead"
    ),
    r"`(\w+)` is not available with Keras 3": (
        "tf.layers.{0} is not part of TensorFlow 2; docs/porting.md says what to write instead"
    ),
    r"module 'tensorflow' has no attribute '(\w+)'": "tf.{0} is TF1's: write `import tensorflow.compat.v1 as tf`",
    r"bad operand type for \S+ \S+: 'Dimension'|unsupported operand type.*'Dimension'": (
        "a size read from a tensor's shape is a Dimension here: write int(x.shape[-1]) or x.shape.as_list()"
    ),
    r"No module named 'tf_keras": (
        "slim.batch_norm needs an older Keras: write normalizer_fn=models.layers.batch_norm with "
        "normalizer_params={{'is_train': self.is_train}}"
    ),
    r"Negative dimension size": (
        "a convolution or pooling leaves no pixel: take larger images, or fewer strides"
    ),
}
_ROOT = Path(__file__).resolve().parents[2]
_LIBRARIES = (
    *(_ROOT / name for name in ("datasets", "models", "learning", "train.py", "test.py", "predict.py")),
    Path(sysconfig.get_path("stdlib")).resolve(),
)


class BuildError(ValueError):
    """A network cannot be built; the message names the line of the network's own code and the cure."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn an error inside into a BuildError with its cure or, if none is known, the place where it happened.

    :raises BuildError: with the original error as its cause.
    """
    try:
        yield
    except (BuildError, OSError, MemoryError):
        raise
    except Exception as error:
        frames = [*traceback.extract_stack(), *traceback.extract_tb(error.__traceback__)]
        where, cure = users_line(frames), _cure(str(error))
        if cure is None:  # then only the network's own code can be the cause
            where = users_line(traceback.extract_tb(error.__traceback__))
        if where is None and cure is None:
            raise
        what = cure or _first_line(error)
        raise BuildError(f"{where}: {what}" if where else what) from error


def _cure(message: str) -> str | None:
    for pattern, cure in CURES.items():
        if match := re.search(pattern, message):
            return cure.format(*[group for group in match.groups() if group])
    return None


def users_line(frames: Iterable[Any]) -> str | None:
    """Return file and line of the innermost frame outside of this project, installed packages and Python itself.

    :param frames: outermost first, as from `traceback.extract_tb`, or the `traceback` of an operation.
    """
    for frame in reversed(list(frames)):
        path = Path(frame.filename)
        is_code = path.is_file() or frame.filename in linecache.cache  # which has the cells of a notebook
        if is_code and not _is_library(path.resolve()):
            return f"{path}, line {frame.lineno}"
    return None


def _is_library(path: Path) -> bool:
    is_installed = {"site-packages", "dist-packages"} & set(path.parts)
    return bool(is_installed) or any(known in (path, *path.parents) for known in _LIBRARIES)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
