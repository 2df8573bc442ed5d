"""The keys of slots that a node has or loses."""

from __future__ import annotations

from tests.support.cluster import ClusterNode
from tests.support.server import Server
from twisted_redis.cluster.keyspace import count_keys, delete_keys, keys_in_slot

SLOT = 3300  # of {b}


def test_keys_of_a_lost_slot_are_deleted() -> None:
    node = ClusterNode()
    node("CONFIG", "SET", "notify-keyspace-events", "KEA")
    for number in range(3):
        node("SET", f"{{b}}{number}", 1)
    node("SET", "{f}1", 1)
    subscriber, watcher, cacher = node.connect(), node.connect(), node.connect()
    subscriber("PSUBSCRIBE", "*")
    watcher.send(b"WATCH {b}1\r\nMULTI\r\nPING\r\n")
    cacher.send(b"HELLO 3\r\nCLIENT TRACKING ON\r\nGET {b}1\r\n")
    recorder = node.record()
    dirty = node.engine.effects.dirty

    assert node.lose(SLOT) == 3
    assert list(node.engine.databases[0].data) == [b"{f}1"]
    assert sorted(recorder.take()) == [[b"DEL", b"{b}%d" % number] for number in range(3)]
    assert node.engine.effects.dirty == dirty + 3
    assert watcher("EXEC") == b"*-1\r\n"
    assert b"invalidate" in cacher.read()
    assert subscriber.read() == b""  # the keys live on elsewhere
    assert node.lose(SLOT) == 0


def test_they_may_be_freed_later() -> None:
    node = ClusterNode(lazyfree_lazy_server_del=True)
    node("SET", "{b}1", 1)
    recorder = node.record()
    node.lose(SLOT)
    assert recorder.take() == [[b"UNLINK", b"{b}1"]]


def test_a_server_without_cluster_mode_has_no_slots() -> None:
    server = Server()
    server("SET", "{b}1", 1)
    assert count_keys(server.engine, SLOT) == 0
    assert keys_in_slot(server.engine, SLOT, 10) == []
    assert delete_keys(server.engine, SLOT) == 0
    assert server("EXISTS", "{b}1") == 1
