"""Trace one to four workers, and simulate more of them from the measured parts of a step."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.cluster.processes import in_process, project_worker, together
from benchmarks.cluster.simulation import Bucket, Network, Parts, efficiency, step_seconds
from benchmarks.cluster.timeline import Timeline, timeline
from benchmarks.harness import project
from benchmarks.harness.markdown import markdown
from benchmarks.harness.nets import Case
from benchmarks.harness.results import Figures

COUNTS = (1, 2, 3, 4)
WARM, TRACED, SUMS = 3, 9, 31  # steps
SUMMED = 8 * (4 * 2**20,)  # bytes of the tensors whose sums are timed
GBIT = 1e9 / 8  # bytes
NETWORKS = [(rate, 1e-4) for rate in (1, 10, 25, 100)] + [(10, latency) for latency in (1e-5, 1e-3, 1e-2)]
SIMULATED = (2, 4, 8, 16, 32, 64)
A100 = 0.145  # seconds of a step with 256 images of ResNet-50, docs/scale.md


def scaling(case: Case, *, quick: bool, counts: Sequence[int] = COUNTS) -> dict[str, Any]:
    """Return the duration of a step and the share spent waiting by number of workers, and the parts of a step."""
    found: dict[str, Any] = {"images": case.batch_size, "steps": []}
    for count in counts[:2] if quick else counts:
        whole = case._replace(batch_size=count * case.batch_size)
        lines = _run(_traced, quick, whole, count)
        middle = sorted(lines)[len(lines) // 2]
        waiting = statistics.median(line.waiting / line.seconds for line in lines)
        found["steps"].append({"workers": count, "seconds": middle.seconds, "waiting": waiting})
        if count == 1:
            found["buckets"] = middle.buckets
    return found


def _run(function: Callable[..., Any], quick: bool, *arguments: Any) -> Any:
    return function(*arguments, quick) if quick else in_process(function, *arguments, quick)


def _traced(case: Case, count: int, quick: bool) -> list[Timeline]:
    """Return timelines of the first of `count` workers."""
    traces = list[Any]()
    step = together(project_worker, count, (case, None, traces), not quick)
    for _ in range(WARM + (1 if quick else TRACED)):
        step()
    return [timeline(stats) for stats in traces[WARM:]]


def sums(*, quick: bool) -> dict[str, float]:
    """Return the processor's seconds per byte that a worker sends, and the seconds of one round of the ring."""
    small, large = _run(_sum_seconds, quick, [(4,), SUMMED])
    return {"handling": large / sum(SUMMED), "latency": small / 2}


def _sum_seconds(sizes: Sequence[Sequence[int]], quick: bool) -> list[float]:
    """Return the median seconds that two workers take to sum each group of tensors, given their bytes."""
    seconds = list[list[float]]()
    step = together(project.sums_step, 2, (sizes, seconds), not quick)
    for _ in range(WARM + (1 if quick else SUMS)):
        step()
    return [statistics.median(times) for times in zip(*seconds[WARM:], strict=True)]


def parts_of(case: Figures, handling: float, slower: float = 1.0) -> Parts:
    """Return the parts of a worker's step, each `slower` times as long as measured."""
    return Parts(
        case["steps"][0]["seconds"] * slower,
        [Bucket(ready * slower, size) for ready, size in case["buckets"]],
        handling * slower,
    )


def scaling_table(figures: Figures) -> str:
    """Return the measured steps of workers on this machine, and their simulated rates."""
    rows = []
    for case, count, step in _steps(figures):
        sums = figures["sums"]
        slower = max(count / figures["environment"]["cores"], 1.0)
        parts = parts_of(case["scaling"], sums["handling"], slower)
        simulated = step_seconds(parts, count, Network(float("inf"), sums["latency"]))
        images = count * case["scaling"]["images"]
        rows.append(
            [
                f"{case['net']}, {case['scaling']['images']}",
                f"{count}",
                f"{1000 * step['seconds']:,.0f}",
                f"{step['waiting']:.0%}",
                f"{images / step['seconds']:,.3g}",
                f"{images / simulated:,.3g}",
            ]
        )
    header = ("net, images per worker", "workers", "ms per step", "waiting", "images/s", "simulated")
    return markdown(header, rows) if rows else ""


def _steps(figures: Figures) -> Iterator[tuple[Figures, int, Figures]]:
    """Yield each traced case with each number of workers and its step."""
    for case in figures.get("cases", ()):
        for step in case.get("scaling", {}).get("steps", ()):
            yield case, step["workers"], step


def simulated_table(figures: Figures) -> str:
    """Return the simulated efficiency of many workers."""
    rows = []
    for case in figures.get("cases", ()):
        if "scaling" not in case:
            continue
        found = case["scaling"]
        parts = {f"{case['net']}, {found['images']}": parts_of(found, figures["sums"]["handling"])}
        if case["net"] == "resnet50":
            parts["resnet50, 256 on an A100"] = parts_of(found, 0.0, A100 / found["steps"][0]["seconds"])
        for name, each in parts.items():
            for rate, latency in NETWORKS:
                network = Network(rate * GBIT, latency)
                shares = (f"{efficiency(each, count, network):.0%}" for count in SIMULATED)
                rows.append([name, f"{rate}", f"{1000 * latency:g}", *shares])
    header = ("net, images of a worker", "Gbit/s", "round trip, ms", *map(str, SIMULATED))
    return markdown(header, rows) if rows else ""
