"""Summarise rates as medians and spreads, and record the conditions of a measurement."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.harness import hardware
from benchmarks.harness.markdown import ROOT
from benchmarks.harness.turns import PROJECT, Rates

Figures = Mapping[str, Any]  # the content of a file in benchmarks/results/, or part of it

PACKAGES = ("tensorflow", "keras", "torch", "onnxruntime", "numpy", "scikit-image", "pillow")


def environment(threads: int) -> dict[str, Any]:
    """Return what the figures depend on: the machine, its load, versions, the commit and the date."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        **hardware.facts(),
        "threads": threads,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions,
        "revision": _revision(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _revision() -> str | None:
    """Return the current commit, with a + if files have changed since; None outside a clone."""
    try:
        return _git("rev-parse", "--short", "HEAD") + "+" * bool(_git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT / "benchmarks"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def spread_of(values: Iterable[float]) -> dict[str, float]:
    """Return the median and the extremes of at least one value."""
    values = list(values)
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(rates: Rates, other: str, one: str = PROJECT) -> list[float]:
    """Return the rate of one contestant over that of another, round by round."""
    return [ours / theirs for ours, theirs in zip(rates[one], rates[other], strict=True)]


def ratio_text(rates: Rates, other: str, one: str = PROJECT) -> str:
    """Format the spread of these ratios; "" if one of the two contestants was not measured."""
    return spread(spread_of(ratios(rates, other, one))) if {one, other} <= rates.keys() else ""


def fastest(rates: Rates) -> str | None:
    """Return the name with the largest median; None if there are no rates."""
    return max(rates, key=lambda name: statistics.median(rates[name]), default=None)


def summary(
    rates: Rates,
    failures: Mapping[str, str],
    gflop: float | None = None,
    ceilings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Summarise rates, ready for JSON.

    :param rates: images/s of each contestant, round by round.
    :param failures: reasons why contestants were left out.
    :param gflop: cost of one image, in 10^9 multiplications and additions.
    :param ceilings: peak GFLOP/s of each contestant, where known; the summary states the share that it reaches.
    """
    peer = fastest({name: values for name, values in rates.items() if name != PROJECT})
    found: dict[str, Any] = {
        "images_per_second": {name: spread_of(values) for name, values in rates.items()},
        "best_peer": peer,
        "ratio": None if peer is None else spread_of(ratios(rates, peer)),
        "left_out": dict(failures),
        "rates": rates,
    }
    if gflop is not None and ceilings is not None:
        found["gflop_per_image"] = gflop
        found["share_of_ceiling"] = {
            name: statistics.median(rates[name]) * gflop / limit
            for name, limit in ceilings.items()
            if name in rates
        }
    return found


def spread(values: Mapping[str, float]) -> str:
    """Format the median and the extremes, such as 1.31 (1.25 to 1.40)."""
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})"


def rate(values: Mapping[str, float]) -> str:
    """Format the median with three significant digits, or without decimals from 100 on."""
    median = values["median"]
    return f"{median:,.0f}" if median >= 100 else f"{median:.3g}"
