"""Are two workers with a core each faster than one process with both, and than PyTorch's DistributedDataParallel?

All contestants train on batches of the same size: the project in one process with both cores and as two workers
with one core each, PyTorch as two processes over gloo. A single process on one core with half of the batch shows
what two workers would reach if sums were free. A worker sends half of the bytes that the loopback interface counts;
no other program should use that interface meanwhile. A ring's minimum is 2 (N - 1) / N of the gradients.

Then one to four workers are traced, each with half of the batch, and larger numbers of workers are simulated from
the traces (benchmarks/cluster/simulation.py). Finally, different bucket sizes take turns. Their batch is a quarter
of the usual one, so that sums are a larger part of a step and eight processes fit in memory.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.cluster.processes import in_process, keep_to, project_worker, together
from benchmarks.cluster.scaling import scaling, scaling_table, sums
from benchmarks.harness import libraries
from benchmarks.harness.benchmark import Benchmark, add_nets, measure_as_asked
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import NETS, Case
from benchmarks.harness.results import Figures, rate, ratio_text, spread_of
from benchmarks.harness.turns import PROJECT, Contestant, Step
from benchmarks.speed.training import project_step, torch_step
from learning.terminal.command import ScriptParser

BATCH_SIZES = {"resnet20": 128, "resnet50": 32, "alexnet": 128}
GOALS = {"resnet20": 1.1, "resnet50": 1.0, "alexnet": 0.85}  # ratio of two workers to one process
DDP_GOAL = 1.1  # of two workers to PyTorch's
TWO, HALF, DDP = f"{PROJECT}, two workers", f"{PROJECT}, one core, half the batch", "torch DDP"
LOOPBACK = Path("/sys/class/net/lo/statistics/tx_bytes")
BYTES_STEPS = 5  # over which bytes are averaged
BUCKETS = {f"{size} MiB": size * 2**20 for size in (4, 1, 16)} | {"one tensor": 2**40}  # the default first
PARTS = ("rates", "scaling", "buckets")


def alone(case: Case, cores: int, batch_size: int) -> Step:
    """Return the step of a single process on one core; `cores` 0 stands for all of them."""
    if cores:
        keep_to(0)
    return project_step(case._replace(batch_size=batch_size, threads=cores), "float32")


def torch_worker(index: int, addresses: list[str], case: Case) -> Step:
    """Return the step of one of two processes with DistributedDataParallel over gloo."""
    torch = libraries.torch(1)
    torch.distributed.init_process_group("gloo", f"tcp://{addresses[0]}", rank=index, world_size=2)

    def wrap(net: Any) -> Any:
        return torch.nn.parallel.DistributedDataParallel(net.to(memory_format=torch.channels_last))

    own = case._replace(batch_size=case.batch_size // 2, threads=1)
    return torch_step(own, "float32", is_compiled=False, wrap=wrap)


def count_bytes(case: Case) -> dict[str, int]:
    """Return the bytes that a worker sends in a step, and the bytes of the gradients."""
    step = together(project_worker, 2, (case,))
    step()
    before = int(LOOPBACK.read_text())
    for _ in range(BYTES_STEPS):
        step()
    sent = (int(LOOPBACK.read_text()) - before) // (2 * BYTES_STEPS)
    return {"sent_bytes": sent, "gradient_bytes": 4 * case.size()[1]}


def steps(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Measure each network."""
    quick, parts = arguments.quick, arguments.parts or PARTS
    found: dict[str, Any] = {"cases": []}
    if "scaling" in parts:
        found["sums"] = sums(quick=quick)
    for name in arguments.nets or (("resnet20",) if quick else tuple(BATCH_SIZES)):
        case = NETS[name]._replace(batch_size=BATCH_SIZES[name])
        case = case.quick()._replace(batch_size=4) if quick else case
        print(f"{name}, batch {case.batch_size}", flush=True)
        about: dict[str, Any] = {"net": name, "batch_size": case.batch_size}
        found["cases"].append(about)
        if "rates" in parts:
            rates, failures = measure_as_asked(contestants(case, quick=quick), arguments, warm_steps=3)
            about |= {"rates": rates, "failures": failures} | ({} if quick else in_process(count_bytes, case))
            yield found
        if "scaling" in parts:
            about["scaling"] = scaling(case._replace(batch_size=case.batch_size // 2), quick=quick)
            yield found
        if "buckets" in parts and name != "resnet20":  # its gradients fit into one bucket of any size
            smaller = case._replace(batch_size=max(case.batch_size // 4, 2))
            about["buckets"], _ = measure_as_asked(of_buckets(smaller, quick=quick), arguments, warm_steps=3)
            yield found


def contestants(case: Case, *, quick: bool) -> dict[str, Contestant]:
    """Return one process and two workers; unless `quick`, also half of the work on one core, and PyTorch."""
    found = {
        PROJECT: Contestant(alone, (case, 0, case.batch_size)),
        TWO: Contestant(together, (project_worker, 2, (case,), not quick)),
    }
    if not quick:
        found[HALF] = Contestant(alone, (case, 1, case.batch_size // 2))
        found[DDP] = Contestant(together, (torch_worker, 2, (case,)))
    return found


def of_buckets(case: Case, *, quick: bool) -> dict[str, Contestant]:
    """Return two workers for each bucket size."""
    return {
        f"{PROJECT}, {name}": Contestant(together, (project_worker, 2, (case, size), not quick))
        for name, size in BUCKETS.items()
    }


def table(figures: Figures) -> str:
    """Return a table for each part that was measured."""
    tables = (rates_table(figures), scaling_table(figures), buckets_table(figures))
    return "\n\n".join(each for each in tables if each)


def rates_table(figures: Figures) -> str:
    """Return the rate of two workers, and its ratios to the other contestants."""
    rows = []
    for case in figures["cases"]:
        if "rates" not in case:
            continue
        rates = case["rates"]
        row = [f"{case['net']}, {case['batch_size']}", rate(spread_of(rates[TWO]))]
        if HALF in rates:
            rates = {**rates, HALF: [2 * value for value in rates[HALF]]}
        row += [ratio_text(rates, other, TWO) for other in (PROJECT, HALF, DDP)]
        minimum = case.get("gradient_bytes")
        row.append(f"{case['sent_bytes'] / minimum:.2f}" if minimum else "")
        rows.append([*row, f"{GOALS[case['net']]:g}, {DDP_GOAL:g}"])
    ratios_to = ("to one process", "to one core, doubled", "to PyTorch's DDP", "bytes / minimum")
    return markdown(["net, batch", "images/s", *ratios_to, "goals"], rows) if rows else ""


def buckets_table(figures: Figures) -> str:
    """Return the ratio of each bucket size's rate to that of the default size."""
    usual, *others = (f"{PROJECT}, {name}" for name in BUCKETS)
    rows = []
    for case in figures["cases"]:
        if rates := case.get("buckets"):
            ratios = (ratio_text(rates, usual, name) for name in others)
            rows.append([case["net"], rate(spread_of(rates[usual])), *ratios])
    header = ("net", *(f"buckets of {name}" if "MiB" in name else name for name in BUCKETS))
    return markdown(header, rows) if rows else ""


def _add_options(parser: ScriptParser) -> None:
    add_nets(parser, tuple(BATCH_SIZES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="what to measure (default: all)")


main = Benchmark("workers", str(__doc__), steps, table, rounds=6, seconds=8.0, add_options=_add_options)
