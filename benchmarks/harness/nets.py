"""Measure a network in the project and its peers, in every precision, with each setting that may be fastest."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.harness import libraries, project
from benchmarks.harness.benchmark import measure_as_asked, precisions
from benchmarks.harness.ceiling import Ceilings, limits
from benchmarks.harness.hardware import leaves_onednn_off
from benchmarks.harness.made_images import as_splits, noise
from benchmarks.harness.results import summary
from benchmarks.harness.turns import PROJECT, Contestant, Step
from datasets.splits import Splits

# The function of each contestant that returns its step, given a case and a precision. Peers take a third argument:
# whether PyTorch compiles the network, or whether oneDNN is switched on for Keras.
Steps = Mapping[str, Callable[..., Step]]


class Case(NamedTuple):
    """A network and its images, the same for all contestants."""

    network: str  # name in the catalogue
    side: int  # height and width of the input, pixels
    num_classes: int
    options: Mapping[str, Any]  # of the network, with the same names in the peers
    batch_size: int = 4
    threads: int = 0  # of each library; 0 for its default

    @property
    def rule(self) -> str:
        """Return the name of the update rule."""
        return "nesterov" if self.network == "resnet20" else "momentum"

    def quick(self) -> "Case":
        """Return the case at toy size."""
        if self.network == "alexnet":
            return self._replace(side=67)
        return self._replace(side=16 if self.network == "resnet20" else 32, options=SMALL)

    def splits(self) -> Splits:
        """Return a training set of one batch of noise."""
        return as_splits(noise(self.batch_size, self.side), self.num_classes, self.side)

    def size(self) -> tuple[float, int]:
        """Return the GFLOP of the products for one image forward, and the number of trained parameters."""
        return project.network_size(self.network, self.side, self.num_classes, self.options)

    def torch_net(self) -> Any:
        """Return the network in PyTorch."""
        libraries.torch(self.threads)
        from benchmarks.peers.torch_nets import build

        return build(self.network, self.side, self.num_classes, **self.options)

    def keras_net(self, precision: str) -> Any:
        """Return the network in Keras; TensorFlow must have been imported before."""
        from benchmarks.peers.keras_nets import build

        with libraries.keras_policy(precision):
            return build(self.network, self.side, self.num_classes, **self.options)


DROPOUT = {"dropout_prob": 0.5}
SMALL = {"stages": (1,), "widths": (8,)}
NETS = {
    "alexnet": Case("alexnet", 227, 2, DROPOUT),
    "resnet50": Case("resnet50", 224, 1000, {}),
    "resnet18": Case("resnet18", 224, 1000, {}),
    "resnet20": Case("resnet20", 32, 10, {}),
    "alexnet-lrn": Case("alexnet", 227, 2, DROPOUT | {"local_response_norm": True}),
}


def measure_net(
    steps: Steps,
    case: Any,
    title: str,
    gflop: float,
    ceilings: Ceilings | None,
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each precision with its summary.

    :param gflop: cost of one image, in 10^9 multiplications and additions.
    """
    fastest = None
    for precision in precisions(arguments):
        print(f"{title}, {precision}", flush=True)
        sides = contestants(steps, case, precision, fastest, tuned=not arguments.quick)
        rates, failures = measure_as_asked(sides, arguments, warm_steps=3)
        shares = None if ceilings is None else limits(rates, precision, ceilings)
        found = summary(rates, failures, gflop, shares)
        fastest = found["best_peer"]
        yield precision, found


def contestants(
    steps: Steps, case: Any, precision: str, fastest: str | None, *, tuned: bool
) -> dict[str, Contestant]:
    """Return the project and its peers in `precision`; for bfloat16 also the fastest peer in float32.

    :param fastest: name of that peer; None if it is unknown, in which case all peers run in float32, too.
    :param tuned: whether to add PyTorch with a compiled network, and Keras with oneDNN on if it is off by default.
    """
    found = {PROJECT: Contestant(steps[PROJECT], (case, precision))} | _peers(steps, case, precision, tuned)
    if precision == "float32":
        return found
    others = _peers(steps, case, "float32", tuned)
    return found | (others if fastest is None else {fastest: others[fastest]})


def _peers(steps: Steps, case: Any, precision: str, tuned: bool) -> dict[str, Contestant]:
    settings = {f"torch {precision}": False, f"keras {precision}": False}
    if tuned:
        settings[f"torch {precision} compiled"] = True
    if tuned and leaves_onednn_off():
        settings[f"keras {precision} oneDNN"] = True
    return {
        name: Contestant(steps[name.split()[0]], (case, precision, setting))
        for name, setting in settings.items()
    }
