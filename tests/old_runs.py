"""Runs of earlier versions: they load, test, predict and resume here as they did there.

    python -m tests.old_runs keep COMMIT FOLDER      # train a small run with COMMIT's code, keep it as COMMIT.zip
    python -m tests.old_runs compare COMMIT          # resume such a run with both versions and compare the bits

`compare` prints one JSON object whose "equal" says whether checkpoint, history and predictions are the same. Both
versions are run on this machine, since bits are promised for one machine and one set of kernels. COMMIT's own
dependencies have to be installed. tests/scripts/test_old_runs.py tests the runs that are kept in tests/data.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[1]
# Images of 8x8 pixels are not resized, so the data's fingerprint does not depend on the version of Pillow.
TRAIN = {
    "--data.name": "digits",
    "--data.image_size": "8",
    "--data.crop_size": "8",
    "--model.name": "smallnet",
    "--model.options.width": "8",
    "--model.options.dropout_prob": "0.2",
    "--optimizer.name": "momentum",
    "--schedule.name": "patience",
    "--train.num_epochs": "2",
    "--train.batch_size": "128",
    "--train.keep_checkpoints": "1",
    "--train.threads": "1",
}
EPOCHS_RESUMED = 4
KEPT = ("config.yaml", "run.json", "history.csv", "timing.csv", "log.txt", "checkpoints/*/*", "checkpoints/*")


def script(root: Path, name: str, *arguments: object) -> None:
    """Run a script of the version in `root`."""
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(root / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} of {root} ended with {done.returncode}: {done.stderr}")


def resume(root: Path, run: Path) -> None:
    """Go on with a run, by the version in `root`."""
    script(root, "train.py", "--resume", run, "--train.num_epochs", EPOCHS_RESUMED)


@contextlib.contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The tree of an earlier version."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "-q", "--detach", tree, commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def train(tree: Path, run: Path) -> None:
    """Train the small run."""
    script(tree, "train.py", "--run-dir", run, *(part for option in TRAIN.items() for part in option))


def digit_files(folder: Path, count: int = 20) -> Path:
    """Write some digits as files, to be predicted."""
    folder.mkdir()
    for number, pixels in enumerate(load_digits().images[:count]):
        Image.fromarray((pixels * 255 / 16).astype("uint8")).save(folder / f"{number:02d}.png")
    return folder


def keep(commit: str, folder: Path) -> Path:
    """Write COMMIT.zip: the run before (run/) and, resumed by its own version, after (history and test scores)."""
    with checkout(commit) as tree, tempfile.TemporaryDirectory() as name:
        run, resumed = Path(name, "run"), Path(name, "resumed")
        train(tree, run)
        shutil.copytree(run, resumed, symlinks=True)
        resume(tree, resumed)
        digits = digit_files(Path(name, "digits"))
        script(tree, "predict.py", digits, "--run", run, "--output", Path(name, "predictions.csv"))
        archive = folder / f"{commit}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for path in sorted({path for pattern in KEPT for path in run.glob(pattern) if path.is_file()}):
                file.write(path, f"run/{path.relative_to(run)}")
            file.write(run / "test.json", "test.json")
            file.write(Path(name, "predictions.csv"), "predictions.csv")
            for result in ("history.csv", "test.json"):
                file.write(resumed / result, f"resumed/{result}")
    return archive


def digests(run: Path) -> dict[str, str]:
    """SHA-256 of what a resumed run leaves that must be the same to the bit."""
    newest = max((run / "checkpoints").glob("step-*"))
    files = [*newest.glob("model.ckpt.data-*"), run / "history.csv", run / "predictions.csv"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def compare(commit: str) -> dict[str, object]:
    """Train with COMMIT, resume and predict with both versions."""
    with checkout(commit) as tree, tempfile.TemporaryDirectory() as name:
        there, here = Path(name, "there"), Path(name, "here")
        train(tree, there)
        shutil.copytree(there, here, symlinks=True)
        digits = digit_files(Path(name, "digits"))
        for root, run in ((tree, there), (ROOT, here)):
            resume(root, run)
            script(root, "predict.py", digits, "--run", run, "--output", run / "predictions.csv")
        found = digests(there), digests(here)
    return {
        "equal": found[0] == found[1],
        "different": [name for name in found[0] if found[0][name] != found[1].get(name)],
        "compared": sorted(found[0]),
    }


def main() -> None:
    """Parse, keep or compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("keep", "compare"))
    parser.add_argument("commit")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "tests" / "data")
    arguments = parser.parse_args()
    if arguments.what == "keep":
        arguments.folder.mkdir(exist_ok=True)
        print(keep(arguments.commit, arguments.folder))
        return
    result = compare(arguments.commit)
    print(json.dumps(result))
    sys.exit(not result["equal"])


if __name__ == "__main__":
    main()
