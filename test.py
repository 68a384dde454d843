"""Test the weights of a run. `python test.py --help` lists the options."""

from learning.terminal.programs import run_test
from learning.terminal.programs import test as main

__all__ = ["main"]

if __name__ == "__main__":
    run_test()
