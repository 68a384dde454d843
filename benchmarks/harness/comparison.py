"""Format comparisons with the peers: ratios to the fastest setting of each library, limits and goals."""

from collections.abc import Iterable

from benchmarks.harness.results import Figures, fastest, rate, ratio_text, ratios, spread_of
from benchmarks.harness.turns import PROJECT

TUNED_KERAS = "keras oneDNN"  # measured only where Keras has oneDNN off by default
POST = "post"  # the code of the AlexNet post, measured by an earlier version
PEERS = {"torch": "PyTorch", "keras": "Keras", TUNED_KERAS: "Keras with oneDNN on"}


def newest_instructions(environment: Figures) -> str:
    """Return the measured GPU, or else the newest instruction set that was available."""
    if environment.get("gpu"):
        return " ".join(environment["gpu"].split()[:2])  # NVIDIA H100, without its memory
    return environment.get("played") or (environment["flags"] or ["unknown"])[-1]


def measured_peers(cases: Iterable[Figures]) -> list[str]:
    """Return the PEERS that get a column; Keras with oneDNN on gets one only if it was measured."""
    tuned = any(_is_of(name, TUNED_KERAS) for case in cases for name in case["rates"])
    return [peer for peer in PEERS if tuned or peer != TUNED_KERAS]


def _is_of(name: str, library: str) -> bool:
    """Return whether a contestant, such as "keras float32 oneDNN", belongs to a library or to TUNED_KERAS."""
    return name.startswith(library.split()[0]) and (library == TUNED_KERAS) == name.endswith("oneDNN")


def fastest_of(found: Figures, library: str) -> str | None:
    """Return the name of a library's fastest setting; None if the library was not measured."""
    return fastest({name: values for name, values in found["rates"].items() if _is_of(name, library)})


def to_library(found: Figures, library: str) -> str:
    """Return the ratio to a library's fastest setting, and that setting; "" if the library was not measured."""
    name = fastest_of(found, library)
    if name is None:
        return ""
    setting = name.removeprefix(library.split()[0]).strip(" ,")
    return f"{ratio_text(found['rates'], name)} {setting}".strip()


def range_of_medians(cases: Iterable[Figures], library: str) -> str:
    """Return the smallest and the largest median ratio to a library; "" if it was not measured."""
    names = [(case["rates"], fastest_of(case, library)) for case in cases]
    medians = [spread_of(ratios(rates, name))["median"] for rates, name in names if name]
    ends = [f"{end(medians):.2f}" for end in (min, max)] if medians else []
    return " to ".join(dict.fromkeys(ends))


def ceilings_text(figures: Figures) -> str:
    """Return a sentence with the machine's ceilings."""
    limits = ", ".join(
        f"{precision} {max(found.values()):.0f} GFLOP/s"
        for precision, found in (figures["ceiling_gflops"] or {}).items()
    )
    return (
        f"Matrix product of 2048x2048, the larger of TensorFlow's and PyTorch's: {limits or 'not measured'}."
    )


def beside_peers(found: Figures, libraries: Iterable[str], goal: float, peer: str | None) -> list[str]:
    """Return a row's cells: the project's rate, its ratio to each library, and the goal, a ratio to `peer`."""
    rates = found["images_per_second"]
    share = found.get("share_of_ceiling", {}).get(PROJECT)
    ours, asked = rate(rates[PROJECT]), f"{goal}"
    if share is not None:
        ours = f"{ours} ({share:.0%} of the limit)"
        if peer is not None:
            needed = goal * rates[peer]["median"] / rates[PROJECT]["median"] * share
            asked = f"{asked} ({needed:.0%} of the limit)"
    return [ours, *(to_library(found, library) for library in libraries), asked]
