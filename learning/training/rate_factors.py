"""Train some variables at another rate than the rest: the option `optimizer.rate_factors`."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.config.options import OptimizerConfig
from models.convnet import ConvNet


def rate_factors(model: ConvNet, options: OptimizerConfig) -> dict[str, float]:
    """Return the factor of every trained variable, by its name; 1 where no expression matches.

    :raises ValueError: an expression cannot be compiled, or applies to no trained variable.
    """
    names = [variable.op.name for variable in model.trainable_variables]
    factors, used = dict.fromkeys(names, 1.0), set[str]()
    for expression in options.rate_factors:
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(
                f"optimizer.rate_factors has {expression!r}, which is not a regular expression: {error}"
            ) from error
    for name in names:
        for expression in [e for e in options.rate_factors if re.search(e, name)][:1]:
            factors[name] = float(options.rate_factors[expression])
            used.add(expression)
    if unused := [expression for expression in options.rate_factors if expression not in used]:
        raise ValueError(
            f"optimizer.rate_factors has {unused[0]!r}, which applies to none of the trained variables: "
            f"{', '.join(names):.300}"
        )
    return factors


def scaled(rate: Any, factor: float) -> Any:
    """Return the learning rate times a factor; the rate itself for 1, so that the graph stays as it was."""
    return rate if factor == 1.0 else rate * factor


def apply_gradients(
    rule: Callable[[Any], v1.train.Optimizer],
    rate: tf.Tensor,
    pairs: Sequence[tuple[tf.Tensor, tf.Variable]],
    factors: Mapping[str, float],
) -> tf.Operation:
    """Build one update of all variables; those with the same factor share one of TensorFlow's optimizers.

    :param rule: returns TensorFlow's optimizer for a learning rate.
    :param factors: by the names of the variables.
    """
    groups: dict[float, list[tuple[tf.Tensor, tf.Variable]]] = {}
    for gradient, variable in pairs:
        groups.setdefault(factors[variable.op.name], []).append((gradient, variable))
    updates = [rule(scaled(rate, factor)).apply_gradients(group) for factor, group in groups.items()]
    return updates[0] if len(updates) == 1 else tf.group(*updates)
