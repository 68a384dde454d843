"""How much faster is a training step of EfficientNet-Lite0 with a part of the network frozen?

The backward pass ends at the first trained layer. It skips the first stages if they are frozen, which have the
largest feature maps, and nearly the whole network if only the last layer is trained. The weights are random; the
batch is always the same 32 images of 224x224 pixels.
"""

import argparse
from collections.abc import Iterator, Mapping

from benchmarks.harness import project
from benchmarks.harness.benchmark import Benchmark, measure_as_asked
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import Case
from benchmarks.harness.results import Figures, rate, ratio_text, spread_of
from benchmarks.harness.turns import Contestant, Step
from benchmarks.speed.training import configured_step

QUICK_WAYS = (None, "head-only")
FREEZE: Mapping[str, str | None] = {
    "nothing": None,
    "batch norm": "gamma|beta",
    "batch norm and the first stages": "gamma|beta|stem|stage[1-3]/",
    "all but the last layer": "head-only",
}


def training_step(freeze: str | None, case: Case) -> Step:
    """Return a step of the training loop with a part of the network frozen."""
    return configured_step(case, project.run_config(model={"name": case.network, "freeze": freeze}))


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure all ways of freezing in turns."""
    side, batch_size = (32, 2) if arguments.quick else (224, 32)
    case = Case("efficientnet-lite0", side, 2, {}, batch_size, arguments.threads)
    contestants = {
        name: Contestant(training_step, (freeze, case))
        for name, freeze in FREEZE.items()
        if not arguments.quick or freeze in QUICK_WAYS
    }
    rates, _ = measure_as_asked(contestants, arguments, warm_steps=3)
    yield {"batch_size": batch_size, "side": side, "rates": rates}


def table(figures: Figures) -> str:
    """Return images/s with each frozen part, and the ratio to a step with nothing frozen."""
    rates, rows = figures["rates"], []
    for name, values in rates.items():
        option = (FREEZE[name] or "").replace("|", "\\|")  # a bare | would end the cell
        cells = [f"`{option}`" if option else "", rate(spread_of(values))]
        rows.append([name, *cells, ratio_text(rates, "nothing", name)])
    return markdown(["frozen", "`--model.freeze`", "images/s", "to nothing frozen"], rows)


main = Benchmark("freezing", str(__doc__), steps, table, rounds=5, seconds=5.0)
