"""Notice that another worker is lost, and say which."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from learning.distributed.cluster import TIMEOUT, Cluster
from learning.distributed.network import answers, named
from learning.errors import ClusterError

INTERVAL = 5.0  # seconds between two looks at the other workers
TRIES = 2  # looks in a row in which a worker does not answer, before it counts as lost
ADVICE = "the last checkpoint is whole: start all workers again, with --resume and the run directory"
RESTARTING = "the launcher will start all workers again"


class Watch:
    """A thread that checks whether the other workers still listen.

    TensorFlow itself notices the end of a worker only if this worker took part in the sum that the others wait for,
    and not if its machine was switched off. When a worker is lost, the sessions are closed, which ends their runs.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._others = [each for each in cluster.addresses if each != cluster.address]
        self._sessions = list[v1.Session]()
        self._ended = threading.Event()
        self.lost = list[str]()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    @property
    def is_looking(self) -> bool:
        """Return whether the thread still looks."""
        return self._thread.is_alive() and not self._ended.is_set()

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Look while the block runs, or until `stop`."""
        self._thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """End the thread: from now on the others may leave."""
        self._ended.set()

    def add(self, sess: v1.Session) -> v1.Session:
        """Close a session when a worker is lost."""
        self._sessions.append(sess)
        return sess

    def _look(self) -> None:
        failures = dict.fromkeys(self._others, 0)
        while not self._ended.wait(INTERVAL):
            for address in self._others:
                failures[address] = 0 if answers(address) else failures[address] + 1
            self.lost = [address for address, count in failures.items() if count >= TRIES]
            if self.lost and not self._ended.is_set():
                for sess in self._sessions:
                    with contextlib.suppress(Exception):
                        sess.close()
                return

    def unreachable(self) -> list[str]:
        """Return the addresses of the workers that are lost, or do not answer now."""
        return self.lost or [address for address in self._others if not answers(address)]

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Raise TensorFlow's errors that come from other workers as ClusterError."""
        try:
            yield
        except (tf.errors.OpError, RuntimeError) as error:
            if not self.lost and not is_of_cluster(error):
                raise
            raise ClusterError(self._message(error)) from error

    def _message(self, error: Exception) -> str:
        advice = RESTARTING if self._cluster.restarts else ADVICE
        if gone := self.unreachable():
            return f"{named(self._cluster, gone)} has ended or cannot be reached; {advice}"
        if isinstance(error, tf.errors.DeadlineExceededError):
            return (
                f"a step of all workers took longer than {self._cluster.timeout:g} s, and all still listen: one "
                f"hangs or is much slower ({named(self._cluster, self._others)}), or the limit is too short "
                f"({TIMEOUT}, or --timeout of the launcher); {advice}"
            )
        return f"another worker has failed, of {named(self._cluster, self._others)}; see its output; {advice}"


def is_of_cluster(error: Any) -> bool:
    """Return whether an error of TensorFlow comes from a sum over the workers."""
    op = getattr(error, "op", None)
    texts = ("ollective", "remote target", "emote worker")
    from_sum = op is not None and op.type.startswith("Collective")
    waited = isinstance(error, tf.errors.DeadlineExceededError) and "Operation timed out" in str(error)
    return waited or from_sum or any(text in str(error) for text in texts)
