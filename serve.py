"""Answer requests with the weights of a run. `python serve.py --help` lists the options."""

from learning.serving.command import run_serve
from learning.serving.command import serve as main

__all__ = ["main"]

if __name__ == "__main__":
    run_serve()
