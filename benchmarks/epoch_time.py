"""Training ResNet-20 on CIFAR-10: images/s of the project against its PyTorch peer, side by side.

    python -m benchmarks.epoch_time DATA_DIR [--rounds 5] [--seconds 20] [--output FILE]

Both make whole training steps, batches included: the project those of configs/resnet20-cifar10-fast.yaml, through
its data set, its prefetching and its optimizer's op, the peer those of benchmarks/torch_cifar10.py. Each lives in a
process of its own, and they take turns (benchmarks/sides.py).
"""

import argparse
from itertools import count
from pathlib import Path

from benchmarks.arguments import cifar10_parser, require_counts
from benchmarks.cifar10_peer import require_torch
from benchmarks.figures import environment, print_table, processor, summary, write
from benchmarks.sides import PROJECT, Contestant, Step, measure
from learning.files import check_writable
from learning.scripts import run_script

RECIPE = "resnet20-cifar10-fast"
LEARNING_RATE = 0.01  # of every step: the speed does not depend on it, but the loss must stay finite
WARM_STEPS = 10  # of each before the first round


def project_step(data_dir: str, limit: int | None) -> Step:
    """The step of the recipe's training loop."""
    from learning.cli import parse_train

    sample = [] if limit is None else ["--data.sample_size", str(limit)]
    config = parse_train(["--config", RECIPE, "--data-dir", data_dir, *sample]).config
    from datasets.prefetch import Prefetcher
    from learning import experiment

    splits = experiment.open_data(config)
    experiment.check_fits(config, splits)
    train = config.train
    optimizer = experiment.build_training(config, splits)
    model = optimizer.model
    sess = experiment.open_session(model, train.threads)
    sess.run(optimizer.initialize)
    batches = Prefetcher(splits.train, train.batch_size, augment=train.augment_train)

    def step() -> int:
        images, labels, _ = next(batches)
        feed = model.feed(images, labels, is_train=True)
        feed[optimizer.learning_rate_placeholder] = LEARNING_RATE
        sess.run([optimizer.optimize, model.loss, model.pred], feed)
        return len(images)

    return step


def torch_step(data_dir: str, limit: int | None) -> Step:
    """The step of the peer, through the set again and again."""
    from benchmarks.torch_cifar10 import Peer, Settings
    from datasets.cifar10 import load_cifar10

    splits = load_cifar10(data_dir, val_fraction=0.0, sample_size=limit)
    peer = Peer(splits.train, Settings(threads=processor()[1]))
    size = peer.settings.batch_size
    batches = (batch for _ in count() for batch in peer.batches.epoch(size))

    def step() -> int:
        images, labels = next(batches)
        peer.step(images, labels, LEARNING_RATE)
        return len(images)

    return step


def parse() -> argparse.Namespace:
    """The command line."""
    parser = cifar10_parser("epoch_time", str(__doc__))
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side (default: 5)")
    parser.add_argument("--seconds", type=float, default=20, help="of a measurement (default: 20)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the figures, as JSON")
    arguments = parser.parse_args()
    require_counts(parser, arguments, "rounds", "seconds")
    return arguments


def main() -> None:
    """Measure, print, and write the figures to a file if asked to."""
    arguments = parse()
    require_torch()
    if arguments.output:
        check_writable(arguments.output)
    name, cores = processor()
    figures = {
        "environment": environment(cores),
        "recipe": RECIPE,
        "options": {"rounds": arguments.rounds, "seconds": arguments.seconds, "limit": arguments.limit},
    }
    given = (str(Path(arguments.data_dir).resolve()), arguments.limit)
    rates, failures = measure(
        {PROJECT: Contestant(project_step, given), "torch": Contestant(torch_step, given)},
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_steps=WARM_STEPS,
    )
    found = summary(rates, failures)
    print_table(f"ResNet-20, batch 128, bfloat16, whole training steps on {name}, {cores} cores", found)
    if arguments.output:
        write(arguments.output, figures | found)


if __name__ == "__main__":
    run_script(main)
