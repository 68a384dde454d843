"""Test the weights of a run. `python test.py --help` lists the options."""

from learning.programs.scripts import run_test
from learning.programs.scripts import test as main

__all__ = ["main"]

if __name__ == "__main__":
    run_test()
