"""Kill a training run at random moments, resume it each time, and compare it with an uninterrupted run.

    python -m tests.kill_and_resume FOLDER [--kills 12] [--seed 0]

Prints one JSON object: kills, equal, and what of the two ends was compared. TensorFlow is imported once and every
attempt is a fork made before any session exists, so that a kill costs a fraction of a second.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow.compat.v1 as v1

from learning.checkpoints.store import CheckpointStore
from learning.errors import CheckpointError, DirectoryInUseError, StorageError
from learning.evaluators import AccuracyEvaluator
from learning.optimizers import MomentumOptimizer
from tests.conftest import make_set, tiny_model

NUM_IMAGES = 48
AUGMENTATION = {"crop_scale": (0.3, 1.0), "color_jitter": 0.4, "order": "balanced"}
LOSS = {"label_smoothing": 0.1, "class_weights": [0.8, 1.2]}
EXIT_CODES = {CheckpointError: 4, StorageError: 6, DirectoryInUseError: 7}
HP = {
    "batch_size": 7,  # does not divide the set: batches straddle epochs
    "num_epochs": 20,
    "init_learning_rate": 0.02,
    "learning_rate_patience": 3,
    "learning_rate_decay": 0.5,
    "save_every_steps": 2,
}


def train(folder: Path) -> None:
    """Start or resume the run in `folder`; at the end leave its digests in digests.json."""
    model = tiny_model(dropout_prob=0.3, **LOSS)
    optimizer = MomentumOptimizer(
        model, make_set(NUM_IMAGES, **AUGMENTATION), AccuracyEvaluator(), make_set(15, seed=1), **HP
    )
    config = v1.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=2)
    with v1.Session(graph=model.graph, config=config) as sess:
        optimizer.train(sess, folder, verbose=False, resume=folder.exists())
        values = sess.run([*optimizer.variables, model.global_step])
    weights = hashlib.sha256(b"".join(value.tobytes() for value in values)).hexdigest()
    history = hashlib.sha256((folder / "history.csv").read_bytes()).hexdigest()
    state = hashlib.sha256(optimizer.state.to_json().encode()).hexdigest()
    (folder / "digests.json").write_text(json.dumps({"weights": weights, "history": history, "state": state}))


def start(folder: Path, prepare: Callable[[], object] = lambda: None) -> int:
    """Train in a child process, which calls `prepare` first and exits as a script does; returns its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            prepare()
            train(folder)
            code = 0
        except tuple(EXIT_CODES) as error:
            code = EXIT_CODES[type(error)]
        finally:
            os._exit(code)
    return pid


def finish(folder: Path) -> None:
    """Train to the end in a child process."""
    _, status = os.waitpid(start(folder), 0)
    if status != 0:
        sys.exit(f"training failed in {folder}: exit code {os.waitstatus_to_exitcode(status)}")


def digests(folder: Path) -> dict[str, str]:
    """Return the digests of a finished run."""
    return json.loads((folder / "digests.json").read_text())


def kill_after(folder: Path, step: int, delay: float) -> None:
    """Train in a child process and kill it `delay` seconds after a checkpoint of `step` or more appeared."""
    pid = start(folder)
    while max(CheckpointStore(folder).steps(), default=0) < step:
        time.sleep(0.001)
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            sys.exit(f"the run in {folder} ended by itself before update {step}")
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"the run in {folder} ended before it was killed; give it more epochs")


def main() -> None:
    """Run the reference and the run that is killed, and compare; leaves with 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=12, help="two at least (default: 12)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    total = HP["num_epochs"] * (NUM_IMAGES // HP["batch_size"])
    # The first kill comes while the first attempt starts, the last just after the last save, the others at random.
    steps = [0, *sorted(draw.randrange(1, int(0.9 * total)) for _ in range(arguments.kills - 2)), total]
    for step in steps:
        kill_after(arguments.folder / "killed", step, draw.uniform(0, 0.05))
    finish(arguments.folder / "killed")
    finish(arguments.folder / "peace")
    ends = [digests(arguments.folder / name) for name in ("peace", "killed")]
    equal = ends[0] == ends[1]
    print(json.dumps({"kills": len(steps), "equal": equal, "peace": ends[0], "killed": ends[1]}))
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
