"""Ports that are free, taken or open to strangers."""

import socket

import pytest

from learning.distributed import network
from learning.distributed.cluster import Cluster
from learning.errors import ClusterError, UsageError
from tests.support.local_workers import addresses

NEVER = 1  # seconds to wait for a worker that will not come


@pytest.mark.fault(41)
def test_a_port_in_use_is_refused():
    [address] = addresses(1)
    network.check_port(address)
    assert not network.answers(address)
    with socket.socket() as other:
        other.bind(network.host_and_port(address))
        other.listen()
        assert network.answers(address)
        with pytest.raises(ClusterError, match=f"cannot listen at {address}: Address already in use; end"):
            network.check_port(address)


def test_an_absent_worker_is_named_at_once_and_in_the_end(monkeypatch, caplog):
    monkeypatch.setattr(network, "SILENCE", 0.0)
    there, missing = addresses(2)
    with socket.socket() as other:
        other.bind(network.host_and_port(there))
        other.listen()
        with pytest.raises(
            ClusterError, match=rf"worker 1 \({missing}\) did not start within 1 s; start all 2"
        ):
            network.await_all(Cluster(addresses=(there, missing), index=0, timeout=NEVER))
    assert caplog.text.count(f"waiting for worker 1 ({missing}), up to 1 s") == 1


def test_own_addresses_include_the_loopback_interface():
    assert "127.0.0.1" in network.own_addresses()


@pytest.mark.parametrize("public", ["8.8.8.8", "2600::1"])
def test_a_public_address_needs_consent(monkeypatch, caplog, public):
    monkeypatch.setattr(network, "own_addresses", lambda: ["127.0.0.1", public])
    with pytest.raises(UsageError, match=f"port 7 of {public}, a public address"):
        network.check_exposure(Cluster(addresses=("a:7", "b:7"), index=0))
    network.check_exposure(Cluster(addresses=("a:7", "b:7"), index=0, allow_open=True))
    assert "listen on all network interfaces, here on port 7" in caplog.text


def test_only_the_chief_warns_and_not_on_a_machine_without_a_network(monkeypatch, caplog):
    monkeypatch.setattr(network, "own_addresses", lambda: ["127.0.0.1", "10.0.0.2"])
    network.check_exposure(Cluster(addresses=("a:7", "b:7"), index=1))
    monkeypatch.setattr(network, "own_addresses", lambda: ["127.0.0.1", "::1"])
    network.check_exposure(Cluster(addresses=("a:7", "b:7"), index=0))
    assert caplog.text == ""


def test_an_address_of_ipv6_is_split():
    assert network.host_and_port("[::1]:80") == ("::1", 80)
