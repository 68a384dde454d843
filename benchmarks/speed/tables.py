"""The tables that hold the project against its peers, and what is said of them: of steps and of predictions."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.harness.commands import POST
from benchmarks.harness.documents import markdown
from benchmarks.harness.figures import rate, spread
from benchmarks.harness.sides import PROJECT, Spread, best_peer, ratios

STEP_GOALS = {"float32": 1.1, "bfloat16": 1.3}
AVX2_GOAL = 1.05  # of a step in float32, to PyTorch, on a processor with AVX2 and nothing newer
SMALL_NET_GOAL = 1.5  # ResNet-20 in bfloat16
TEN_CROP_GOAL = 1.3
TUNED_KERAS = "keras oneDNN"  # by contestants.py only where Keras as it is installed has oneDNN off
PEERS = {"torch": "PyTorch", "keras": "Keras", TUNED_KERAS: "Keras with oneDNN on"}

Figures = Mapping[str, Any]


def newest_instructions(found: Figures) -> str:
    """The newest instruction set that figures with this environment could use."""
    return found.get("played") or (found["flags"] or ["unknown"])[-1]


def training_table(figures: Figures) -> str:
    """Images/s of a training step with its share of the limit, and the ratios to the fastest of each peer."""
    libraries = measured_peers(figures["cases"])
    header = ["net", "batch", "precision", "images/s", *(f"to {PEERS[peer]}" for peer in libraries), "goal"]
    rows = []
    for case in figures["cases"]:
        what = [case["net"], f"{case['batch_size']}", case["precision"]]
        rows.append([*what, *_beside(case, libraries, *_step_goal(figures, case))])
    return f"{_limits(figures)}\n\n{markdown(header, rows)}"


def _step_goal(figures: Figures, case: Figures) -> tuple[float, str | None]:
    """The goal of a step, and the peer that it is set against; None: the fastest in any library."""
    if case["precision"] == "float32" and newest_instructions(figures["environment"]) == "avx2":
        rates = {name: values for name, values in case["rates"].items() if _is_of(name, "torch")}
        return AVX2_GOAL, best_peer(rates)
    is_small = case["net"] == "resnet20" and case["precision"] == "bfloat16"
    return (SMALL_NET_GOAL if is_small else STEP_GOALS[case["precision"]]), case["best_peer"]


def measured_peers(cases: Iterable[Figures]) -> list[str]:
    """Those of PEERS that have a column: Keras with oneDNN switched on only where it took part."""
    names = [name for case in cases for name in case["rates"]]
    tuned = any(_is_of(name, TUNED_KERAS) for name in names)
    return [peer for peer in PEERS if tuned or peer != TUNED_KERAS]


def _is_of(name: str, library: str) -> bool:
    """Whether a contestant's name, such as "keras float32 oneDNN", is of a library, or of TUNED_KERAS."""
    first, *how = name.split()
    return first == library.split()[0] and (library == TUNED_KERAS) == ("oneDNN" in how)


def _limits(figures: Figures) -> str:
    limits = ", ".join(
        f"{precision} {max(found.values()):.0f} GFLOP/s"
        for precision, found in figures["ceiling_gflops"].items()
    )
    return f"Matrix product of 2048x2048, the larger of TensorFlow's and PyTorch's: {limits}."


def _beside(found: Figures, libraries: Iterable[str], goal: float, peer: str | None) -> list[str]:
    """The project's rate, its ratio to each library, and the goal, which is set against `peer`."""
    rates = found["images_per_second"]
    share = found.get("share_of_ceiling", {}).get(PROJECT)
    ours, asked = rate(rates[PROJECT]), f"{goal}"
    if share is not None:
        ours = f"{ours} ({share:.0%} of the limit)"
        if peer is not None:
            needed = goal * rates[peer]["median"] / rates[PROJECT]["median"] * share
            asked = f"{asked} ({needed:.0%} of the limit)"
    return [ours, *(to_library(found, library) for library in libraries), asked]


def to_library(found: Figures, library: str) -> str:
    """The ratio to the library's fastest setting, and which that is; empty where it did not take part."""
    compared = _ratio(found, library)
    return "" if compared is None else f"{spread(compared[0]._asdict())} {compared[1]}".strip()


def _ratio(found: Figures, library: str) -> tuple[Spread, str] | None:
    """The ratio to the library's fastest setting, and which that is."""
    rates = {name: values for name, values in found["rates"].items() if _is_of(name, library)}
    fastest = best_peer(rates)
    if fastest is None:
        return None
    return Spread.of(ratios(found["rates"], fastest)), " ".join(fastest.split()[1:])


def inference_table(figures: Figures) -> str:
    """Images/s of ten-crop prediction."""
    libraries = measured_peers(
        found for by_precision in figures["nets"].values() for found in by_precision.values()
    )
    rows = [
        [
            net,
            precision,
            *_beside(found, libraries, TEN_CROP_GOAL, found["best_peer"]),
            to_library(found, POST),
        ]
        for net, by_precision in figures["nets"].items()
        for precision, found in by_precision.items()
    ]
    names = [f"to {PEERS[peer]}" for peer in libraries]
    header = ["net", "precision", "images/s", *names, "goal", "to the post's way"]
    return f"{_limits(figures)}\n\n{markdown(header, rows)}"


def range_of_medians(cases: Iterable[Figures], library: str) -> str:
    """The least and the largest of the ratios to a library, once if equal; empty where it took no part."""
    medians = [compared[0].median for case in cases if (compared := _ratio(case, library))]
    ends = [f"{end(medians):.2f}" for end in (min, max)] if medians else []
    return " to ".join(dict.fromkeys(ends))
