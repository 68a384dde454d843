"""How much faster is a training step of EfficientNet-Lite0 if a part of it is frozen?

The backward pass ends where nothing before it is trained: it leaves out frozen first stages, whose images are the
largest, and all of the network if only the last layer is trained. The batch is 32 images of 224x224 pixels, always
the same; weights are random.
"""

import argparse
from collections.abc import Iterator, Mapping
from itertools import repeat

from benchmarks.harness import project
from benchmarks.harness.benchmark import Benchmark
from benchmarks.harness.made_images import as_splits, noise
from benchmarks.harness.markdown import markdown
from benchmarks.harness.results import Figures, rate, spread, spread_of
from benchmarks.harness.turns import Contestant, Step, measure
from benchmarks.peers import LEARNING_RATE

NETWORK, SIDE, BATCH_SIZE, QUICK_SIZES = "efficientnet-lite0", 224, 32, (32, 2)
QUICK_WAYS = (None, "head-only")
FREEZE: Mapping[str, str | None] = {
    "nothing": None,
    "batch norm": "gamma|beta",
    "batch norm and the first stages": "gamma|beta|stem|stage[1-3]/",
    "all but the last layer": "head-only",
}


def training_step(freeze: str | None, side: int, batch_size: int, threads: int) -> Step:
    """Return the step of the training loop with a part of the network frozen."""
    config = project.run_config(model={"name": NETWORK, "freeze": freeze})
    splits = as_splits(noise(batch_size, side), 2, side)
    optimizer, sess = project.open_training(config, splits, threads)
    return project.update_step(
        optimizer, sess, repeat((splits.train.images, splits.train.labels)), LEARNING_RATE
    )


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Let all ways of freezing take turns."""
    side, batch_size = QUICK_SIZES if arguments.quick else (SIDE, BATCH_SIZE)
    contestants = {
        name: Contestant(training_step, (freeze, side, batch_size, arguments.threads))
        for name, freeze in FREEZE.items()
        if not arguments.quick or freeze in QUICK_WAYS
    }
    rates, _ = measure(
        contestants, rounds=arguments.rounds, seconds=arguments.seconds, in_processes=not arguments.quick
    )
    yield {"batch_size": batch_size, "side": side, "rates": rates}


def table(figures: Figures) -> str:
    """Return images/s of the ways of freezing, and the ratio of each to a step with nothing frozen."""
    rates = figures["rates"]
    rows = []
    for name, values in rates.items():
        ratios = [value / whole for value, whole in zip(values, rates["nothing"], strict=True)]
        option = (FREEZE[name] or "").replace("|", "\\|")  # a bar would end the cell of the table
        rows.append(
            [name, f"`{option}`" if option else "", rate(spread_of(values)), spread(spread_of(ratios))]
        )
    return markdown(["frozen", "`--model.freeze`", "images/s", "ratio"], rows)


main = Benchmark(name="freezing", text=str(__doc__), steps=steps, table=table, rounds=5, seconds=5.0)
