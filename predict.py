"""Label images with the weights of a run. `python predict.py --help` lists the options."""

from learning.programs.scripts import predict as main
from learning.programs.scripts import run_predict

__all__ = ["main"]

if __name__ == "__main__":
    run_predict()
