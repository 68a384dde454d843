"""learning/distributed/faults.py: what is said of a lost worker."""

import socket

import pytest
import tensorflow as tf

from learning.distributed.cluster import Cluster
from learning.distributed.faults import Watch
from learning.errors import ClusterError
from learning.launch import free_ports


@pytest.mark.parametrize(
    ("restarts", "advice"),
    [
        (False, "the last checkpoint is whole: start all workers again, with --resume"),
        (True, "the launcher will start all workers again$"),
    ],
)
def test_the_advice_for_a_lost_worker_knows_of_a_restart(restarts, advice):
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))  # nobody listens there
    watch = Watch(Cluster(addresses=addresses, index=0, restarts=restarts))
    message = rf"^worker 1 \({addresses[1]}\) has ended or cannot be reached; {advice}"
    with pytest.raises(ClusterError, match=message), watch.reporting():
        raise tf.errors.UnavailableError(None, None, "a remote target is gone")


def test_a_limit_that_is_over_is_said_to_be_raised():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        addresses = (f"127.0.0.1:{free_ports(1)[0]}", f"127.0.0.1:{other.getsockname()[1]}")
        watch = Watch(Cluster(addresses=addresses, index=0, timeout=400))
        message = (
            r"^a step of all workers took longer than 400 s, .* the limit is too short \(SESSIONNET_WORKER_"
        )
        with pytest.raises(ClusterError, match=message), watch.reporting():
            raise tf.errors.DeadlineExceededError(None, None, "Operation timed out.")


def test_a_deadline_of_a_callback_is_not_that_of_the_workers():
    watch = Watch(Cluster(addresses=("127.0.0.1:1", "127.0.0.1:2"), index=0))
    with pytest.raises(tf.errors.DeadlineExceededError), watch.reporting():
        raise tf.errors.DeadlineExceededError(None, None, "the bucket does not answer")
