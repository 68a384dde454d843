"""Call scripts without waiting for TensorFlow: in this process, or in forks of one that has imported it.

    call_main("train.py", "--run-dir", path)

    with warm_scripts() as call:
        done = call("train.py", "--run-dir", path)

A fork has its own arguments, streams and exit code, as with `subprocess.run`; the process that forks never opens a
session. Tests of imports call `python script.py` itself.
"""

import contextlib
import gc
import json
import os
import runpy
import select
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3600  # seconds after which a call counts as hanging
Done = subprocess.CompletedProcess[str]


def call_main(script: str | Callable[[], object], *arguments: object) -> None:
    """Call the `main` of a script, or a function, in this process with these arguments."""
    with mock.patch.object(sys, "argv", [str(script), *map(str, arguments)]):
        (
            runpy.run_path(str(ROOT / script), run_name="called")["main"]
            if isinstance(script, str)
            else script
        )()


@contextlib.contextmanager
def warm_scripts() -> Iterator[Callable[..., Done]]:
    """Yield a function that calls a script and returns the finished process with its output.

    It takes the script and its arguments; `cwd`; `prepare`, code that the process runs first; `pipe`, a named pipe
    that gets what would be returned as texts.
    """
    command = [sys.executable, "-m", "tests.support.scripts"]
    one_thread = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
    }  # a process with several threads cannot be forked safely
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=one_thread
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def call(
            script: str, *arguments: object, cwd: object = None, prepare: str = "", pipe: object = None
        ) -> Done:
            with tempfile.TemporaryDirectory() as name:
                out, err = Path(name, "stdout"), Path(name, "stderr")
                Path(name, "prepare.py").write_text(prepare)
                request = {
                    "arguments": [str(ROOT / script), *map(str, arguments)],
                    "environment": dict(os.environ),
                    "cwd": str(cwd or Path.cwd()),
                    "prepare": f"{name}/prepare.py",
                    "stdout": str(pipe or out),
                    "stderr": str(pipe or err),
                }
                print(json.dumps(request), file=server.stdin, flush=True)
                if not select.select([server.stdout], [], [], LIMIT)[0]:
                    server.kill()
                    raise TimeoutError(f"{script} did not end within {LIMIT} s")
                code = json.loads(server.stdout.readline())
                texts = [path.read_text() if pipe is None else "" for path in (out, err)]
                return subprocess.CompletedProcess(request["arguments"], code, *texts)

        try:
            yield call
        finally:
            server.kill()


def serve() -> None:
    """Answer each request, a line on stdin, with the exit code of its process."""
    import learning.evaluation.run_test
    import learning.inference.prediction
    import learning.optimizers
    import learning.pictures.plots
    import learning.reports.run_page
    import learning.training.training_images  # noqa: F401

    gc.freeze()  # or each fork would look through the objects of TensorFlow again
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(**json.loads(line))
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])), flush=True)


def become(
    arguments: list[str], environment: dict[str, str], cwd: str, prepare: str, stdout: str, stderr: str
) -> None:
    """Run a script in this process, and end it."""
    code: Any = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in ((2, stderr), (1, stdout)):  # opening a pipe waits for its reader
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
        # The server's stream objects do not know of the new descriptors.
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = arguments
        runpy.run_path(prepare)
        runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as left:
        code = left.code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(_ended(code))


def _ended(code: Any) -> int:
    """Wait for threads and flush output, as Python does at exit; returns the exit code."""
    threading._shutdown()  # type: ignore[attr-defined]
    try:
        sys.stdout.flush()
    except OSError:
        return 120  # as Python itself
    sys.stderr.flush()
    return code if isinstance(code, int) else 0 if code is None else 1


if __name__ == "__main__":
    serve()
