"""CLUSTER SLOT-STATS.  The right values follow Redis 8.8, since Redis 8.0 does not have this command."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster import ClusterNode
from twisted_redis.engine.gates import IS_CLUSTER
from twisted_redis.keyspace.slots import SLOTS

RANGE = b"ERR Invalid or out of range slot"
LIMIT = b"ERR Limit has to lie in between 1 and 16384 (maximum number of slots)."
METRIC = b"ERR Unrecognized sort metric for ORDERBY."
TWICE = b"ERR Multiple filters of the same type are disallowed."
SYNTAX = b"ERR syntax error"
SUBCOMMAND = b"ERR unknown subcommand or wrong number of arguments for '%b'. Try CLUSTER HELP."


@pytest.fixture
def node() -> ClusterNode:
    """A node with slots 0 to 8191, which has two keys in slot 3300 and one in slot 7365."""
    node = ClusterNode()
    for key in ("{b}1", "{b}2", "{c}1"):
        assert node("SET", key, 1) == b"OK"
    return node


def stats(node: ClusterNode, *words: Any) -> Any:
    return node("CLUSTER", "SLOT-STATS", *words)


def counts(reply: Any) -> list[tuple[int, int]]:
    """Returns the slots and their numbers of keys; there is no other metric."""
    found = []
    for slot, figures in reply:
        assert figures.keys() == {b"key-count"}
        found.append((slot, figures[b"key-count"]))
    return found


def test_a_range(node: ClusterNode) -> None:
    assert counts(stats(node, "SLOTSRANGE", 3299, 3301)) == [(3299, 0), (3300, 2), (3301, 0)]
    assert counts(stats(node, "slotsrange", 7365, 7365)) == [(7365, 1)]


def test_a_range_has_only_slots_of_this_shard(node: ClusterNode) -> None:
    assert counts(stats(node, "SLOTSRANGE", 8190, 9000)) == [(8190, 0), (8191, 0)]
    assert stats(node, "SLOTSRANGE", 8192, 16383) == []
    assert len(stats(node, "SLOTSRANGE", 0, 16383)) == 8192


def test_a_replica_shows_the_slots_of_its_master(node: ClusterNode) -> None:
    node.become_replica()
    assert counts(stats(node, "SLOTSRANGE", 3300, 3300)) == [(3300, 2)]
    assert len(stats(node, "SLOTSRANGE", 0, 16383)) == SLOTS


def test_the_largest_slots_come_first(node: ClusterNode) -> None:
    expected = [(3300, 2), (7365, 1), (0, 0), (1, 0)]
    assert counts(stats(node, "ORDERBY", "key-count", "LIMIT", 4)) == expected
    assert counts(stats(node, "orderby", "KEY-COUNT", "desc", "limit", 4)) == expected
    everything = counts(stats(node, "ORDERBY", "key-count"))
    assert everything[:4] == expected and len(everything) == 8192
    assert counts(stats(node, "ORDERBY", "key-count", "LIMIT", SLOTS)) == everything


def test_the_smallest_slots_come_first_with_asc(node: ClusterNode) -> None:
    assert counts(stats(node, "ORDERBY", "key-count", "LIMIT", 2, "ASC")) == [(0, 0), (1, 0)]
    assert counts(stats(node, "ORDERBY", "key-count", "ASC"))[-3:] == [(8191, 0), (7365, 1), (3300, 2)]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("SLOTSRANGE x 1", RANGE),
        ("SLOTSRANGE 0 16384", RANGE),
        ("SLOTSRANGE -1 1", RANGE),
        ("SLOTSRANGE 2 1", b"ERR Start slot number 2 is greater than end slot number 1"),
        ("SLOTSRANGE 1", SUBCOMMAND % b"SLOT-STATS"),
        ("SLOTSRANGE 1 2 3", SUBCOMMAND % b"SLOT-STATS"),
        ("bogus key-count", SUBCOMMAND % b"SLOT-STATS"),
        ("ORDERBY bogus", METRIC),
        # These are metrics of Redis, but only while cluster-slot-stats-enabled is on.
        *((f"ORDERBY {metric}", METRIC) for metric in ("cpu-usec", "network-bytes-in", "network-bytes-out")),
        ("ORDERBY memory-bytes", METRIC),
        ("ORDERBY bogus bogus", METRIC),
        ("ORDERBY key-count bogus", SYNTAX),
        ("ORDERBY key-count LIMIT", SYNTAX),
        ("ORDERBY key-count LIMIT 0", LIMIT),
        ("ORDERBY key-count LIMIT 16385", LIMIT),
        ("ORDERBY key-count LIMIT x", LIMIT),
        ("ORDERBY key-count LIMIT 1 LIMIT 2", TWICE),
        ("ORDERBY key-count LIMIT 1 LIMIT x", LIMIT),
        ("ORDERBY key-count ASC DESC", TWICE),
        ("ORDERBY key-count ASC ASC bogus", TWICE),
        ("ORDERBY key-count ASC LIMIT", SYNTAX),
    ],
)
def test_errors(node: ClusterNode, request_: str, error: bytes) -> None:
    assert stats(node, *request_.split()) == error


def test_the_reply_in_each_protocol(node: ClusterNode) -> None:
    call = ("CLUSTER", "SLOT-STATS", "SLOTSRANGE", "3300", "3300")
    connection = node.connect()
    assert connection(*call) == b"*1\r\n*2\r\n:3300\r\n*2\r\n$9\r\nkey-count\r\n:2\r\n"
    connection("HELLO", "3")
    assert connection(*call) == b"*1\r\n*2\r\n:3300\r\n%1\r\n$9\r\nkey-count\r\n:2\r\n"


def cost(node: ClusterNode, slot: int) -> dict[bytes, int]:
    """Returns the figures of a slot without the number of keys."""
    [[_, figures]] = stats(node, "SLOTSRANGE", slot, slot)
    del figures[b"key-count"]
    return figures  # type: ignore[no-any-return]


@pytest.fixture
def measured() -> ClusterNode:
    return ClusterNode(cluster_slot_stats_enabled=frozenset({"net", "cpu"}))


NAME = "cluster-slot-stats-enabled"
#: The slots of the keys "b" and "c".
B, C = 3300, 7365


def received(node: ClusterNode, slot: int = B) -> int:
    return cost(node, slot)[b"network-bytes-in"]


def sent(node: ClusterNode, slot: int = B) -> int:
    return cost(node, slot)[b"network-bytes-out"]


def test_bytes_of_requests_and_replies(measured: ClusterNode) -> None:
    client = measured.connect()
    client("SET", "b", "value")
    assert (received(measured), sent(measured)) == (31, 5)
    client.send(b"GET b\r\n")
    assert (received(measured), sent(measured)) == (31 + 7, 5 + 11)
    client("PING")
    client("MGET", "b", "c")  # CROSSSLOT
    assert (received(measured), received(measured, C)) == (38, 0)


def test_a_transaction_counts_once(measured: ClusterNode) -> None:
    client = measured.connect()
    client("MULTI")
    client("SET", "b", "value")
    assert (received(measured), sent(measured)) == (31, 0)
    client("EXEC")
    assert (received(measured), sent(measured)) == (15 + 31 + 14, 9)


def test_a_waiting_call_counts_when_it_ends(measured: ClusterNode) -> None:
    waiting = measured.connect()
    waiting("BLPOP", "b", "0")
    assert cost(measured, B) == {b"cpu-usec": 0, b"network-bytes-in": 0, b"network-bytes-out": 0}
    measured.connect()("LPUSH", "b", "value")
    assert (received(measured), sent(measured)) == (29 + 33, 22 + 4)


def test_scripts_count_unless_they_may_use_any_slot(measured: ClusterNode) -> None:
    client = measured.connect()
    client("EVAL", "return redis.call('get', KEYS[1])", "1", "b")
    client("EVAL", "#!lua flags=allow-cross-slot-keys\nreturn redis.call('get', KEYS[1])", "1", "b")
    assert received(measured) == 0
    client("EVAL", "#!lua\nreturn redis.call('get', KEYS[1])", "1", "b")
    assert received(measured) > 0


def test_messages_of_a_shard_channel_count_for_each_subscriber(measured: ClusterNode) -> None:
    subscribers = [measured.connect(), measured.connect()]
    for subscriber in subscribers:
        subscriber("SSUBSCRIBE", "b")
    before = sent(measured)
    assert before == 2 * len(b"*3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:1\r\n")
    measured.connect()("SPUBLISH", "b", "hello")
    assert sent(measured) == before + 2 * len(b"*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$5\r\nhello\r\n") + 4


def test_the_duration_is_that_of_the_statistics(measured: ClusterNode) -> None:
    ticks = iter(range(0, 10**9, 5_000))
    measured.engine.clock_ns = lambda: next(ticks)
    measured("SET", "b", "value")
    usec = cost(measured, B)[b"cpu-usec"]
    assert usec > 0
    assert f"cmdstat_set:calls=1,usec={usec}," in measured("INFO", "commandstats").decode()


def test_the_figures_begin_anew(measured: ClusterNode) -> None:
    measured("SET", "b", "value")
    measured("CONFIG", "RESETSTAT")
    assert received(measured) == 0
    measured("SET", "b", "value")
    measured.give(measured.other, range(B, B + 1))
    measured.give(measured.state.myself, range(B, B + 1))
    assert received(measured) == 0


def test_the_order_of_a_measured_metric(measured: ClusterNode) -> None:
    measured("SET", "c", "value")
    measured("SET", "b", "longer value")
    order = [slot for slot, _ in stats(measured, "ORDERBY", "network-bytes-in", "LIMIT", 2)]
    assert order == [B, C]
    assert stats(measured, "ORDERBY", "memory-bytes") == METRIC


def test_the_words_of_the_directive(measured: ClusterNode) -> None:
    for words, shown, metrics in (
        ("net cpu", b"cpu net", {b"cpu-usec", b"network-bytes-in", b"network-bytes-out"}),
        ("no cpu", b"cpu", {b"cpu-usec"}),
        ("no", b"no", set()),
    ):
        assert measured("CONFIG", "SET", NAME, words) == b"OK"
        assert measured("CONFIG", "GET", NAME) == [NAME.encode(), shown]
        assert cost(measured, B).keys() == metrics
    refused = b"ERR CONFIG SET failed (possibly related to argument 'cluster-slot-stats-enabled') - "
    for words in ("mem", "yes"):
        assert measured("CONFIG", "SET", NAME, words) == refused + b"memory tracking cannot be enabled at runtime"
    assert measured("CONFIG", "SET", NAME, "bogus") == (
        refused + b"argument(s) must be one of the following: no, yes, cpu, net, mem"
    )


def test_memory_is_shown_only_if_it_was_from_the_start() -> None:
    node = ClusterNode(cluster_slot_stats_enabled=frozenset({"net", "cpu", "mem"}))
    assert node("CONFIG", "GET", NAME) == [NAME.encode(), b"yes"]
    node("SET", "b", "x" * 1000)
    assert 1000 < cost(node, B)[b"memory-bytes"] < 1500
    assert cost(node, C)[b"memory-bytes"] == 0
    assert node("CONFIG", "SET", NAME, "cpu") == b"OK"
    assert b"memory tracking cannot be enabled" in node("CONFIG", "SET", NAME, "mem")


def test_memory_can_be_shown_if_another_directive_has_followed_it_from_the_start() -> None:
    node = ClusterNode(key_memory_histograms=True)
    node("SET", "b", "value")
    assert node("CONFIG", "SET", NAME, "mem") == b"OK"
    assert b"memory-bytes" in cost(node, B)
    assert node("CONFIG", "SET", NAME, "no") == b"OK"
    assert b"memory-bytes" not in cost(node, B)
    assert node("CONFIG", "SET", "key-memory-histograms", "no") == b"OK"
    assert b"memory tracking cannot be enabled" in node("CONFIG", "SET", NAME, "mem")
    assert b"memory tracking cannot be enabled" in node("CONFIG", "SET", "key-memory-histograms", "yes")


def test_nothing_is_measured_by_default(node: ClusterNode) -> None:
    assert node.engine.gates == IS_CLUSTER
    assert node("CONFIG", "GET", NAME) == [NAME.encode(), b"no"]
