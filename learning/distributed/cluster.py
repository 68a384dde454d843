"""Find out who the workers of a run are, from TF_CONFIG or Slurm's variables. Imports no TensorFlow."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.image_files.kept_listings import LAUNCH
from learning.errors import UsageError

TIMEOUT = "SESSIONNET_WORKER_TIMEOUT"  # seconds to wait for the other workers
ALLOW_OPEN = "SESSIONNET_ALLOW_OPEN_NETWORK"
RESTARTS = "SESSIONNET_RESTARTS"  # set by a launcher that will start lost workers again
DEFAULT_TIMEOUT = 600.0  # a chief writes checkpoints and pictures while the others wait
SLURM_PORT = (
    23000  # of the first worker of a node; jobs of a shared node differ by the last digits of their number
)
# The tasks of TF_CONFIG that train, in the order of the workers; the first one is the chief.
TRAINING_TASKS = ("chief", "master", "worker")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The workers of a run, seen by one of them.

    :ivar addresses: host:port of every worker; the first one is the chief, which alone writes files.
    :ivar index: which of them this process is.
    :ivar timeout: seconds after which a worker that does not answer counts as lost.
    :ivar allow_open: start TensorFlow's server on a machine with a public address, too.
    :ivar restarts: a launcher starts all workers again if one is lost.
    """

    addresses: tuple[str, ...]
    index: int
    timeout: float = DEFAULT_TIMEOUT
    allow_open: bool = False
    restarts: bool = False

    @property
    def size(self) -> int:
        """Return the number of workers."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Return whether this process is the chief."""
        return self.index == 0

    @property
    def address(self) -> str:
        """Return the address of this process."""
        return self.addresses[self.index]

    def share(self, count: int) -> slice:
        """Return which of `count` images this worker computes; the shares differ by one image at most."""
        start, stop = (count * index // self.size for index in (self.index, self.index + 1))
        return slice(start, stop)


def resume_command(run_dir: Path, size: int, environment: Mapping[str, str]) -> str:
    """Return what continues a run with as many workers as before.

    :param size: their number.
    :param environment: in which a launcher has set LAUNCH.
    """
    command = f"train.py --resume {run_dir}"
    if size == 1:
        return command
    by_launcher = f"python -m learning.launch --workers {size} {command}"
    return by_launcher if LAUNCH in environment else f"{command} on all {size} workers"


def cluster_of(environment: Mapping[str, str]) -> Cluster | None:
    """Return the workers that the environment describes; None if this process trains alone.

    :raises UsageError: a variable cannot be understood, or describes what this project does not have.
    """
    if "TF_CONFIG" in environment:
        addresses, index = _of_tf_config(environment["TF_CONFIG"])
    elif int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        addresses, index = _of_slurm(environment)
    else:
        return None
    if len(addresses) < 2:
        return None
    return Cluster(
        addresses=addresses,
        index=index,
        timeout=_timeout(environment.get(TIMEOUT)),
        allow_open=environment.get(ALLOW_OPEN) == "1",
        restarts=environment.get(RESTARTS) == "1",
    )


def _timeout(text: str | None) -> float:
    try:
        seconds = DEFAULT_TIMEOUT if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 10**6:
        raise UsageError(f"{TIMEOUT} is {text!r}; give seconds, at least 1")
    return seconds


def _of_tf_config(text: str) -> tuple[tuple[str, ...], int]:
    """Return the addresses and the index of this process, from the JSON that Kubeflow and others set."""
    try:
        config = json.loads(text)
        jobs: Mapping[str, Any] = config.get("cluster", {})
        kind, index = (config.get("task", {}).get(key) for key in ("type", "index"))
        addresses = {job: [str(address) for address in jobs[job]] for job in TRAINING_TASKS if job in jobs}
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"TF_CONFIG cannot be read: {error}; see docs/distributed.md") from error
    if not addresses:
        return (), 0
    if "ps" in jobs:
        raise UsageError(
            "TF_CONFIG names parameter servers (ps); this project trains without; leave them out"
        )
    if kind not in addresses:
        raise UsageError(f"TF_CONFIG has the task.type {kind!r}; its cluster has {', '.join(addresses)}")
    count = len(addresses[kind])
    if not str(index).isdecimal() or int(index) >= count:
        raise UsageError(f"TF_CONFIG has the task.index {index!r}; for {kind} it must be 0 to {count - 1}")
    earlier = TRAINING_TASKS[: TRAINING_TASKS.index(kind)]
    before = sum(len(of) for job, of in addresses.items() if job in earlier)
    return _checked([each for of in addresses.values() for each in of], "TF_CONFIG"), before + int(index)


def _of_slurm(environment: Mapping[str, str]) -> tuple[tuple[str, ...], int]:
    """Return the addresses and the index of this process, from the variables that srun sets.

    TensorFlow's SlurmClusterResolver cannot be used: without GPUs it fails, and it sorts the nodes by their names,
    so that node10 comes before node9, unlike the tasks.
    """
    try:
        hosts = expanded_hosts(environment["SLURM_STEP_NODELIST"])
        counts = _tasks_by_node(environment["SLURM_STEP_TASKS_PER_NODE"])
        index = int(environment["SLURM_PROCID"])
        first = SLURM_PORT + int(environment.get("SLURM_JOB_ID", "0")) % 1000 * 10
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"Slurm's variables cannot be read ({error}); start the workers with srun"
        ) from error
    addresses = [
        f"{host}:{first + k}" for host, count in zip(hosts, counts, strict=False) for k in range(count)
    ]
    if len(hosts) != len(counts) or not 0 <= index < len(addresses):
        raise UsageError(
            f"Slurm's variables name {len(hosts)} nodes with tasks for {len(counts)}, and this is task {index}; "
            "start the workers with srun"
        )
    return _checked(addresses, "Slurm"), index


def expanded_hosts(text: str) -> list[str]:
    """Return the hosts of a Slurm list, such as `node[08-10],big`, in its order."""
    hosts = list[str]()
    for prefix, ranges, suffix in re.findall(r"([^,\[\]]+)(?:\[([\d,-]+)\])?([^,\[\]]*)(?:,|$)", text):
        names = [""]
        if ranges:
            names = [
                str(number).zfill(len(first))
                for first, _, last in (part.partition("-") for part in ranges.split(","))
                for number in range(int(first), int(last or first) + 1)
            ]
        hosts += [f"{prefix}{name}{suffix}" for name in names]
    return hosts


def _tasks_by_node(text: str) -> list[int]:
    """Return the numbers of tasks in Slurm's short form: 2(x3),1 is 2, 2, 2, 1."""
    found = [re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part) for part in text.split(",")]
    return [int(match[1]) for match in found if match for _ in range(int(match[2] or 1))]


def _checked(addresses: list[str], source: str) -> tuple[str, ...]:
    """Return the addresses. UsageError unless all are host:port, and different."""
    for address in addresses:
        if not re.fullmatch(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", address):
            raise UsageError(f"{source} has the address {address!r}; it must be host:port")
    if len(set(addresses)) < len(addresses):
        raise UsageError(f"{source} has an address twice; every worker needs its own: {', '.join(addresses)}")
    return tuple(addresses)
