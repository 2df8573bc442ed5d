"""nodes.conf: what this server writes, and what it reads of Redis."""

from __future__ import annotations

from random import Random

import pytest

from twisted_redis.cluster.nodes import FAIL, HANDSHAKE, MASTER, MIGRATE_TO, PFAIL, REPLICA, Node
from twisted_redis.cluster.nodes_file import CorruptFile, format_file, node_line, parse_file
from twisted_redis.cluster.roles import add_replica
from twisted_redis.cluster.state import ClusterState

A, B, C, D = "a" * 40, "b" * 40, "c" * 40, "d" * 40
S, T = "1" * 40, "2" * 40
NOW = 1_700_000_000_000

# Written by redis-server 8.0.2, with shorter ids.
OF_8_0 = f"""\
{A} 127.0.0.1:7001@17001,,tls-port=0,shard-id={S} myself,master - 0 0 3 connected 0-99 101 [5->-{B}] [200-<-{B}]
{B} 127.0.0.1:7002@17002,host,tls-port=7102,nodename=n-2,shard-id={T} master,fail? - 1699999999000 1699999998000 2 \
connected 200-16383
{C} 127.0.0.1:7003@17003,,tls-port=0,shard-id={S} slave,nofailover {A} 0 1699999998000 3 connected
vars currentEpoch 7 lastVoteEpoch 5
"""

# Redis 7.0 has host names, but neither shards nor ports for TLS.
OF_7_0 = f"""\
{C} 127.0.0.1:7003@17003,host.example slave {A} 0 1699999998000 3 connected
{A} 127.0.0.1:7001@17001 myself,master - 0 0 3 connected 0-16383
vars currentEpoch 3 lastVoteEpoch 0
"""


def parse(text: str, *, tls: bool = False) -> ClusterState:
    state = parse_file(text, NOW, Random(1), tls=tls)
    assert state is not None
    return state


def test_a_file_of_redis_8_0() -> None:
    state = parse(OF_8_0)
    a, b, c = (state.nodes[name] for name in (A, B, C))
    assert state.myself is a
    assert (a.ip, a.port, a.tls_port, a.bus_port, a.hostname, a.human_name) == ("127.0.0.1", 7001, 0, 17001, "", "")
    assert (b.port, b.tls_port, b.hostname, b.human_name, b.shard_id) == (7002, 7102, "host", "n-2", T)
    assert a.slots == (1 << 100) - 1 | 1 << 101
    assert state.owners[99] is a
    assert state.owners[100] is None
    assert state.owners[200] is b
    assert state.migrating == {5: b}
    assert state.importing == {200: b}
    assert (a.config_epoch, b.config_epoch, c.config_epoch) == (3, 2, 0)
    assert b.flags & ~MIGRATE_TO == MASTER | PFAIL
    assert c.master is a
    assert a.replicas == [c]
    assert (b.ping_sent, b.pong_received, a.ping_sent) == (NOW, NOW, 0)
    assert (state.current_epoch, state.last_vote_epoch) == (7, 5)
    assert c.shard_id == S


def test_a_file_of_redis_7_0() -> None:
    state = parse(OF_7_0)
    a, c = state.nodes[A], state.nodes[C]
    assert c.hostname == "host.example"
    assert c.master is a
    assert c.shard_id == a.shard_id
    assert len(a.shard_id) == 40
    assert (a.port, a.tls_port) == (7001, 0)
    state = parse(OF_7_0, tls=True)
    assert (state.myself.port, state.myself.tls_port) == (0, 7001)


def test_an_old_file_without_bus_ports() -> None:
    state = parse(f"{A} ::1:7001 myself,master - 0 0 0 connected\n")
    assert (state.myself.ip, state.myself.port, state.myself.bus_port) == ("::1", 7001, 17001)


def test_a_file_with_the_other_port() -> None:
    state = parse(f"{A} ip:7101@17001,,tcp-port=7001,shard-id={S} myself,master - 0 0 0 connected\n")
    assert (state.myself.port, state.myself.tls_port) == (7001, 7101)


def test_the_written_file_is_that_of_redis() -> None:
    state = parse(OF_8_0)
    text = format_file(state)
    # Times are those of reading, and no link is open yet.
    expected = (
        OF_8_0.replace("1699999999000", str(NOW))
        .replace("1699999998000", str(NOW))
        .replace(" connected", " disconnected")
    )
    assert text == expected.replace("0 0 3 disconnected 0-99", "0 0 3 connected 0-99")
    assert format_file(parse(text)) == text


def test_the_line_for_clients() -> None:
    state = parse(OF_8_0)
    assert node_line(state, state.nodes[B], tls=True).startswith(f"{B} 127.0.0.1:7102@17002,host master,fail? - ")
    assert node_line(state, state.nodes[C]).startswith(f"{C} 127.0.0.1:7003@17003 slave,nofailover {A} 0 ")


def test_the_epoch_of_a_replica_is_that_of_its_master() -> None:
    state = parse(OF_8_0)
    assert f" {NOW} 3 disconnected" in node_line(state, state.nodes[C])


def test_an_epoch_beyond_64_bits_is_the_greatest() -> None:
    state = parse(f"{A} ip:1@2 myself,master - 0 0 {1 << 70} connected\nvars currentEpoch {1 << 64} lastVoteEpoch 0\n")
    assert state.current_epoch == state.myself.config_epoch == (1 << 64) - 1
    with pytest.raises(CorruptFile):
        parse(f"{A} ip:1@2 myself,master - 0 0 -1 connected\n")


def test_a_node_in_handshake_is_not_written() -> None:
    state = ClusterState(A, S, NOW)
    state.nodes[B] = Node(B, HANDSHAKE, NOW)
    state.nodes[C] = Node(C, 0, NOW)
    assert B not in format_file(state)
    assert f"{C} :0@0,,tls-port=0,shard-id= noflags - 0 0 0 disconnected" in format_file(state)


def test_a_name_that_would_break_the_file_is_not_written() -> None:
    state = ClusterState(A, S, NOW)
    state.myself.human_name = "a b"
    assert "nodename" not in format_file(state)
    assert parse(format_file(state)).myself.human_name == ""


def test_a_failed_node_has_failed_now() -> None:
    state = parse(OF_8_0.replace("fail?", "fail"))
    assert state.nodes[B].flags & ~MIGRATE_TO == MASTER | FAIL
    assert state.nodes[B].failed_at == NOW


def test_a_replica() -> None:
    state = ClusterState(A, S, NOW)
    master = Node(B, MASTER, NOW)
    master.shard_id = S
    state.nodes[B] = master
    state.assign_all((1 << 16384) - 1, master)
    state.myself.flags = state.myself.flags & ~MASTER | REPLICA
    state.myself.master = master
    add_replica(master, state.myself)
    again = parse(format_file(state))
    assert again.myself.master is again.nodes[B]
    assert again.owners == [again.nodes[B]] * 16384
    assert not any(again.served)


def test_an_epoch_that_is_too_small_is_corrected() -> None:
    assert parse(OF_8_0.replace("currentEpoch 7", "currentEpoch 1")).current_epoch == 3


@pytest.mark.parametrize("text", ["", "\n\n", "\0\0\n"])
def test_an_empty_file(text: str) -> None:
    assert parse_file(text, NOW, Random(1)) is None


def test_unknown_variables_are_skipped() -> None:
    assert parse(OF_8_0.replace("vars ", "vars other 5 ")).current_epoch == 7


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (A, "A" * 40),
        (A, "a" * 39),
        ("myself,", ""),
        ("myself,master", "myself"),
        ("master -", "mistress -"),
        ("0-99", "0-16384"),
        ("0-99", "-1"),
        ("0-99", "x"),
        ("[5->-", "[5=="),
        (f"[5->-{B}]", f"[5->-{B}"),
        (f"[5->-{B}]", "[5->-b]"),
        (f"slave,nofailover {A}", "slave,nofailover x"),
        (":7001@", "7001@"),
        ("tls-port=0", "tls-port"),
        ("tls-port=0", "tls-port=0=0"),
        ("tls-port=0", "tls-port=65536"),
        ("tls-port=0", "availability-zone=a"),
        (f"shard-id={S}", "shard-id=1"),
        ("2 connected 200-16383", ""),
        ("vars currentEpoch", "vars"),
        ("currentEpoch 7", "currentEpoch x"),
    ],
)
def test_corrupt(before: str, after: str) -> None:
    assert before in OF_8_0
    with pytest.raises(CorruptFile, match="corrupted cluster config file"):
        parse(OF_8_0.replace(before, after))


def test_a_replica_without_a_master_is_corrupt() -> None:
    with pytest.raises(CorruptFile):
        parse(f"{A} ip:1@2 myself,slave - 0 0 0 connected\n")
