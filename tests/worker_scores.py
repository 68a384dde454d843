"""Train with one process and with two workers, seed by seed, and compare their scores.

    python -m tests.worker_scores FOLDER [--seeds 3] [--output FILE] -- --config digits

The words after `--` are those of train.py. Prints one JSON object: the scores of the tested images, and how far the
means are apart beside how far one process is from itself with other seeds. The runs are in FOLDER, and those that
are finished are not trained again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WAYS = {"one process": [], "two workers": ["-m", "learning.launch", "--workers", "2"]}


def score(way: str, seed: int, folder: Path, words: list[str]) -> float:
    """Train unless it is done, and return the score of the tested images."""
    run = folder / f"{way}-{seed}"
    tested = run / "test.json"
    command = [
        sys.executable,
        *WAYS[way],
        "train.py",
        *words,
        "--train.seed",
        f"{seed}",
        "--run-dir",
        f"{run}",
    ]
    if not tested.exists():
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return float(json.loads(tested.read_text(encoding="utf-8"))["scores"][-1]["accuracy"])


def main() -> None:
    """Train in both ways, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="of each way (default: 3)")
    parser.add_argument("--output", type=Path, metavar="FILE")
    parser.add_argument("words", nargs="+", metavar="ARGUMENT", help="of train.py, after --")
    arguments = parser.parse_args()
    scores: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(arguments.seeds):
        for way, found in scores.items():
            found.append(score(way, seed, arguments.folder, arguments.words))
    one, two = scores.values()
    text = json.dumps(
        {
            "command": " ".join(["train.py", *arguments.words]),
            "scores": scores,
            "difference": statistics.mean(two) - statistics.mean(one),
            "spread_of_seeds": max(one) - min(one),
        },
        indent=1,
    )
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
