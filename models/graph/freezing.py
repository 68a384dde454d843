"""Keep variables from being trained: the option `freeze` of a network."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.building import operations_behind

HEAD_ONLY = "head-only"


class Freezing:
    """Decides which variables are frozen, and creates them as variables that are not trained.

    :param freeze: "head-only", a regular expression, or None: see `models.convnet.ConvNet`.
    :param head: the variable scope of the last layer.
    :raises ValueError: the regular expression cannot be compiled.
    """

    def __init__(self, freeze: str | None, head: str) -> None:
        self._freeze, self._head = freeze, head
        try:
            self._pattern = re.compile(
                rf"^(?!{re.escape(head)}/)" if freeze == HEAD_ONLY else freeze or "(?!)"
            )
        except re.error as error:
            raise ValueError(
                f"freeze is {freeze!r}, which is not a regular expression: {error}; give one, or {HEAD_ONLY}"
            ) from error
        self._frozen: set[str] = set()

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Create the frozen ones among the variables of the block with trainable=False."""
        with contextlib.nullcontext() if self._freeze is None else v1.variable_creator_scope(self._create):
            yield

    def _create(self, next_creator: Any, **options: Any) -> Any:
        scope = v1.get_default_graph().get_name_scope()
        name = str(options.get("name") or "Variable")
        # get_variable passes the whole name, tf.Variable only its part within the current name scope.
        whole = name if "/" in name or not scope else f"{scope}/{name}"
        if options.get("trainable") is not False and self._pattern.search(whole):
            variable = next_creator(**{**options, "trainable": False})
            self._frozen.add(variable.op.name)
            return variable
        return next_creator(**options)

    def of(self, variables: Iterable[tf.Variable]) -> list[tf.Variable]:
        """Return the frozen ones among the variables of a network.

        :raises ValueError: none is frozen, or nothing is left to train.
        """
        variables = list(variables)
        frozen = [variable for variable in variables if variable.op.name in self._frozen]
        if self._freeze is None:
            return frozen
        names = ", ".join(variable.op.name for variable in variables if variable.trainable)
        if not frozen:
            raise ValueError(f"freeze is {self._freeze!r}, which matches none of the variables: {names:.300}")
        if not names:
            raise ValueError(
                f"freeze is {self._freeze!r}, which leaves nothing to train; the last layer's scope is "
                f"{self._head!r}: a subclass whose last layer has another one sets `head`"
            )
        return frozen

    def without_updates(self, update_ops: list[Any]) -> list[Any]:
        """Return the update ops that change no frozen variable, such as the statistics of slim layers."""
        if self._freeze is None:
            return update_ops
        return [update for update in update_ops if not self._changes_frozen(update)]

    def _changes_frozen(self, update: Any) -> bool:
        op = update.op if isinstance(update, tf.Tensor) else update
        targets = [
            tensor.op for tensor in op.inputs if "Var" in tensor.op.type or "Variable" in tensor.op.type
        ]
        reached = targets or operations_behind(op.inputs[0]) if op.inputs else []
        return any("Var" in target.type and self._pattern.search(target.name) for target in reached)
