"""The cluster commands: how they read their arguments, and what they ask of the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster import MYSELF, OTHER, ClusterNode
from tests.support.server import Server
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.resp.types import Simple

RANGE = b"ERR Invalid or out of range slot"
INTEGER = b"ERR value is not an integer or out of range"


@pytest.fixture
def node() -> ClusterNode:
    return ClusterNode()


def words(request: str) -> list[str]:
    return ["" if word == "''" else word for word in request.split()]


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        ("addslots 1 2 3", ("add slots", [1, 2, 3])),
        ("ADDSLOTSRANGE 1 3 7 7", ("add slots", [1, 2, 3, 7])),
        ("DELSLOTS 5", ("delete slots", [5])),
        ("DELSLOTSRANGE 5 6", ("delete slots", [5, 6])),
        ("FLUSHSLOTS", ("flush slots",)),
        (f"SETSLOT 1 MIGRATING {OTHER}", ("migrating", 1, OTHER)),
        (f"SETSLOT 1 importing {OTHER}", ("importing", 1, OTHER)),
        (f"SETSLOT 16383 NODE {OTHER}", ("node", 16383, OTHER)),
        ("SETSLOT 0 STABLE", ("stable", 0)),
        ("MEET 127.0.0.1 7000", ("meet", b"127.0.0.1", 7000, 17000)),
        ("MEET 127.0.0.1 7000 7001", ("meet", b"127.0.0.1", 7000, 7001)),
        ("FORGET x", ("forget", "x")),
        ("REPLICATE x", ("replicate", "x")),
        ("FAILOVER", ("fail over", False, False)),
        ("FAILOVER force", ("fail over", True, False)),
        ("FAILOVER TAKEOVER", ("fail over", True, True)),
        ("RESET", ("reset", False)),
        ("RESET soft", ("reset", False)),
        ("RESET HARD", ("reset", True)),
        ("SET-CONFIG-EPOCH 5", ("set config epoch", 5)),
        ("SAVECONFIG", ("save config",)),
    ],
)
def test_changes(node: ClusterNode, request_: str, call: tuple[Any, ...]) -> None:
    assert node("CLUSTER", *words(request_)) == b"OK"
    assert node.cluster.calls[-1] == call
    node.cluster.error = "ERR refused"
    assert node("CLUSTER", *words(request_)) == b"ERR refused"


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("ADDSLOTS x", RANGE),
        ("ADDSLOTS -1", RANGE),
        ("ADDSLOTS 16384", RANGE),
        ("ADDSLOTS 1 x", RANGE),
        ("ADDSLOTSRANGE 1", b"ERR wrong number of arguments for 'cluster|addslotsrange' command"),
        ("ADDSLOTSRANGE 1 2 3", b"ERR wrong number of arguments for 'cluster|addslotsrange' command"),
        ("ADDSLOTSRANGE 2 1", b"ERR start slot number 2 is greater than end slot number 1"),
        ("ADDSLOTSRANGE x 1", RANGE),
        ("DELSLOTS x", RANGE),
        ("DELSLOTSRANGE 4 3", b"ERR start slot number 4 is greater than end slot number 3"),
        ("DELSLOTSRANGE 3 4 5", b"ERR wrong number of arguments for 'cluster|delslotsrange' command"),
        ("SETSLOT x STABLE", RANGE),
        (
            "SETSLOT 1 STABLE x",
            b"ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
        ),
        ("SETSLOT 1 NODE", b"ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
        ("SETSLOT 1 bogus x", b"ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
        ("COUNTKEYSINSLOT 16384", b"ERR Invalid slot"),
        ("COUNTKEYSINSLOT -1", b"ERR Invalid slot"),
        ("COUNTKEYSINSLOT x", INTEGER),
        ("GETKEYSINSLOT 1 -1", b"ERR Invalid slot or number of keys"),
        ("GETKEYSINSLOT 16384 1", b"ERR Invalid slot or number of keys"),
        ("GETKEYSINSLOT 1 y", INTEGER),
        ("MEET 127.0.0.1 x", b"ERR Invalid base port specified: x"),
        ("MEET 127.0.0.1 1 y", b"ERR Invalid bus port specified: y"),
        (
            "MEET 127.0.0.1 1 2 3",
            b"ERR unknown subcommand or wrong number of arguments for 'MEET'. Try CLUSTER HELP.",
        ),
        ("FAILOVER bogus", b"ERR syntax error"),
        ("FAILOVER ''", b"ERR syntax error"),
        (
            "FAILOVER FORCE x",
            b"ERR unknown subcommand or wrong number of arguments for 'FAILOVER'. Try CLUSTER HELP.",
        ),
        ("RESET bogus", b"ERR syntax error"),
        ("SET-CONFIG-EPOCH x", INTEGER),
        ("SET-CONFIG-EPOCH -1", b"ERR Invalid config epoch specified: -1"),
    ],
)
def test_bad_calls(node: ClusterNode, request_: str, reply: bytes) -> None:
    assert node("CLUSTER", *words(request_)) == reply
    assert [call for call in node.cluster.calls if call[0] not in ("check slots", "need master")] == []


def test_each_range_is_checked_before_the_next_one_is_read(node: ClusterNode) -> None:
    node.cluster.error = "ERR Slot 1 is already busy"
    assert node("CLUSTER", "ADDSLOTSRANGE", 1, 2, "x", 4) == b"ERR Slot 1 is already busy"
    assert node.cluster.calls == [("check slots", [1, 2], False)]
    node("CLUSTER", "DELSLOTSRANGE", 1, 2, 4, 3)
    assert node.cluster.calls[1:] == [("check slots", [1, 2], True)]


def test_a_replica_refuses_setslot_before_anything_else(node: ClusterNode) -> None:
    node.cluster.error = "ERR Please use SETSLOT only with masters."
    assert node("CLUSTER", "SETSLOT", "x", "STABLE") == b"ERR Please use SETSLOT only with masters."


def test_ids_are_shown_without_line_ends(node: ClusterNode) -> None:
    node("CLUSTER", "FORGET", b"x\r\ny\xff\0z")
    assert node.cluster.calls == [("forget", "x  y\udcff")]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("MYID", MYSELF.encode()),
        ("MYSHARDID", b"1" * 40),
        ("INFO", b"cluster_state:ok\r\n"),
        ("NODES", b"nodes\n"),
        ("REPLICAS x", [b"replica of x"]),
        ("SLAVES x", [b"replica of x"]),
        ("SLOTS", [[0, 1]]),
        ("LINKS", []),
        ("COUNT-FAILURE-REPORTS x", 3),
        ("BUMPEPOCH", Simple(b"BUMPED 5")),
        ("KEYSLOT {b}1", 3300),
        ("KEYSLOT ''", 0),
        ("COUNTKEYSINSLOT 3300", 0),
    ],
)
def test_what_is_shown(node: ClusterNode, request_: str, reply: object) -> None:
    found = node("CLUSTER", *words(request_))
    assert found == reply
    assert (found.__class__ is Simple) == (reply.__class__ is Simple)


def test_text_is_verbatim_in_resp3(node: ClusterNode) -> None:
    connection = node.connect()
    connection("HELLO", 3)
    assert connection("CLUSTER", "INFO") == b"=22\r\ntxt:cluster_state:ok\r\n\r\n"
    assert connection("CLUSTER", "NODES") == b"=10\r\ntxt:nodes\n\r\n"
    assert connection("CLUSTER", "SHARDS") == b"*1\r\n%1\r\n$5\r\nslots\r\n*0\r\n"


def test_keys_of_slots(node: ClusterNode) -> None:
    node("MSET", "{b}1", 1, "{b}2", 2)
    node("SET", "{f}1", 1)
    assert node("CLUSTER", "COUNTKEYSINSLOT", 3300) == 2
    assert sorted(node("CLUSTER", "GETKEYSINSLOT", 3300, 10)) == [b"{b}1", b"{b}2"]  # type: ignore[type-var, arg-type]
    assert len(node("CLUSTER", "GETKEYSINSLOT", 3300, 1)) == 1  # type: ignore[arg-type]
    assert node("CLUSTER", "GETKEYSINSLOT", 3300, 0) == []
    assert node("CLUSTER", "GETKEYSINSLOT", 1, 5) == []


class TestClusterMode:
    @pytest.mark.parametrize(
        ("request_", "reply"),
        [
            ("SELECT 0", b"OK"),
            ("SELECT 1", b"ERR SELECT is not allowed in cluster mode"),
            ("SELECT x", INTEGER),
            ("SWAPDB 0 1", b"ERR SWAPDB is not allowed in cluster mode"),
            ("MOVE {b}1 1", b"ERR MOVE is not allowed in cluster mode"),
            ("COPY {b}1 {b}2 DB 0", 0),
            ("REPLICAOF 127.0.0.1 1", b"ERR REPLICAOF not allowed in cluster mode."),
            (
                "FAILOVER",
                b"ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.",
            ),
            ("FLUSHALL", b"OK"),
            ("FLUSHDB", b"OK"),
        ],
    )
    def test_databases_and_roles(self, node: ClusterNode, request_: str, reply: object) -> None:
        assert node(*words(request_)) == reply

    def test_it_is_shown(self, node: ClusterNode) -> None:
        assert b"mode\r\n$7\r\ncluster" in node.connect()("HELLO")
        assert b"redis_mode:cluster" in node("INFO", "server")
        assert b"cluster_enabled:1" in node("INFO", "cluster")


class TestMessages:
    def test_they_go_to_the_bus_and_not_to_the_replicas(self, node: ClusterNode) -> None:
        recorder = node.record()
        subscriber = node.connect()
        subscriber("SUBSCRIBE", "news")
        assert node("PUBLISH", "news", "x") == 1
        assert node("SPUBLISH", "{b}1", "y") == 0
        assert node.cluster.calls == [("publish", b"news", b"x", False), ("publish", b"{b}1", b"y", True)]
        assert recorder.take() == []
        assert subscriber.read() == b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n"

    def test_shard_channels_leave_with_their_slot(self, node: ClusterNode) -> None:
        subscriber, other = node.connect(), node.connect()
        subscriber("SSUBSCRIBE", "{b}1")
        subscriber("SSUBSCRIBE", "{f}1")
        other("SSUBSCRIBE", "{b}1")
        assert node("PUBSUB", "SHARDNUMSUB", "{b}1", "{f}1") == [b"{b}1", 2, b"{f}1", 1]
        node.give(node.third, range(key_slot(b"b"), key_slot(b"b") + 1))
        assert subscriber.read() == b"*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{b}1\r\n:1\r\n"
        assert other.read() == b"*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{b}1\r\n:0\r\n"
        assert node("PUBSUB", "SHARDCHANNELS") == [b"{f}1"]
        assert other("GET", "{f}1") == b"$-1\r\n"  # it is no subscriber any more


class TestDebug:
    def test_links(self, node: ClusterNode) -> None:
        assert node("DEBUG", "CLUSTERLINK", "kill", "TO", OTHER) == b"OK"
        assert node.cluster.calls == [("kill links", OTHER, "to")]
        node.cluster.error = "ERR Unknown node x"
        assert node("DEBUG", "CLUSTERLINK", "KILL", "all", "x") == b"ERR Unknown node x"
        unknown = b"ERR unknown subcommand or wrong number of arguments for 'CLUSTERLINK'. Try DEBUG HELP."
        assert node("DEBUG", "CLUSTERLINK", "bogus", "all", "x") == unknown
        assert Server()("DEBUG", "CLUSTERLINK", "KILL", "all", "x") == (
            b"ERR Debug option only available for cluster mode enabled setup!"
        )

    def test_messages_are_dropped(self, node: ClusterNode) -> None:
        assert node("DEBUG", "DROP-CLUSTER-PACKET-FILTER", 2) == b"OK"
        assert node("DEBUG", "DROP-CLUSTER-PACKET-FILTER", "x") == INTEGER
        assert node.cluster.calls == [("drop messages", 2)]
        assert Server()("DEBUG", "DROP-CLUSTER-PACKET-FILTER", 2) == b"OK"

    def test_the_secret_is_shown_as_a_checksum(self, node: ClusterNode) -> None:
        checksum = node("DEBUG", "INTERNAL_SECRET")
        assert isinstance(checksum, int)
        assert checksum & 0x3FFF == key_slot(node.cluster.secret)  # a slot is 14 bits of the same checksum
        assert Server()("DEBUG", "INTERNAL_SECRET") == b"ERR Internal secret is missing"

    def test_info(self, node: ClusterNode) -> None:
        assert b"cluster_connections:4\r\n" in node("INFO", "clients")
        assert b"mem_cluster_links:17\r\n" in node("INFO", "memory")


class TestInternalConnections:
    def test_the_secret_logs_in_without_a_user(self) -> None:
        node = ClusterNode(requirepass="secret")
        connection = node.connect()
        assert connection("CLUSTER", "MYID").startswith(b"-NOAUTH")
        assert connection("AUTH", "internal connection", "4" * 40) == b"-WRONGPASS invalid internal password\r\n"
        assert connection("AUTH", "internal connection", "") == b"-WRONGPASS invalid internal password\r\n"
        assert connection("AUTH", "internal connection", node.cluster.secret) == b"+OK\r\n"
        assert connection("SET", "{b}1", 1) == b"+OK\r\n"
        assert b" flags=I " in connection("CLIENT", "INFO")
        assert b" user=(superuser) " in connection("CLIENT", "INFO")

    def test_without_cluster_mode_there_are_none(self) -> None:
        assert Server()("AUTH", "internal connection", "x") == (
            b"ERR Cannot authenticate as an internal connection on non-cluster instances"
        )

    def test_a_client_may_be_marked(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection("DEBUG", "MARK-INTERNAL-CLIENT") == b"+OK\r\n"
        assert b" flags=I " in connection("CLIENT", "INFO")
        assert connection("DEBUG", "MARK-INTERNAL-CLIENT", "unmark") == b"+OK\r\n"
        assert b" flags=N " in connection("CLIENT", "INFO")
        assert connection("DEBUG", "MARK-INTERNAL-CLIENT", "x").startswith(b"-ERR unknown subcommand or wrong")
