"""What this machine can do at most: a large matrix product, the measure of every other figure.

    python -m benchmarks.ceiling [--threads 2] [--rounds 5] [--seconds 2]

TensorFlow and PyTorch multiply two 2048x2048 matrices in turns, in float32 and in bfloat16. The larger median of the
two is the ceiling of that precision: no convolution comes nearer to what the processor has.
"""

from collections.abc import Callable

from benchmarks.sides import PROJECT, Contestant, Spread, Step, measure

SIDE = 2048
GFLOP = 2 * SIDE**3 / 1e9  # of one product
PRECISIONS = ("float32", "bfloat16")


def tensorflow_product(precision: str, threads: int) -> Step:
    """One product in a session."""
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

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
    import torch

    torch.set_num_threads(threads)
    matrix = torch.ones(SIDE, SIDE, dtype=getattr(torch, precision))
    return _step(lambda: matrix @ matrix)


def _step(product: Callable[[], object]) -> Step:
    def step() -> int:
        product()
        return 1

    return step


def ceiling(
    threads: int, *, rounds: int = 5, seconds: float = 2.0, tell: Callable[[str], None] = print
) -> dict[str, dict[str, float]]:
    """GFLOP/s by precision and library, the median of the rounds: {"float32": {"tensorflow": ..., "torch": ...}}."""
    found = {}
    for precision in PRECISIONS:
        contestants = {
            PROJECT: Contestant(tensorflow_product, (precision, threads)),
            "torch": Contestant(torch_product, (precision, threads)),
        }
        rates, _ = measure(
            contestants, rounds=rounds, seconds=seconds, tell=lambda line: tell(f"{precision} {line}")
        )
        names = {PROJECT: "tensorflow"}
        found[precision] = {
            names.get(name, name): GFLOP * Spread.of(values).median for name, values in rates.items()
        }
    return found
