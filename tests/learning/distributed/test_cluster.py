"""The workers of a run as TF_CONFIG and Slurm's variables name them."""

import json

import pytest

from datasets.image_files.kept_listings import LAUNCH
from learning.distributed.cluster import (
    ALLOW_OPEN,
    TIMEOUT,
    Cluster,
    cluster_of,
    expanded_hosts,
    resume_command,
)
from learning.errors import UsageError


def config(kind="worker", index=0, **jobs):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def test_tf_config_names_the_workers_chief_first():
    found = cluster_of(
        config(index=1, worker=["a:1", "b:2"], chief=["c:3"]) | {TIMEOUT: "600", ALLOW_OPEN: "1"}
    )
    assert found == Cluster(addresses=("c:3", "a:1", "b:2"), index=2, timeout=600, allow_open=True)
    assert not found.is_chief
    assert found.address == "b:2"


@pytest.mark.parametrize(
    "environment", [{}, {"SLURM_PROCID": "0"}, config(worker=["a:1"]), {"TF_CONFIG": "{}"}]
)
def test_one_process_is_no_cluster(environment):
    assert cluster_of(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG cannot be read"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG cannot be read"),
        (config(worker=["a:1", "b:1"], ps=["c:1"]), "names parameter servers"),
        (config(index=2, worker=["a:1", "b:1"]), "the task.index 2; for worker it must be 0 to 1"),
        (config(index=None, worker=["a:1", "b:1"]), "the task.index None; for worker it must be 0 to 1"),
        (
            config(kind="evaluator", worker=["a:1", "b:1"]),
            "the task.type 'evaluator'; its cluster has worker",
        ),
        (config(worker=["a", "b:1"]), "the address 'a'; it must be host:port"),
        (config(worker=["a:1", "a:1"]), "an address twice"),
        (config(worker=["a:1", "b:1"]) | {TIMEOUT: "soon"}, f"{TIMEOUT} is 'soon'; give seconds"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "Slurm's variables cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(environment, message):
    with pytest.raises(UsageError, match=message):
        cluster_of(environment)


def test_an_index_may_be_a_string_as_in_tensorflow():
    assert cluster_of(config(index="1", worker=["a:1", "b:1"])).index == 1


def test_a_run_is_continued_by_as_many_workers():
    assert resume_command("run", 1, {}) == "train.py --resume run"
    assert resume_command("run", 2, {}) == "train.py --resume run on all 2 workers"
    by_launcher = "python -m learning.launch --workers 2 train.py --resume run"
    assert resume_command("run", 2, {LAUNCH: "x"}) == by_launcher


def test_slurm_names_the_workers_in_the_order_of_its_tasks():
    environment = {
        "SLURM_STEP_NUM_TASKS": "5",
        "SLURM_STEP_NODELIST": "node[9-10],gpu",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
        "SLURM_PROCID": "3",
        "SLURM_JOB_ID": "4007",
    }
    found = cluster_of(environment)
    assert found.addresses == ("node9:23070", "node9:23071", "node10:23070", "node10:23071", "gpu:23070")
    assert found.index == 3


def test_lists_of_hosts_are_expanded():
    assert expanded_hosts("a[08-10,12]-ib,b") == ["a08-ib", "a09-ib", "a10-ib", "a12-ib", "b"]


@pytest.mark.parametrize(
    ("size", "count", "sizes"), [(2, 12, [6, 6]), (3, 10, [3, 3, 4]), (4, 3, [0, 1, 1, 1])]
)
def test_shares_cover_a_batch(size, count, sizes):
    addresses = tuple(f"a:{port}" for port in range(1, size + 1))
    shares = [Cluster(addresses=addresses, index=index).share(count) for index in range(size)]
    assert [share.stop - share.start for share in shares] == sizes
    assert [row for share in shares for row in range(count)[share]] == list(range(count))
