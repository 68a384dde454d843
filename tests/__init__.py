"""Set the environment of the tests and of the processes that they start.

The tests mirror the packages. Suites over many modules have their own names: damaged files and bombs for every
reader (tests/datasets), networks against peers and in TF1 style (tests/models), scripts as users call them
(tests/scripts), and the project's own files (tests/project).
"""

import os
from pathlib import Path

# Variables that change how programs print are removed; those that choose the kernels stay.
for variable in ("PYTHONWARNINGS", "TERM", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "KERAS_BACKEND"):
    os.environ.pop(variable, None)

# Processes import this checkout, wherever they start.
ROOT = Path(__file__).resolve().parent.parent
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
