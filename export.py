"""Export the network of a run for other programs. `python export.py --help` lists the options."""

from learning.export.command import export as main
from learning.export.command import run_export

__all__ = ["main"]

if __name__ == "__main__":
    run_export()
