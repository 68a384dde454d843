"""Run `python -m datasets.check DIR`."""

import sys

from datasets.check.command import main

if __name__ == "__main__":
    sys.exit(main())
