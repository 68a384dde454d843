"""The product never runs the content of a file, and no test depends on the time.

ruff finds most of the refused calls, and this module the others. Tests wait for events: a test that used the clock
would fail on a busy machine.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [
    *(ROOT / name for name in ("train.py", "test.py", "predict.py", "export.py", "serve.py")),
    *(path for room in ("datasets", "models", "learning") for path in sorted((ROOT / room).glob("**/*.py"))),
]
# Calls that read a file by running it, by their last word or their full name.
REFUSED_WORDS = {
    *("unsafe_load", "unsafe_load_all", "full_load", "full_load_all", "read_pickle", "_Unpickler"),
    *(
        "extract",
        "extractall",
        "unpack_archive",
        "import_meta_graph",
        "load_model",
        "load_library",
        "__import__",
    ),
}
REFUSED_NAMES = {
    *("torch.load", "joblib.load", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads"),
    *("tensorflow.saved_model.load", "tensorflow.compat.v1.saved_model.load", "ctypes.CDLL"),
}

TESTS = sorted((ROOT / "tests").rglob("*.py"))
CLOCKS = {"sleep", "time", "monotonic", "perf_counter", "process_time", "thread_time"}
CLOCKS |= {f"{name}_ns" for name in CLOCKS}
OTHER_CLOCKS = {
    *(f"datetime.{kind}.{now}" for kind in ("datetime", "date") for now in ("now", "utcnow", "today")),
    *("signal.alarm", "signal.setitimer"),
}
# These need the time: kills at random moments, a load of some minutes, figures that decide nothing.
MAY_USE_CLOCKS = {"bad_tree.py", "kill_and_resume.py", "soak.py", "wire.py", "worker_faults.py"}
SHORTEST = 300  # seconds: only what hangs takes longer


def findings(code: str) -> list[str]:
    """Return the names of the refused calls in a module; `numpy.load` is one unless it says allow_pickle=False."""
    tree = ast.parse(code)
    known = _imported(tree)
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        first, *rest = ast.unparse(call.func).split(".")
        name = ".".join([known.get(first, first), *rest])
        pickles = name == "numpy.load" and not any(
            word.arg == "allow_pickle" and ast.unparse(word.value) == "False" for word in call.keywords
        )
        if pickles or name in REFUSED_NAMES or name.rpartition(".")[2] in REFUSED_WORDS:
            found.append(name)
    return found


def _imported(tree: ast.AST) -> dict[str, str]:
    """Return the full name behind each imported name."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def clocks(code: str) -> list[str]:
    """Return where a test asks for the time, sleeps, or waits for less time than a busy machine may need.

    Strings are searched too, because they may be the code of another process.
    """
    tree = ast.parse(code)
    known = _imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += re.findall(rf"\btime\.(?:{'|'.join(sorted(CLOCKS))})\(", node.value)
        if not isinstance(node, ast.Call):
            continue
        first, *rest = ast.unparse(node.func).split(".")
        name = ".".join([known.get(first, first), *rest])
        module, _, word = name.rpartition(".")
        if (module == "time" and word in CLOCKS) or name in OTHER_CLOCKS or word == "settimeout":
            found.append(name)
        limits = [key.value for key in node.keywords if key.arg == "timeout"]
        limits += node.args[:1] if word in ("wait", "join") else []
        for limit in limits:
            if (
                isinstance(limit, ast.Constant)
                and isinstance(limit.value, int | float)
                and limit.value < SHORTEST
            ):
                found.append(f"{word} within {limit.value} s")
    return found


def ruff(*arguments: str, code: str = "") -> list[dict]:
    """Return what ruff finds with the rules of the project."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json", *arguments],
        input=code,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_the_product_has_no_refused_call():
    found = {path.name: findings(path.read_text()) for path in PRODUCT if findings(path.read_text())}
    assert found == {
        # An export that the project has just written, in a process of its own.
        "answer.py": ["tensorflow.compat.v1.saved_model.load"],
        "launch.py": ["ctypes.CDLL"],  # the C library of this process, for a call that Python lacks
    }


def test_the_product_has_no_ruff_violation_and_suppresses_none():
    assert ruff("--select", "S,E722", "--ignore", "S404,S603,S607", *map(str, PRODUCT)) == []
    hidden = re.compile(r"noqa(?!: (?!S)[A-Z]+\d+)|ruff: noqa")
    assert [path.name for path in PRODUCT if hidden.search(path.read_text())] == []


@pytest.mark.parametrize(
    "file", ["train.py", "datasets/x.py", "models/x.py", "learning/x.py", "learning/terminal/command.py"]
)
def test_ruff_finds_what_is_planted(file):
    planted = {
        "assert x": "S101",
        "exec(x)": "S102",
        "eval(x)": "S307",
        "pickle.load(x)": "S301",
        "pickle.loads(x)": "S301",
        "pickle.Unpickler(x)": "S301",
        "shelve.open(x)": "S301",
        "marshal.loads(x)": "S302",
        "yaml.load(x)": "S506",
        "yaml.load(x, Loader=yaml.Loader)": "S506",
        "tarfile.open(x).extractall(x)": "S202",
        "tarfile.open(x).extractall(x, filter='fully_trusted')": "S202",
        "zipfile.ZipFile(x).extractall(x)": "S202",
        "subprocess.run(x, shell=True)": "S602",
        "os.system(x)": "S605",
    }
    lines = ["import marshal, os, pickle, shelve, subprocess, tarfile, yaml, zipfile", "x = 0", *planted]
    swallowed = ["try:", "    x = 1", "except:", "    pass"]
    found = {
        (entry["location"]["row"], entry["code"])
        for entry in ruff("--stdin-filename", file, "-", code="\n".join([*lines, *swallowed]) + "\n")
    }
    for row, (line, code) in enumerate(planted.items(), 3):
        assert (row, code) in found, line
    assert {(len(lines) + 3, "E722"), (len(lines) + 3, "S110")} <= found


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nnp.load(x)",
        "import numpy as np\nnp.load(x, allow_pickle=True)",
        "import numpy as np\nnp.load(x, None, False)",
        "from numpy import load as get\nget(x)",
        "import torch\ntorch.load(x, weights_only=True)",
        "from torch import load\nload(x)",
        "import yaml\nyaml.unsafe_load(x)",
        "archive.extract(x)",
        "archive.extractall(x)",
        "import shutil\nshutil.unpack_archive(x)",
        "import tensorflow.compat.v1 as v1\nv1.train.import_meta_graph(x)",
        "import tensorflow as tf\ntf.saved_model.load(x)",
        "tf.keras.models.load_model(x)",
        "pickle._Unpickler(x).load()",
        "__import__(x)",
    ],
)
def test_a_refused_call_is_found(code):
    assert len(findings(code)) == 1
    *imports, call = code.splitlines()
    assert len(findings("\n".join([*imports, f"def f(x):\n    return [lambda: {call}]"]))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nnp.load(x, mmap_mode='r', allow_pickle=False)",
        "import yaml\nyaml.safe_load(x)",
        "archive.extractfile(x)",
        "import json\njson.load(x)",
    ],
)
def test_what_only_reads_is_let_through(code):
    assert findings(code) == []


def test_tests_do_not_use_the_clock():
    others = [path for path in TESTS if path.name not in MAY_USE_CLOCKS | {Path(__file__).name}]
    assert {path.name: clocks(path.read_text()) for path in others if clocks(path.read_text())} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1)",
        "import time as t\nt.perf_counter_ns()",
        "from time import monotonic\nmonotonic()",
        "from time import sleep as rest\nrest(x)",
        "run([python, '-c', 'import time; time.sleep(60)'])",
        "subprocess.run(x, timeout=60)",
        "event.wait(0.5)",
        "thread.join(5)",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "from datetime import date as day\nday.today()",
        "import signal\nsignal.alarm(60)",
        "from signal import setitimer\nsetitimer(x, 0.5)",
        "sock.settimeout(x)",
    ],
)
def test_a_clock_is_found(code):
    assert len(clocks(code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(x, timeout=600)",
        "event.wait()",
        "assert event.wait(300)",
        "', '.join(x)",
        "import time\ntime.strftime(x)",
        "patch.setattr(x, 'time', SimpleNamespace(monotonic=lambda: 3))",
    ],
)
def test_what_waits_for_an_event_is_let_through(code):
    assert clocks(code) == []
