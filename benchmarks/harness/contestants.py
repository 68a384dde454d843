"""Who takes part where networks are measured: the project, and its peers in the settings that may be fastest."""

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.harness.hardware import leaves_onednn_off
from benchmarks.harness.sides import PROJECT, Contestant, Step


class Steps(NamedTuple):
    """How each library does the work of a case, which is the first argument; the second is the precision."""

    project: Callable[[Any, str], Step]
    torch: Callable[[Any, str, bool], Step]  # the last: whether it is compiled
    keras: Callable[[Any, str, bool], Step]  # the last: whether TensorFlow is told to take oneDNN


def contestants(
    steps: Steps, case: Any, precision: str, fastest: str | None, *, tuned: bool
) -> dict[str, Contestant]:
    """The project and its peers in `precision`; in bfloat16 also the peer that is fastest in float32.

    :param fastest: that peer's name; None where it is not known: then all take part in float32 too.
    :param tuned: whether PyTorch takes part compiled, too, and Keras with oneDNN on, where it is off as installed.
    """
    found = {
        PROJECT: Contestant(steps.project, (case, precision)),
        **_peers(steps, case, precision, tuned),
    }
    if precision != "float32":
        others = _peers(steps, case, "float32", tuned)
        found |= others if fastest is None else {fastest: others[fastest]}
    return found


def _peers(steps: Steps, case: Any, precision: str, tuned: bool) -> dict[str, Contestant]:
    """By names that say how."""
    found = {f"torch {precision}": Contestant(steps.torch, (case, precision, False))}
    if tuned:
        found[f"torch {precision} compiled"] = Contestant(steps.torch, (case, precision, True))
    found[f"keras {precision}"] = Contestant(steps.keras, (case, precision, False))
    if tuned and leaves_onednn_off():
        found[f"keras {precision} oneDNN"] = Contestant(steps.keras, (case, precision, True))
    return found
