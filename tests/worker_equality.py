"""Train the same net by one process and by several workers, and see how far they are apart at the end.

    python -m tests.worker_equality FOLDER [--updates 50] [--output benchmarks/results/worker-equality.json]

Prints one JSON object. Of batches that the number of workers does not divide, each worker computes its share. The
nets have dropout and weight decay; one has no batch norm, the other one that uses the statistics of whole batches.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tests.conftest import TinyNet

# isort: split
from learning.terminal.command import run_script
from tests.support.local_workers import run_workers
from tests.support.worker_training import IMAGES, NoNorm, largest_difference, trained

BATCH_SIZES = {1: 12, 2: 11, 3: 10, 4: 7}  # by the number of workers
NETS: dict[str, dict[str, Any]] = {
    "without batch norm": {"net": NoNorm},
    "with synchronised batch norm": {"net": TinyNet, "sync_batch_norm": True},
}


def compared(folder: Path, count: int, updates: int, net: str) -> dict[str, Any]:
    """Return the largest differences of losses and of variables between workers and one process."""
    batch_size = BATCH_SIZES[count]
    epochs = -(-updates // (IMAGES // batch_size))
    hp = {**NETS[net], "batch_size": batch_size, "num_epochs": epochs}
    folder = folder / f"{count} {net}"
    one = trained(folder / "one", **hp)
    many = run_workers(count, lambda workers: trained(folder / "many", workers, **hp))
    return {
        "workers": count,
        "net": net,
        "batch_size": batch_size,
        "updates": len(one[0]["step_losses"]),
        "losses": largest_difference(many[0][0], one[0]),
        "variables": largest_difference(many[0][1], one[1]),
        "among_workers": max(largest_difference(other, many[0][1]) for _, other in many),
    }


def main() -> None:
    """Compare every number of workers with one process, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--updates", type=int, default=50, help="of each training, at least (default: 50)")
    parser.add_argument("--output", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    found = [
        compared(arguments.folder, count, arguments.updates, net) for net in NETS for count in BATCH_SIZES
    ]
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
