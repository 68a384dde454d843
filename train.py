"""Train a classifier, test its weights, say where the run is. `python train.py --help` lists the options."""

from learning.programs.scripts import run_train
from learning.programs.scripts import train as main

__all__ = ["main"]

if __name__ == "__main__":
    run_train()
