"""Compaction rules."""

from __future__ import annotations

import pytest

from tests.support.server import Server


def pair(server: Server, aggregator: str = "sum", duration: int = 10, *alignment: int) -> None:
    """Creates a source and a target with a rule between them."""
    server("TS.CREATE", "source")
    server("TS.CREATE", "target", "LABELS", "kind", "target")
    assert server("TS.CREATERULE", "source", "target", "AGGREGATION", aggregator, duration, *alignment) == b"OK"


def add(server: Server, *times: int) -> None:
    for time in times:
        assert server("TS.ADD", "source", time, time, "ON_DUPLICATE", "last") == time


def content(server: Server, key: str = "target", *options: str) -> list[tuple[int, float]]:
    return [(time, float(value)) for time, value in server("TS.RANGE", key, "-", "+", *options)]


def test_complete_buckets_are_stored(server: Server) -> None:
    pair(server)
    add(server, 1, 2, 15, 38)
    assert content(server) == [(0, 3.0), (10, 15.0)]
    assert content(server, "target", "LATEST") == [(0, 3.0), (10, 15.0), (30, 38.0)]
    assert server("TS.GET", "target") == [10, b"15"]
    assert server("TS.GET", "target", "LATEST") == [30, b"38"]
    assert server("TS.MGET", "LATEST", "FILTER", "kind=target") == [[b"target", [], [30, b"38"]]]


def test_the_alignment_of_buckets(server: Server) -> None:
    pair(server, "count", 10, 3)
    add(server, 1, 2, 3, 12, 13, 25)
    assert content(server) == [(0, 2.0), (3, 2.0), (13, 1.0)]


@pytest.mark.parametrize(
    ("aggregator", "expected"),
    [
        ("avg", 3.0),
        ("first", 1.0),
        ("last", 5.0),
        ("min", 1.0),
        ("max", 5.0),
        ("range", 4.0),
        ("count", 2.0),
        ("sum", 6.0),
        ("std.p", 2.0),
        ("std.s", 8**0.5),
        ("var.p", 4.0),
        ("var.s", 8.0),
    ],
)
def test_the_aggregators(server: Server, aggregator: str, expected: float) -> None:
    pair(server, aggregator)
    add(server, 1, 5, 11)
    assert content(server) == [(0, expected)]


def test_the_time_weighted_average(server: Server) -> None:
    pair(server, "twa")
    add(server, 0, 5, 15, 30)
    assert content(server) == [(0, 5.0), (10, 15.0)]


def test_late_samples_change_complete_buckets_and_the_open_one(server: Server) -> None:
    pair(server)
    add(server, 1, 11, 21)
    add(server, 5)
    assert content(server) == [(0, 6.0), (10, 11.0)]
    add(server, 25, 22, 31)
    assert content(server) == [(0, 6.0), (10, 11.0), (20, 68.0)]


def test_deletions_change_complete_buckets_and_the_open_one(server: Server) -> None:
    pair(server)
    add(server, 1, 2, 11, 21, 31, 32)
    assert server("TS.DEL", "source", 2, 15) == 2
    assert content(server) == [(0, 1.0), (20, 21.0)]
    assert server("TS.DEL", "source", 32, 40) == 1
    assert content(server, "target", "LATEST") == [(0, 1.0), (20, 21.0), (30, 31.0)]


def test_the_deletion_of_the_open_bucket_opens_the_one_before(server: Server) -> None:
    # Redis' module of this version crashes here.
    pair(server)
    add(server, 1, 11, 21, 22)
    assert server("TS.DEL", "source", 20, 30) == 2
    assert content(server) == [(0, 1.0)]
    assert content(server, "target", "LATEST") == [(0, 1.0), (10, 11.0)]
    add(server, 15, 30)
    assert content(server) == [(0, 1.0), (10, 26.0)]


def test_the_deletion_of_all_samples(server: Server) -> None:
    pair(server)
    add(server, 1, 11, 21)
    assert server("TS.DEL", "source", "-", "+") == 3
    assert content(server, "target", "LATEST") == []
    add(server, 41, 51)
    assert content(server) == [(40, 41.0)]


def test_deletions_beyond_the_retention_are_refused(server: Server) -> None:
    pair(server)
    server("TS.ALTER", "source", "RETENTION", 20)
    add(server, 1, 35, 40)
    reply = server("TS.DEL", "source", 25, 40)
    assert reply == 2
    add(server, 100)
    reply = server("TS.DEL", "source", 70, 100)
    assert isinstance(reply, bytes)
    assert reply.startswith(b"ERR TSDB: When a series has compactions, deleting samples")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("source source", b"ERR TSDB: the source key and destination key should be different"),
        ("missing target", b"ERR TSDB: the key does not exist"),
        ("free missing", b"ERR TSDB: the key does not exist"),
        ("free text", b"ERR WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("target free", b"ERR TSDB: the source key already has a source rule"),
        ("free source", b"ERR TSDB: the destination key already has a dst rule"),
        ("free target", b"ERR TSDB: the destination key already has a src rule"),
        ("source target", b"ERR TSDB: the destination key already has a src rule"),
    ],
)
def test_rules_in_chains_and_circles_are_refused(server: Server, call: str, error: bytes) -> None:
    pair(server)
    server("TS.CREATE", "free")
    server("SET", "text", "x")
    before = server("DEBUG", "DIGEST")
    assert server("TS.CREATERULE", *call.split(), "AGGREGATION", "sum", 10) == error
    assert server("DEBUG", "DIGEST") == before


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("AGGREGATION odd 10", b"ERR TSDB: Unknown aggregation type"),
        ("AGGREGATION sum x", b"ERR TSDB: Couldn't parse AGGREGATION"),
        ("AGGREGATION sum -1", b"ERR TSDB: bucketDuration must be greater than zero"),
        ("AGGREGATION sum 10 x", b"ERR TSDB: Couldn't parse alignTimestamp"),
        ("ODD sum 10", b"ERR wrong number of arguments for 'ts.createrule' command"),
        ("AGGREGATION sum", b"ERR wrong number of arguments for 'ts.createrule' command"),
    ],
)
def test_rules_that_are_not_valid(server: Server, words: str, error: bytes) -> None:
    server("TS.CREATE", "a")
    server("TS.CREATE", "b")
    assert server("TS.CREATERULE", "a", "b", *words.split()) == error


def test_a_rule_is_deleted(server: Server) -> None:
    pair(server)
    add(server, 1, 11)
    assert server("TS.DELETERULE", "source", "target") == b"OK"
    assert server("TS.DELETERULE", "source", "target") == b"ERR TSDB: compaction rule does not exist"
    add(server, 21, 31)
    assert content(server) == [(0, 1.0)]
    assert server("TS.CREATERULE", "target", "source", "AGGREGATION", "sum", 10) == b"OK"


def test_the_keys_of_a_rule_are_renamed(server: Server) -> None:
    pair(server)
    server("RENAME", "source", "from")
    server("RENAME", "target", "to")
    info = server("TS.INFO", "from")
    assert info[info.index(b"rules") + 1] == [[b"to", 10, b"SUM", 0]]
    info = server("TS.INFO", "to")
    assert info[info.index(b"sourceKey") + 1] == b"from"
    server("TS.ADD", "from", 1, 1)
    server("TS.ADD", "from", 11, 1)
    assert content(server, "to") == [(0, 1.0)]
    assert server("TS.QUERYINDEX", "kind=target") == [b"to"]


@pytest.mark.parametrize("end", [("DEL", "target"), ("SET", "target", "x"), ("MOVE", "target", 1), ("FLUSHALL",)])
def test_a_target_that_is_gone(server: Server, end: tuple[str, ...]) -> None:
    pair(server)
    add(server, 1, 11)
    server(*end)
    add(server, 21, 31, 5)
    assert server("TS.DEL", "source", 0, 10) in (0, 1, 2)
    info = server("TS.INFO", "source")
    assert info[info.index(b"rules") + 1] == []


def test_a_source_that_is_gone(server: Server) -> None:
    pair(server)
    server("DEL", "source")
    assert content(server, "target", "LATEST") == []
    info = server("TS.INFO", "target")
    assert info[info.index(b"sourceKey") + 1] is None


def test_copies_have_no_rules(server: Server) -> None:
    pair(server)
    add(server, 1, 11)
    server("COPY", "source", "other source")
    server("COPY", "target", "other target")
    server("TS.ADD", "other source", 21, 1)
    assert content(server) == [(0, 1.0)]
    assert content(server, "other target") == [(0, 1.0)]
    assert server("TS.QUERYINDEX", "kind=target") == [b"other target", b"target"]


def test_rules_live_on_in_another_database(server: Server) -> None:
    pair(server)
    server("SWAPDB", 0, 1)
    server("SELECT", 1)
    add(server, 1, 11, 5)
    assert content(server) == [(0, 6.0)]
    assert server("TS.QUERYINDEX", "kind=target") == [b"target"]
    server("SELECT", 0)
    assert server("TS.QUERYINDEX", "kind=target") == []


def test_a_late_sample_before_all_buckets_of_the_target(server: Server) -> None:
    server("TS.CREATE", "source")
    server("TS.CREATE", "target")
    add(server, 100)
    server("TS.CREATERULE", "source", "target", "AGGREGATION", "sum", 10)
    add(server, 50, 70, 110, 120)
    assert content(server) == [(50, 50.0), (70, 70.0), (110, 110.0)]


def test_a_stored_pair_with_rules_in_a_circle_does_no_harm(server: Server) -> None:
    pair(server)
    add(server, 1, 11)
    from twisted_redis.modules.timeseries.series import Rule, Series

    data = server.client.db.data
    source, target = data[b"source"], data[b"target"]
    assert isinstance(source, Series)
    source.source = b"target"
    target.rules = [Rule(b"source", b"sum", 10, 0)]
    add(server, 21, 31, 5)
    server("TS.ADD", "target", 1000, 1)
    server("TS.DEL", "target", "-", "+")
    server("TS.DEL", "source", "-", "+")
    assert content(server) == []


def test_both_keys_of_a_rule_are_known(server: Server) -> None:
    words = ("TS.CREATERULE", "source", "target", "AGGREGATION", "sum", 10)
    assert server("COMMAND", "GETKEYS", *words) == [b"source", b"target"]
    assert server("COMMAND", "GETKEYS", "TS.DELETERULE", "source", "target") == [b"source", b"target"]
    assert server("COMMAND", "GETKEYS", "TS.MADD", "a", 1, 1, "b", 1, 1) == [b"a", b"b"]
