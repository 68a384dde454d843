"""Ask which NVIDIA GPUs a program may use. Imports no TensorFlow."""

import os
import subprocess
from itertools import takewhile

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """Return the GPUs that a program may use, as CUDA_VISIBLE_DEVICES lists them; CUDA stops at a negative one."""
    if VISIBLE not in os.environ:
        return _ask("index")
    listed = (name.strip() for name in os.environ[VISIBLE].split(","))
    return list(takewhile(lambda name: name and not name.startswith("-"), listed))


def gpu_name() -> str | None:
    """Return the model of the first GPU that a program may use, or None."""
    visible = visible_gpus()
    return next(iter(_ask("name", f"--id={visible[0]}")), None) if visible else None


def _ask(fact: str, *options: str) -> list[str]:
    """Return what nvidia-smi says about each GPU; an empty list if it is missing or fails."""
    command = ["nvidia-smi", f"--query-gpu={fact}", "--format=csv,noheader", *options]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.splitlines()
