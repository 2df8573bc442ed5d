"""Clusters whose buses, replication and clients use TLS, of this server and of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)

from tests.integration.process import PATIENCE
from tests.integration.replicas import command_of, has, until
from tests.integration.secure import directives
from tests.integration.test_cluster import Group, is_ok
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.tools import server_has_tls


class SecureGroup:
    """A ``Group`` with a TLS port for each server."""

    def __init__(self, stack: ExitStack, folder: Path, masters: str, replicas: str) -> None:
        authority = Authority(folder / "certificates")
        client = authority.sign("client", client=True)
        shared = [*directives(authority), "--tls-client-cert-file", client.cert, "--tls-client-key-file", client.key]
        self.ports = [free_port() for _ in range(6)]
        self.plain = Group(
            stack,
            folder,
            masters,
            replicas,
            each=[
                [*shared, "--tls-cluster", "yes", "--tls-replication", "yes", "--tls-port", str(port)]
                for port in self.ports
            ],
        )
        self.trust: dict[str, Any] = {
            "ssl": True,
            "ssl_ca_certs": authority.cert,
            "ssl_certfile": client.cert,
            "ssl_keyfile": client.key,
            "socket_timeout": PATIENCE,
        }

    def client(self, number: int) -> redis.Redis:
        """Returns a client with TLS of one server."""
        return redis.Redis(port=self.ports[number], retry=None, **self.trust)

    def cluster(self) -> RedisCluster:
        """Returns redis-py's client of the whole cluster, with TLS."""
        return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port) for port in self.ports], **self.trust)


@pytest.fixture(params=[("ours", "ours"), ("ours", "redis-8"), ("redis-8", "ours")], ids="-".join, scope="module")
def group(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureGroup]:
    """A cluster that the tests of this module share; the last of them kills a server."""
    for kind in request.param:
        if not has(kind):
            pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
        program = command_of(kind)
        if kind != "ours" and program is not None and not server_has_tls(program[0]):
            pytest.skip(f"{program[0]} was built without TLS")
    with ExitStack() as stack:
        yield SecureGroup(stack, tmp_path_factory.mktemp("cluster"), *request.param)


def test_a_client_is_told_ports_of_its_own_kind(group: SecureGroup) -> None:
    """Redirections, CLUSTER SLOTS and CLUSTER NODES show TLS ports to clients with TLS, and plain ports to others."""
    plain = group.plain
    plain_ports = {server.port for server in plain.servers}
    for client in plain.clients[:3]:
        # CLUSTER SLOTS leaves out replicas that have not executed anything yet.
        client.publish("channel", "message")
    for number in range(6):
        with group.client(number) as client:
            for each, ports in ((client, set(group.ports)), (plain.clients[number], plain_ports)):
                assert ports_in_nodes(each) == ports
                until(lambda each=each, ports=ports: ports_in_slots(each) == ports, "all are in CLUSTER SLOTS")  # type: ignore[misc]
                assert moved(each) in ports


def test_a_slot_moves_with_tls(group: SecureGroup) -> None:
    """MIGRATE connects with TLS as well."""
    source, target = group.plain.clients[0], group.plain.clients[1]
    slot = source.execute_command("CLUSTER", "KEYSLOT", "{b}")
    assert slot <= 5460
    names = [client.execute_command("CLUSTER", "MYID") for client in (source, target)]
    for number in range(10):
        source.set(f"{{b}}{number}", number)
    target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
    source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    with group.client(0) as client, pytest.raises(redis.exceptions.AskError) as caught:
        client.get("{b}missing")
    assert caught.value.port == group.ports[1]
    keys = source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
    assert len(keys) == 10
    timeout = int(PATIENCE * 1000)
    source.execute_command("MIGRATE", "127.0.0.1", group.ports[1], "", 0, timeout, "KEYS", *keys)
    for client in (target, source):
        client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[1])
    with group.cluster() as cluster:
        assert [cluster.get(f"{{b}}{number}") for number in range(10)] == [b"%d" % number for number in range(10)]


def test_a_cluster_with_tls_serves_and_fails_over(group: SecureGroup) -> None:
    plain = group.plain
    with group.cluster() as cluster:
        assert {node.port for node in cluster.get_primaries()} == set(group.ports[:3]), "the ports for TLS"
        for number in range(100):
            cluster.set(f"key:{number}", number)
        for client in plain.clients[:3]:
            assert client.wait(1, int(PATIENCE * 1000)) == 1
        first = plain.servers[0]
        first.process.kill()
        first.process.wait()
        successor = plain.clients[3]
        until(lambda: successor.role()[0] == b"master", "the replica has taken over")
        until(lambda: all(is_ok(each) for each in plain.clients[1:]), "the cluster is up again")
        values = [cluster.get(f"key:{number}") for number in range(100)]
        assert values == [b"%d" % number for number in range(100)]


def ports_in_nodes(client: redis.Redis) -> set[int]:
    """Returns the ports in CLUSTER NODES."""
    addresses = client.execute_command("CLUSTER NODES")
    return {int(address.rpartition(":")[2].partition("@")[0]) for address in addresses}


def ports_in_slots(client: redis.Redis) -> set[int]:
    """Returns the ports in CLUSTER SLOTS."""
    return {node[1] for _, _, *nodes in client.execute_command("CLUSTER", "SLOTS") for node in nodes}


def moved(client: redis.Redis) -> int:
    """Returns a port of a redirection."""
    for key in "abcdefghij":
        try:
            client.set(key, 1)
        except redis.exceptions.MovedError as error:
            return int(error.port)
    raise AssertionError("no key belongs to another node")
