"""Run a benchmark by its name: python -m benchmarks training --quick. Without a name, list them."""

import sys
from importlib import import_module
from typing import Any

from benchmarks.harness.markdown import markdown
from learning.errors import UsageError
from learning.terminal.command import run_script

COMMANDS = {
    "training": "speed.training",
    "inference": "speed.inference",
    "features": "speed.features",
    "exports": "speed.exports",
    "input": "speed.input",
    "epoch": "speed.epoch",
    "start": "speed.start",
    "stores": "speed.stores",
    "serving": "speed.serving",
    "memory": "speed.memory",
    "filter_gradients": "speed.filter_gradients",
    "freezing": "speed.freezing",
    "workers": "cluster.workers",
    "transfer": "accuracy.transfer",
    "reproduce": "reproduce",
    "performance": "performance",
}


def benchmark(name: str) -> Any:
    """Return the module of a command."""
    return import_module(f"benchmarks.{COMMANDS[name]}")


def listing() -> str:
    """Return the commands with the first lines of their modules."""
    rows = ([f"`{name}`", benchmark(name).__doc__.splitlines()[0]] for name in COMMANDS)
    return markdown(["`python -m benchmarks`", "what it answers"], rows)


def main() -> None:
    """Run the command that the first word names."""
    name, *words = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(listing())
        return
    sys.argv[0] = f"benchmarks {name}"  # which errors begin with
    if name not in COMMANDS:
        raise UsageError(f"there is no such benchmark; give one of {', '.join(COMMANDS)}")
    benchmark(name).main(words)


if __name__ == "__main__":
    run_script(main)
