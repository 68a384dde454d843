"""Measure the peak rate of this machine with a large matrix product, as a yardstick for the other figures.

TensorFlow and PyTorch take turns at multiplying two 2048x2048 matrices. For each precision, the larger of their two
medians is the ceiling. It is not a strict bound, because the speed of the machine drifts.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.harness import libraries, project
from benchmarks.harness.turns import PROJECT, Contestant, Step, measure

SIDE = 2048
GFLOP = 2 * SIDE**3 / 1e9  # of one product
Ceilings = Mapping[str, Mapping[str, float]]  # GFLOP/s by precision and library


def tensorflow_product(precision: str, threads: int) -> Step:
    """Return a step that multiplies in a session."""
    tf, v1 = project.graph_mode()
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
    """Return a step that multiplies into a new tensor."""
    torch = libraries.torch(threads)
    matrix = torch.ones(SIDE, SIDE, dtype=getattr(torch, precision))
    return _step(lambda: matrix @ matrix)


def _step(product: Callable[[], object]) -> Step:
    def step() -> int:
        product()
        return 1

    return step


def measure_ceilings(threads: int, precisions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return median GFLOP/s by precision and library: {"float32": {"tensorflow": ..., "torch": ...}, ...}."""
    found = {}
    for precision in precisions:
        print(f"matrix product, {precision}", flush=True)
        contestants = {
            PROJECT: Contestant(tensorflow_product, (precision, threads)),
            "torch": Contestant(torch_product, (precision, threads)),
        }
        rates, _ = measure(contestants, rounds=5, seconds=2.0)
        medians = {name: GFLOP * statistics.median(values) for name, values in rates.items()}
        found[precision] = {"tensorflow": medians.pop(PROJECT)} | medians
    return found


def limits(names: Iterable[str], precision: str, ceilings: Ceilings) -> dict[str, float]:
    """Return the GFLOP/s that each contestant can reach: the best of any library in the contestant's precision.

    A contestant whose precision has no ceiling is left out.

    :param names: PROJECT, or a library with its precision and setting, such as "torch bfloat16 compiled".
    :param precision: precision of the project.
    """
    best = {which: max(found.values()) for which, found in ceilings.items()}
    used = {name: precision if name == PROJECT else name.split()[1] for name in names}
    return {name: best[which] for name, which in used.items() if which in best}
