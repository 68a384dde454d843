"""Measure steps of two workers over slow networks, and compare them with the simulation of the benchmarks.

    python -m tests.slow_network [--output FILE]

Needs root. Prints one JSON object: the milliseconds of a step of ResNet-20 with 64 images for each worker at each
bandwidth (Gbit/s) and latency (ms of a round trip), and what the simulation makes of the step of one worker and of
the cost of sums on this machine.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.cluster import scaling
from benchmarks.cluster.processes import in_process, project_worker, together
from benchmarks.cluster.simulation import Network, step_seconds
from benchmarks.cluster.timeline import timeline
from benchmarks.harness.nets import NETS
from learning.errors import UsageError
from learning.terminal.command import run_script
from tests.support.wire import Wire, lacking, wire

CASE = NETS["resnet20"]._replace(batch_size=64)
NETWORKS = ((1.0, 0.2), (1.0, 10.0), (1.0, 20.0), (0.1, 0.2))  # Gbit/s, ms


def wired_worker(index: int, addresses: list[str], between: Wire, traces: list[Any]) -> Any:
    """Return the step of a worker at one end of a wire."""
    between.enter(index)
    return project_worker(index, list(between.addresses), CASE._replace(batch_size=128), None, traces)


def measured(between: Wire) -> float:
    """Return the seconds of a step: the median."""
    traces = list[Any]()
    step = together(wired_worker, 2, (between, traces))
    for _ in range(scaling.WARM + scaling.TRACED):
        step()
    lines = sorted(timeline(stats) for stats in traces[scaling.WARM :])
    return lines[len(lines) // 2].seconds


def main() -> None:
    """Measure network by network, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if why := lacking():
        raise UsageError(f"this machine has no slow network: {why}")
    found = []
    for rate, latency in NETWORKS:
        network = Network(rate * scaling.GBIT, latency / 1000)
        with wire(network.bandwidth, network.latency / 2) as between:
            seconds = in_process(measured, between)
        found.append({"gbit": rate, "ms": latency, "network": network, "step_ms": 1000 * seconds})
    costs = scaling.sums(quick=False)
    parts = scaling.parts_of(scaling.scaling(CASE, quick=False, counts=(1,)), costs["handling"])
    for each in found:
        each["simulated_ms"] = 1000 * step_seconds(parts, 2, each.pop("network"))
    text = json.dumps({"one_worker_ms": 1000 * parts.compute, **costs, "networks": found}, indent=1)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
