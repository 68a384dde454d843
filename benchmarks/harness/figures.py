"""What a measurement leaves behind: its table for people, its JSON, and on what it ran."""

import importlib.util
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import hardware
from benchmarks.harness.sides import Rates, Spread, best_peer, ratios
from datasets.storage.atomic import write_text

PACKAGES = ("tensorflow", "keras", "torch", "numpy", "scikit-image", "pillow")


def environment(threads: int) -> dict[str, Any]:
    """On what the figures were taken: machine, what else it was doing, versions, date."""
    return {
        **hardware.facts(),
        "threads": threads,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in PACKAGES if _is_installed(package)},
        "revision": _revision(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _revision() -> str | None:
    """The commit that is measured, with a + where files differ from it; None where this is no clone."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + "+" * bool(_git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def summary(
    rates: Rates,
    failures: Mapping[str, str],
    gflop: float | None = None,
    ceilings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """What the rates say, ready for JSON.

    :param rates: images/s of every contestant in every round.
    :param failures: why a contestant could not take part.
    :param gflop: cost of one image, in 10^9 multiplications and additions.
    :param ceilings: GFLOP/s that are possible at most, by contestant, where known: its share is told.
    """
    peer = best_peer(rates)
    found: dict[str, Any] = {
        "images_per_second": {name: Spread.of(values)._asdict() for name, values in rates.items()},
        "best_peer": peer,
        "ratio": None if peer is None else Spread.of(ratios(rates, peer))._asdict(),
        "left_out": dict(failures),
        "rates": rates,
    }
    if gflop is not None and ceilings is not None:
        found["gflop_per_image"] = gflop
        found["share_of_ceiling"] = {
            name: Spread.of(rates[name]).median * gflop / limit
            for name, limit in ceilings.items()
            if name in rates
        }
    return found


def print_table(title: str, found: Mapping[str, Any]) -> None:
    """The result for people."""
    shares = found.get("share_of_ceiling", {})
    table = Table(title=title)
    table.add_column("images/s")
    for column in ("median", "smallest", "largest", *(["of the ceiling"] if shares else [])):
        table.add_column(column, justify="right")
    for name, values in found["images_per_second"].items():
        row = [f"{values[which]:.4g}" for which in ("median", "min", "max")]
        share = [f"{shares[name]:.0%}" if name in shares else ""] if shares else []
        table.add_row(name, *row, *share)
    if found["ratio"]:
        ratio = [f"{found['ratio'][which]:.2f}" for which in ("median", "min", "max")]
        table.add_row(f"project / {found['best_peer']}", *ratio, *([""] if shares else []))
    for name, reason in found["left_out"].items():
        table.add_row(f"{name}: {reason}")
    Console().print(table)


def write(path: Path, figures: Mapping[str, Any]) -> None:
    """The figures as JSON."""
    write_text(path, json.dumps(figures, indent=1) + "\n")


def spread(values: Mapping[str, float]) -> str:
    """1.31 (1.25 to 1.40)."""
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})"


def rate(values: Mapping[str, float]) -> str:
    """The median with as many digits as it deserves."""
    median = values["median"]
    return f"{median:,.0f}" if median >= 100 else f"{median:.3g}"


def _is_installed(package: str) -> bool:
    names = {"scikit-image": "skimage", "pillow": "PIL"}
    return importlib.util.find_spec(names.get(package, package)) is not None
