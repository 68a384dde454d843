"""A slow network on one machine: two namespaces of Linux, and a process that carries packets between them.

`tc netem` does the same in the kernel, where that was built with it. Needs root, iproute2 and sysctl. TCP keeps its
rate between two steps, as an administrator of a cluster would set it.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import time
from collections import deque
from collections.abc import Iterator

from learning.launch import free_ports

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # of linux/if_tun.h
CLONE_NEWNET = 0x40000000  # of setns(2)
PR_SET_PDEATHSIG = 1  # of prctl(2)
MTU = 9000  # jumbo frames, as between hosts of a cluster
MOST = 1 << 16  # bytes of a packet


class Wire:
    """Two hosts, and the wire between them.

    :ivar addresses: host:port of a worker on each.
    """

    def __init__(self, names: list[str], carrier: int) -> None:
        self._names, self._carrier = names, carrier
        self.addresses = tuple(f"10.77.0.{host}:{port}" for host, port in enumerate(free_ports(2), 1))

    def enter(self, index: int) -> None:
        """Move this process, which must have no other thread that uses the network, to a host."""
        with open(f"/run/netns/{self._names[index]}", "rb") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter a network namespace")

    def cut(self) -> None:
        """Lose every packet from now on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._carrier, signal.SIGKILL)


def lacking() -> str | None:
    """Return why there can be no wire on this machine, or None."""
    if os.geteuid() != 0:
        return "it needs root"
    if missing := [name for name in ("ip", "sysctl") if shutil.which(name) is None]:
        return f"it needs {' and '.join(missing)}"
    return None if os.access(TUN, os.R_OK | os.W_OK) else f"it needs {TUN}"


@contextlib.contextmanager
def wire(bandwidth: float, latency: float) -> Iterator[Wire]:
    """Yield a wire.

    :param bandwidth: bytes per second in each direction.
    :param latency: seconds that a packet is on its way.
    """
    names, ends = [f"sessionnet{os.getpid()}-{end}" for end in range(2)], list[int]()
    carrier = 0
    try:
        for host, name in enumerate(names, 1):
            _ip("netns", "add", name)
            ends.append(_interface(f"wire{host}"))
            _ip("link", "set", f"wire{host}", "netns", name)
            _ip("-n", name, "addr", "add", f"10.77.0.{host}/24", "dev", f"wire{host}")
            _ip("-n", name, "link", "set", f"wire{host}", "mtu", f"{MTU}", "up")
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("netns", "exec", name, "sysctl", "-qw", "net.ipv4.tcp_slow_start_after_idle=0")
        carrier = os.fork()
        if carrier == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _carry(ends, bandwidth, latency)
        yield Wire(names, carrier)
    finally:
        if carrier:
            with contextlib.suppress(ProcessLookupError):
                os.kill(carrier, signal.SIGKILL)
            os.waitpid(carrier, 0)
        for end in ends:
            os.close(end)
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _interface(name: str) -> int:
    """Return a file that reads what is sent to a new network interface, and sends what is written to it."""
    end = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22s", name.encode(), IFF_TUN | IFF_NO_PI, b""))
    return end


def _carry(ends: list[int], bandwidth: float, latency: float) -> None:
    """Carry packets from each end to the other, for ever."""
    queues = {end: deque[tuple[float, bytes]]() for end in ends}  # what arrives at an end, and when
    free = dict.fromkeys(ends, 0.0)  # when the wire to an end has sent everything
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        now = time.monotonic()
        due = min((queue[0][0] for queue in queues.values() if queue), default=now + 1)
        readable, _, _ = select.select(ends, [], [], max(due - now, 0))
        for end in readable:
            with contextlib.suppress(BlockingIOError):
                packet = os.read(end, MOST)
                to = other[end]
                free[to] = max(free[to], time.monotonic()) + len(packet) / bandwidth
                queues[to].append((free[to] + latency, packet))
        for end, queue in queues.items():
            while queue and queue[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):  # lost, as packets may be
                    os.write(end, queue.popleft()[1])
