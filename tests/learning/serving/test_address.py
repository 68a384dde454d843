"""learning/serving/address.py: where a server listens, and its names."""

import socket

import pytest

from learning.serving.address import LOOPBACK, bound_socket, own_hosts, url_of


@pytest.mark.parametrize(
    ("host", "shown", "hosts"),
    [
        ("127.0.0.1", "127.0.0.1", LOOPBACK),
        ("localhost", "127.0.0.1", LOOPBACK),
        ("127.0.0.2", "127.0.0.2", LOOPBACK | {"127.0.0.2"}),
        ("0.0.0.0", "localhost", frozenset()),
    ],
)
def test_only_this_machine_asks_a_loopback_address(host, shown, hosts):
    with bound_socket(host, 0) as sock:
        port = sock.getsockname()[1]
        assert url_of(sock) == f"http://{shown}:{port}/"
        assert own_hosts(sock, []) == hosts


def test_an_address_of_ipv6_has_brackets():
    try:
        with bound_socket("::1", 0) as sock:
            assert url_of(sock) == f"http://[::1]:{sock.getsockname()[1]}/"
            assert own_hosts(sock, []) == LOOPBACK
    except Exception:
        if socket.has_ipv6:
            raise
        pytest.skip("no IPv6")


def test_names_that_are_allowed_are_the_only_ones_besides_this_machines():
    with bound_socket("0.0.0.0", 0) as sock:
        assert own_hosts(sock, ["Nets.Example"]) == LOOPBACK | {"0.0.0.0", "nets.example"}
