"""What a training step gains or loses by other settings: the project against itself with one thing changed.

    python -m benchmarks.speed.settings [MODEL ...] [--rounds 3] [--seconds 5] [--output FILE]

Those are settings that TensorFlow leaves to whoever opens a session, and the project's own choice of the way to the
filter gradients. The steps are those of benchmarks/training, with its smallest batch of each net, in bfloat16, or
in float32 where the processor emulates that.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import repeat
from typing import Any, NamedTuple
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    add_precision,
    conditions,
    keep,
    measure_as_asked,
    measurement_parser,
    parse_measurement,
    precisions,
)
from benchmarks.harness.figures import rate, spread
from benchmarks.harness.sides import PROJECT, Contestant, Rates, Spread, Step, ratios
from benchmarks.speed import training
from benchmarks.speed.training_steps import LEARNING_RATE, Case, project_training
from learning.terminal.command import run_script

COLUMNS = ("net", "what is changed", "images/s", "as it is / changed")


def _one_operation_at_a_time(config: Any) -> None:
    config.inter_op_parallelism_threads = 1


def _no_graph_optimizer(config: Any) -> None:
    config.graph_options.rewrite_options.disable_meta_optimizer = True


class Setting(NamedTuple):
    """One change.

    :param configure: changes the session's ConfigProto.
    :param environment: variables that TensorFlow reads when it first computes.
    :param has_products: whether filter gradients may be matrix products (models/filter_gradients.py).
    """

    configure: Callable[[Any], None] = lambda config: None
    environment: Mapping[str, str] = {}
    has_products: bool = True


SETTINGS = {
    PROJECT: Setting(),
    "one operation at a time": Setting(_one_operation_at_a_time),
    "no optimizer of graphs": Setting(_no_graph_optimizer),
    "the system's allocator": Setting(environment={"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "true"}),
    "filter gradients by the kernel": Setting(has_products=False),
}


def changed_step(case: Case, precision: str, name: str) -> Step:
    """The step of `training_steps.project_step` with that setting."""
    setting = SETTINGS[name]
    with patch.dict(os.environ, setting.environment):
        from learning.machine.session import session_config, v1
        from models.filter_gradients import LARGEST_SIDE

        kernels_only = patch.dict(LARGEST_SIDE, clear=True)
        with nullcontext() if setting.has_products else kernels_only:
            optimizer, images, labels = project_training(case, precision)
        config = session_config(case.threads)
        setting.configure(config)
        sess = v1.Session(graph=optimizer.model.graph, config=config)
        return libraries.project_update(optimizer, sess, repeat((images, labels)), LEARNING_RATE)


def measure_case(case: Case, precision: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Images/s of every setting, round by round, ready for JSON."""
    contestants = {name: Contestant(changed_step, (case, precision, name)) for name in SETTINGS}
    rates, failures = measure_as_asked(contestants, arguments, warm_steps=1 if arguments.quick else 3)
    return {
        "net": case.net,
        "batch_size": case.batch_size,
        "precision": precision,
        "rates": rates,
        "failures": failures,
    }


def texts(found: Mapping[str, Any]) -> list[list[str]]:
    """Rows of a case for people, by COLUMNS; in the first nothing is changed."""
    rates: Rates = found["rates"]
    precision = ", float32" if found.get("precision") == "float32" else ""
    net = f"{found['net']}, batch {found['batch_size']}{precision}"
    medians = {name: rate(Spread.of(values)._asdict()) for name, values in rates.items()}
    rows = [[net, "nothing", medians.pop(PROJECT), ""]]
    for name, median in medians.items():
        rows.append([net, name, median, spread(Spread.of(ratios(rates, name))._asdict())])
    return rows


def print_cases(cases: list[dict[str, Any]]) -> None:
    """The result for people."""
    table = Table(title=f"training step, {cases[0]['precision']}")
    for column in COLUMNS:
        table.add_column(column)
    for found in cases:
        for row in texts(found):
            table.add_row(*row)
    Console().print(table)


def main() -> None:
    """Measure case by case, and print and keep what was found so far."""
    parser = measurement_parser("settings", str(__doc__), rounds=3, seconds=5.0)
    training.add_models(parser)
    add_precision(parser)
    arguments = parse_measurement(parser)
    figures: dict[str, Any] = {**conditions(arguments), "cases": []}
    smallest: dict[str, Case] = {}
    for case in training.cases(arguments):
        smallest.setdefault(case.net, case)
    for net, case in smallest.items():
        print(f"{net}, batch {case.batch_size}", flush=True)
        figures["cases"].append(measure_case(case, precisions(arguments)[-1], arguments))
        keep(arguments, figures)
    print_cases(figures["cases"])


if __name__ == "__main__":
    run_script(main)
