"""Where a server listens, and by which names its clients may call it."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator

from learning.errors import UsageError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that is bound and does not listen yet.

    :param port: 0 for any free one.
    :raises UsageError: the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host} is not an address of this machine") from error
    with contextlib.closing(socket.socket(family, kind, protocol)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
        except OSError as error:
            raise UsageError(
                f"port {port} of {host} cannot be used: {error.strerror}; choose another --port or --host"
            ) from error
        yield sock


def url_of(sock: socket.socket) -> str:
    """Return the address of a bound socket for a browser on this machine."""
    host, port = sock.getsockname()[:2]
    if ipaddress.ip_address(_without_zone(host)).is_unspecified:
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def own_hosts(sock: socket.socket, allowed: Iterable[str]) -> frozenset[str]:
    """Return the names that a Host header may have, in lower case; empty if any will do.

    Any will do if other machines can reach the socket and no name is `allowed`: their names for it are not known.
    """
    host, allowed = _without_zone(sock.getsockname()[0]), {name.lower() for name in allowed}
    if not ipaddress.ip_address(host).is_loopback and not allowed:
        return frozenset()
    return LOOPBACK | {host} | allowed


def _without_zone(host: str) -> str:
    return host.partition("%")[0]
