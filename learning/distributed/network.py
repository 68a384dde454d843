"""Check the ports of the workers: whether one is free, whether a worker answers, and who else could reach it.

TensorFlow's server listens on all addresses of the machine, whatever its own address is, and obeys anyone who
connects. It has no option to change either.
"""

import contextlib
import ipaddress
import logging
import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from learning.distributed.cluster import ALLOW_OPEN, Cluster
from learning.errors import ClusterError, UsageError

SIOCGIFADDR = 0x8915  # of ioctl(2) on Linux: the IPv4 address of an interface
INTERFACES_V6 = Path("/proc/net/if_inet6")
PATIENCE = 5.0  # seconds to wait for a connection
INTERVAL = 0.5  # seconds between two tries
SILENCE = 5.0  # seconds before a wait is said

logger = logging.getLogger(__name__)


def host_and_port(address: str) -> tuple[str, int]:
    """Split host:port; an IPv6 host is in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def check_port(address: str) -> None:
    """Raise ClusterError if a program listens on the port of this process; TensorFlow would share it in silence."""
    _, port = host_and_port(address)
    with socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left is free
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ClusterError(
                f"this worker cannot listen at {address}: {error.strerror}; end the program that uses the port, "
                "or give the worker another one"
            ) from error


def answers(address: str) -> bool:
    """Return whether a program listens at an address."""
    try:
        with socket.create_connection(host_and_port(address), PATIENCE):
            return True
    except OSError:
        return False


def await_all(cluster: Cluster) -> None:
    """Wait until every worker listens, and say so if it takes more than a moment.

    :raises ClusterError: some do not, at the end of the cluster's timeout.
    """
    begun, is_said = time.monotonic(), False
    missing = list(cluster.addresses)
    while missing := [address for address in missing if not answers(address)]:
        waited = time.monotonic() - begun
        if waited > SILENCE and not is_said:
            is_said = True
            logger.warning("waiting for %s, up to %g s", named(cluster, missing), cluster.timeout)
        if waited > cluster.timeout:
            raise ClusterError(
                f"{named(cluster, missing)} did not start within {cluster.timeout:g} s; start all "
                f"{cluster.size} workers, and see that their ports can be reached"
            )
        time.sleep(INTERVAL)


def named(cluster: Cluster, addresses: Sequence[str]) -> str:
    """Return words for some of the workers: worker 1 (host:port)."""
    return ", ".join(f"worker {cluster.addresses.index(each)} ({each})" for each in addresses)


def check_exposure(cluster: Cluster) -> None:
    """Warn that the port is open, or refuse to open it on a machine that has a public address.

    :raises UsageError: the machine has a public address, and `Cluster.allow_open` is False.
    """
    own = own_addresses()
    public = [address for address in own if ipaddress.ip_address(address).is_global]
    _, port = host_and_port(cluster.address)
    if public and not cluster.allow_open:
        raise UsageError(
            f"TensorFlow would listen on port {port} of {public[0]}, a public address, and obey anyone who "
            f"connects; keep strangers out with a firewall, then set {ALLOW_OPEN}=1 (launch: "
            "--allow-open-network); see SECURITY.md"
        )
    if cluster.is_chief and any(not ipaddress.ip_address(address).is_loopback for address in own):
        logger.warning(
            "TensorFlow's servers listen on all network interfaces, here on port %d, and obey anyone who "
            "connects; train on trusted networks only, see SECURITY.md", port,
        )  # fmt: skip


def own_addresses() -> list[str]:
    """Return the addresses of this machine's network interfaces, as far as the system tells them."""
    found = list[str]()
    with contextlib.suppress(ImportError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        import fcntl  # not on Windows

        for _, name in socket.if_nameindex():
            request = struct.pack("256s", os.fsencode(name)[:15])
            with contextlib.suppress(OSError):  # an interface without an IPv4 address
                found.append(socket.inet_ntoa(fcntl.ioctl(probe, SIOCGIFADDR, request)[20:24]))
    with contextlib.suppress(OSError):  # not on Linux
        for line in INTERFACES_V6.read_text().splitlines():
            found.append(str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))))
    return found
