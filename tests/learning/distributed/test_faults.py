"""learning/distributed/faults.py: what is said of a lost worker."""

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
