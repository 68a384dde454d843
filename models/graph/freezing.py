"""Keep variables from being trained: the option `freeze` of a network."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from models.graph.building import operations_behind
from models.graph.copying import CALLS

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
        # The name that the variable will have: within the current name scope, and the only one of its kind.
        name = v1.get_default_graph().unique_name(options.get("name") or "Variable", mark_as_used=False)
        if options.get("trainable") is not False and self._pattern.search(name):
            variable = next_creator(**{**options, "trainable": False})
            self._frozen.add(variable.op.name)
            return variable
        return next_creator(**options)

    def of(self, variables: Iterable[tf.Variable]) -> list[tf.Variable]:
        """Return the frozen ones among the variables of a network.

        :raises ValueError: none is frozen, nothing is left to train, or one that should be frozen is older than the
            network and trained.
        """
        variables = list(variables)
        frozen = [variable for variable in variables if variable.op.name in self._frozen]
        if self._freeze is None:
            return frozen
        trained = [variable.op.name for variable in variables if variable.trainable]
        if older := [name for name in trained if self._pattern.search(name)]:
            raise ValueError(
                f"freeze is {self._freeze!r}, but {older[0]} is a trained variable that was there before the "
                "network; build the network in its own variable scope or graph"
            )
        names = ", ".join(trained)
        if not frozen:
            raise ValueError(
                f"freeze is {self._freeze!r}, which matches none of the variables; give {HEAD_ONLY}, or an "
                f"expression for their names, which python -m models.summary lists, such as {names.split(', ')[0]}"
            )
        if not names:
            raise ValueError(
                f"freeze is {self._freeze!r}, which leaves nothing to train; the last layer's scope is "
                f"{self._head!r}; if your last layer has another scope, set `head` in your subclass"
            )
        return frozen

    def without_updates(self, update_ops: list[Any]) -> list[Any]:
        """Return the update ops that change no frozen variable: a user's own norm may freeze with its layer."""
        if self._freeze is None:
            return update_ops
        return [
            update
            for update in update_ops
            if not any(self._pattern.search(name) for name in changed_variables([update]))
        ]


def changed_variables(updates: Iterable[Any]) -> set[str]:
    """Return the names of the variables that items of UPDATE_OPS assign to, or operations that they wait for.

    :param updates: tensors, assigned variables, or operations.
    """
    changed, seen = set[str](), set[str]()
    waiting = [update if isinstance(update, tf.Operation) else update.op for update in updates]
    while waiting:
        op = waiting.pop()
        if op.name in seen:
            continue
        seen.add(op.name)
        if "Assign" in op.type or "Scatter" in op.type:
            changed |= _variables(op.inputs[0])
        elif op.type in CALLS:  # which may assign to any variable that is handed to them
            changed |= {
                name for tensor in op.inputs if tensor.dtype == tf.resource for name in _variables(tensor)
            }
        else:
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return changed


def _variables(target: tf.Tensor) -> set[str]:
    """Return the names of the variables that a handle or a reference comes from."""
    return {op.name for op in operations_behind(target) if "Var" in op.type}
