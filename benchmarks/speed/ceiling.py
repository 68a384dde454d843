"""What this machine can do at most: a large matrix product, the measure of every other figure.

    python -m benchmarks.speed.ceiling [--threads 2] [--rounds 5] [--seconds 2]

TensorFlow and PyTorch multiply two 2048x2048 matrices in turns, in float32 and in bfloat16. The larger median of
the two is the ceiling of that precision: a yardstick for all other work, and no bound, since the machine drifts.
Where bfloat16 is emulated a product can take minutes: there it is left out, unless --precision asks for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.harness import libraries
from benchmarks.harness.commands import (
    add_precision,
    conditions,
    keep,
    measurement_parser,
    parse_measurement,
    precisions,
)
from benchmarks.harness.sides import PROJECT, Contestant, Spread, Step, measure
from learning.terminal.command import run_script

SIDE = 2048
GFLOP = 2 * SIDE**3 / 1e9  # of one product


def tensorflow_product(precision: str, threads: int) -> Step:
    """One product in a session."""
    from learning.machine.session import tf, v1  # imported without their messages

    graph = tf.Graph()
    with graph.as_default():
        matrix = v1.get_variable(
            "matrix", [SIDE, SIDE], tf.dtypes.as_dtype(precision), v1.ones_initializer(), use_resource=True
        )
        product = tf.matmul(matrix, matrix).op
        initialize = v1.global_variables_initializer()
    sess = v1.Session(graph=graph, config=v1.ConfigProto(intra_op_parallelism_threads=threads))
    sess.run(initialize)
    return _step(lambda: sess.run(product))


def torch_product(precision: str, threads: int) -> Step:
    """One product, out of place."""
    torch = libraries.torch(threads)
    matrix = torch.ones(SIDE, SIDE, dtype=getattr(torch, precision))
    return _step(lambda: matrix @ matrix)


def _step(product: Callable[[], object]) -> Step:
    def step() -> int:
        product()
        return 1

    return step


def ceiling(
    threads: int,
    measured: Sequence[str],
    *,
    rounds: int = 5,
    seconds: float = 2.0,
    tell: Callable[[str], None] = print,
) -> dict[str, dict[str, float]]:
    """GFLOP/s by precision and library, medians: {"float32": {"tensorflow": ..., "torch": ...}, ...}.

    :param measured: the precisions.
    """
    found = {}
    for precision in measured:
        contestants = {
            PROJECT: Contestant(tensorflow_product, (precision, threads)),
            "torch": Contestant(torch_product, (precision, threads)),
        }
        rates, _ = measure(
            contestants,
            rounds=rounds,
            seconds=seconds,
            tell=lambda line, precision=precision: tell(f"{precision} {line}"),  # type: ignore[misc]
        )
        names = {PROJECT: "tensorflow"}
        found[precision] = {
            names.get(name, name): GFLOP * Spread.of(values).median for name, values in rates.items()
        }
    return found


def limits(
    names: Iterable[str], precision: str, ceilings: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """GFLOP/s that each contestant can reach at most: the best of any library in the precision of its products.

    A contestant whose precision has no ceiling is left out.

    :param names: PROJECT, or a library, its precision and more, such as "torch bfloat16 compiled".
    :param precision: the project's.
    :param ceilings: as `ceiling` gives them.
    """
    best = {which: max(found.values()) for which, found in ceilings.items()}
    used = {name: precision if name == PROJECT else name.split()[1] for name in names}
    return {name: best[which] for name, which in used.items() if which in best}


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    parser = measurement_parser("ceiling", str(__doc__), rounds=5, seconds=2.0)
    add_precision(parser)
    arguments = parse_measurement(parser)
    figures = conditions(arguments)
    measured = precisions(arguments)
    found = ceiling(arguments.threads, measured, rounds=arguments.rounds, seconds=arguments.seconds)
    table = Table(title=f"Product of two matrices of side {SIDE}, GFLOP/s")
    for column in ("", *measured):
        table.add_column(column, justify="right" if column else "left")
    for library in dict.fromkeys(name for rates in found.values() for name in rates):
        table.add_row(library, *(f"{found[precision].get(library, 0):.4g}" for precision in measured))
    Console().print(table)
    keep(arguments, figures | {"gflops": found})


if __name__ == "__main__":
    run_script(main)
