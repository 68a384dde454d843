"""What the workers of a run do together: TensorFlow's server, sessions on it, sums, and agreement."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from learning.machine.session import session_config, tf, v1  # before any other module imports TensorFlow

# isort: split
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from learning.distributed.agreement import differing, digest, digests, weights_digest
from learning.distributed.alone import Alone
from learning.distributed.arrays import ArraySums
from learning.distributed.cluster import Cluster
from learning.distributed.faults import Watch
from learning.distributed.network import await_all, check_exposure, check_port, named
from learning.distributed.reduction import BUCKET_BYTES, Reduction, run_options
from learning.errors import ClusterError, UsageError
from models.convnet import ConvNet
from models.graph.batch_share import BatchShare
from models.graph.freezing import changed_variables

JOB = "worker"
LOADING = 24 * 3600.0  # seconds that a worker may need before it trains, to fetch and decode its images


class Workers(Alone):
    """This process's part in a cluster.

    :param threads: TensorFlow's threads, 0 for one per core.
    :param bucket_bytes: see `Reduction`.
    :raises ClusterError: the port is in use, or another worker does not start.
    :raises UsageError: the port would be open to the public.
    """

    def __init__(self, cluster: Cluster, threads: int = 0, bucket_bytes: int = BUCKET_BYTES) -> None:
        check_exposure(cluster)
        check_port(cluster.address)
        self.index, self.size, self.is_chief = cluster.index, cluster.size, cluster.is_chief
        self._cluster, self._watch = cluster, Watch(cluster)
        self._config = _session_config(cluster, threads)
        spec = v1.train.ClusterSpec({JOB: list(cluster.addresses)})
        self._server = v1.train.Server(spec, job_name=JOB, task_index=self.index, config=self._config)
        self._sums = ArraySums(self._session, self.size)
        self._bucket_bytes = bucket_bytes
        self._reduction = Reduction(self.size, bucket_bytes=bucket_bytes)
        self.run_options = run_options(cluster.timeout)
        self._patience = cluster.timeout
        await_all(cluster)

    def loading(self) -> None:
        self._patience = LOADING

    def begin(self) -> None:
        self._patience = self._cluster.timeout

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        with self._watch.looking(), self._watch.reporting():
            yield

    def part(self) -> None:
        if self._watch.is_looking:
            with contextlib.suppress(tf.errors.OpError):  # another worker may leave a moment earlier
                self._sum(np.zeros(1))
            self._watch.stop()

    def _session(self, graph: tf.Graph, *, fuse: bool = True) -> v1.Session:
        config = v1.ConfigProto()
        config.CopyFrom(self._config)
        if not fuse:
            config.graph_options.rewrite_options.remapping = RewriterConfig.OFF
        return self._watch.add(v1.Session(self._server.target, graph=graph, config=config))

    def open_session(self, model: ConvNet, threads: int) -> v1.Session:
        # TensorFlow's server refuses fused operations in bfloat16, although oneDNN has kernels for them.
        return self._session(model.graph, fuse=model.options["precision"] != "bfloat16")

    def divide(self, batch_size: int, *, sync_batch_norm: bool = False) -> BatchShare:
        if batch_size < self.size:
            raise UsageError(
                f"train.batch_size is {batch_size}, and there are {self.size} workers; give each at least one image"
            )
        self.rows = self._cluster.share(batch_size)
        share = (self.rows.stop - self.rows.start) / batch_size
        self._reduction = Reduction(self.size, share=share, bucket_bytes=self._bucket_bytes)
        return BatchShare(
            self.rows.start, self.rows.stop, batch_size, self._reduction.sum if sync_batch_norm else None
        )

    def weight(self) -> tf.Tensor:
        return tf.constant(self._reduction.share, tf.float32)

    def summed(self, gradients: Sequence[Any]) -> list[Any]:
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        # The backward pass reaches the last variables first.
        return self._reduction.sum_all(dense[::-1])[::-1]

    def averaged_statistics(self, model: ConvNet) -> list[Any]:
        names = changed_variables(model.update_ops)
        moving = [v for v in model.variables if v.op.name in names and v.dtype.base_dtype.is_floating]
        with tf.control_dependencies(model.update_ops):
            values = [
                variable.read_value() * tf.cast(self._reduction.share, variable.dtype) for variable in moving
            ]
        means = self._reduction.sum_all(values)
        return [*model.update_ops, *(v1.assign(v, mean) for v, mean in zip(moving, means, strict=True))]

    def news(self, loss: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        own = tf.one_hot(self.index, self.size) * stop
        return self._reduction.sum(tf.concat([[loss * self._reduction.share], own], axis=0))

    def part_of(self, dataset: Any) -> Any:
        return _Rows(dataset, self._cluster.share(dataset.num_examples))

    def gather(self, rows: np.ndarray, count: int) -> np.ndarray:
        whole = np.zeros((count, *rows.shape[1:]))
        whole[self._cluster.share(count)] = rows
        return self._sum(whole).astype(rows.dtype)

    def from_chief(self, value: Any) -> Any:
        data = json.dumps(value).encode() if self.is_chief else b""
        size = int(self._sum(np.array([float(len(data))]))[0])
        padded = np.frombuffer(data.ljust(size, b"\0"), np.uint8).astype(np.float64)
        return json.loads(self._sum(padded).astype(np.uint8).tobytes())

    def copy_variables(self, sess: v1.Session, variables: Sequence[tf.Variable]) -> None:
        with sess.graph.as_default():
            copies = [self._reduction.from_first(variable, self.is_chief) for variable in variables]
            sess.run(tf.group(*copies), options=self.run_options)

    def agree_on_values(self, sess: v1.Session, variables: Sequence[tf.Variable]) -> None:
        checksum = float(weights_digest(sess.run(list(variables))))
        rows = self._of_each([checksum])
        if wrong := np.flatnonzero(rows[:, 0] != rows[0, 0]).tolist():
            raise ClusterError(
                f"{named(self._cluster, [self._cluster.addresses[wrong[0]]])} has different weights from worker 0, "
                "and they were not saved: its processor, its memory or its version of TensorFlow computes "
                "something else; leave it out, and resume"
            )

    def stop(self, own: int, told: Sequence[int]) -> int:
        return next((reason for reason in told if reason), 0)

    def agree(self, what: str, facts: Mapping[str, Any]) -> None:
        rows = self._of_each([digest(sorted(facts))])
        different = {worker: ["their names"] for worker in np.flatnonzero(rows[:, 0] != rows[0, 0]).tolist()}
        if not different:
            different = differing(facts, self._of_each(digests(facts)))
        if different:
            worker, names = next(iter(different.items()))
            raise ClusterError(
                f"{named(self._cluster, [self._cluster.addresses[worker]])} has {what} that differ from those of "
                f"worker 0: {', '.join(names)}; start all workers with the same program, arguments and data"
            )

    def _of_each(self, values: Sequence[float]) -> np.ndarray:
        """Return the values of every worker: float64 (workers, values)."""
        rows = np.zeros((self.size, len(values)))
        rows[self.index] = values
        return self._sum(rows)

    def _sum(self, values: np.ndarray) -> np.ndarray:
        return self._sums.sum(values, self._patience)


class _Rows:
    """Some rows of a set, for `ConvNet.predict`."""

    def __init__(self, dataset: Any, rows: slice) -> None:
        self._dataset, self._start = dataset, rows.start
        self.num_examples, self.num_crops = rows.stop - rows.start, dataset.num_crops

    def batch(self, indices: np.ndarray, **options: Any) -> Any:
        return self._dataset.batch(indices + self._start, **options)


def _session_config(cluster: Cluster, threads: int) -> v1.ConfigProto:
    """Return the options of the server and of its sessions, which see the devices of this process alone."""
    config = session_config(threads)
    config.experimental.collective_group_leader = f"/job:{JOB}/replica:0/task:0"
    config.isolate_session_state = True
    config.device_filters.append(f"/job:{JOB}/replica:0/task:{cluster.index}")
    return config
