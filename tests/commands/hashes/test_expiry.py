"""Expiry of hash fields: setting and reading the times, and what happens when they have passed."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.engine.links import NullLink
from twisted_redis.resp.types import NullArray

NO_INTEGER = "ERR value is not an integer or out of range"
NO_FIELDS = "ERR Mandatory argument FIELDS is missing or not at the right position"
BAD_NUMBER = "ERR Number of fields must be a positive integer"
TOO_FEW = "ERR wrong number of arguments"
TWICE = "ERR FIELDS keyword specified multiple times"
ONE_TIME_OR_PERSIST = "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified"
WRONG_NUMBER = "ERR The `numfields` parameter must match the number of arguments"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"

START = 1_700_000_000_000  # the start of the test's clock (ms)


@pytest.fixture(params=["listpackex", "hashtable"])
def server(request: pytest.FixtureRequest) -> InProcess:
    """A server with the hash h: a is 1, b is 2, c is 3."""
    made = InProcess()
    if request.param == "hashtable":
        made.config.hash_max_listpack_entries = 0
    made("HSET", "h", "a", 1, "b", 2, "c", 3)
    return made


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def pass_time(server: InProcess, milliseconds: int) -> None:
    """Advances the time without the active expiry, so that only commands find expired fields."""
    server.clock.advance(milliseconds / 1000)


# Setting and reading times


@pytest.mark.parametrize(
    ("command", "time", "milliseconds"),
    [
        ("HEXPIRE", 5, 5000),
        ("HPEXPIRE", 1500, 1500),
        ("HEXPIREAT", START // 1000 + 7, 7000),
        ("HPEXPIREAT", START + 1234, 1234),
    ],
)
def test_times_are_set_and_read(server: InProcess, command: str, time: int, milliseconds: int) -> None:
    assert server(command, "h", time, "FIELDS", 3, "a", "x", "b") == [1, -2, 1]
    assert server("HPTTL", "h", "FIELDS", 3, "a", "c", "x") == [milliseconds, -1, -2]
    assert server("HTTL", "h", "FIELDS", 1, "a") == [(milliseconds + 999) // 1000]
    assert server("HPEXPIRETIME", "h", "FIELDS", 1, "b") == [START + milliseconds]
    assert server("HEXPIRETIME", "h", "FIELDS", 1, "b") == [(START + milliseconds + 999) // 1000]


def test_a_missing_key(server: InProcess) -> None:
    assert server("HEXPIRE", "x", 5, "FIELDS", 2, "a", "b") == [-2, -2]
    for command in ("HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST"):
        assert server(command, "x", "FIELDS", 2, "a", "b") == [-2, -2]
    assert server("HGETDEL", "x", "FIELDS", 1, "a") == [None]
    assert server("HGETEX", "x", "EX", 5, "FIELDS", 1, "a") == [None]
    assert server("EXISTS", "x") == 0


@pytest.mark.parametrize(
    ("condition", "time", "results"),
    [
        ("NX", 500, [0, 1]),
        ("XX", 500, [1, 0]),
        ("GT", 500, [1, 0]),
        ("GT", 100, [0, 0]),
        ("GT", 99, [0, 0]),
        ("LT", 500, [0, 1]),
        ("LT", 100, [0, 1]),
        ("lt", 99, [1, 1]),
    ],
)
def test_conditions(server: InProcess, condition: str, time: int, results: list[int]) -> None:
    server("HEXPIRE", "h", 100, "FIELDS", 1, "a")
    assert server("HEXPIRE", "h", time, condition, "FIELDS", 2, "a", "b") == results


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["HEXPIRE", "h", "x", "FIELDS", "1", "a"], NO_INTEGER),
        (["HEXPIRE", "h", "-1", "FIELDS", "1", "a"], "ERR invalid expire time, must be >= 0"),
        (
            ["HEXPIRE", "h", "70368744178", "FIELDS", "1", "a"],
            "ERR invalid expire time in 'hexpire' command",
        ),
        (
            ["HPEXPIREAT", "h", "70368744177664", "FIELDS", "1", "a"],
            "ERR invalid expire time in 'hpexpireat' command",
        ),
        (
            ["HPEXPIRE", "h", "70368744177663", "FIELDS", "1", "a"],
            "ERR invalid expire time in 'hpexpire' command",
        ),
        (["HEXPIRE", "h", "1", "YY", "FIELDS", "1", "a"], "ERR unknown argument: YY"),
        (["HEXPIRE", "h", "1", "FIELD\0S", "1", "a"], "ERR unknown argument: FIELD"),
        (["HEXPIRE", "h", "1", "FIELDS", "1", "a", "b"], "ERR unknown argument: b"),
        (["HEXPIRE", "h", "1", "NX", "XX", "FIELDS", "1", "a"], "ERR Multiple condition flags specified"),
        (["HEXPIRE", "h", "1", "FIELDS", "1", "a", "GT", "LT"], "ERR Multiple condition flags specified"),
        (["HEXPIRE", "h", "1", "NX", "NX", "NX"], "ERR missing FIELDS argument"),
        (["HEXPIRE", "h", "1", "FIELDS", "1", "a", "FIELDS", "1", "b"], TWICE),
        (
            ["HEXPIRE", "h", "1", "FIELDS", "0", "a"],
            "ERR Parameter `numFields` should be greater than 0",
        ),
        (
            ["HEXPIRE", "h", "1", "FIELDS", "x", "a"],
            "ERR Parameter `numFields` should be greater than 0",
        ),
        (["HEXPIRE", "h", "1", "FIELDS", "2", "a"], TOO_FEW),
        (
            ["HEXPIRE", "h", "1", "NX", "FIELDS", "1"],
            "ERR FIELDS requires at least numfields and one field argument",
        ),
        (["HTTL", "h", "X", "1", "a"], NO_FIELDS),
        (["HTTL", "h", "FIELDS", "0", "a"], BAD_NUMBER),
        (["HTTL", "h", "FIELDS", "2", "a"], WRONG_NUMBER),
        (["HPERSIST", "h", "FIELDS", "-1", "a"], BAD_NUMBER),
        (["HGETDEL", "h", "FIELDS", "2", "a"], WRONG_NUMBER),
        (["HGETEX", "h", "KEEPTTL", "FIELDS", "1", "a"], "ERR unknown argument: KEEPTTL"),
        (["HGETEX", "h", "FIELDS", "1", "a", "b"], "ERR unknown argument: b"),
        (["HGETEX", "h", "FIELDS", "5", "a"], TOO_FEW),
        (["HGETEX", "h", "FIELDS", "0", "a"], "ERR invalid number of fields"),
        (["HGETEX", "h", "FIELDS", "1", "a", "FIELDS", "1", "b"], TWICE),
        (["HGETEX", "h", "PERSIST", "EX", "5", "FIELDS", "1", "a"], ONE_TIME_OR_PERSIST),
        (["HGETEX", "h", "EX", "5", "PERSIST"], ONE_TIME_OR_PERSIST),
        (["HGETEX", "h", "PERSIST", "PERSIST", "FIELDS", "1", "a"], ONE_TIME_OR_PERSIST),
        (["HGETEX", "h", "EX", "-1", "FIELDS", "1", "a"], "ERR invalid expire time, must be >= 0"),
        (["HGETEX", "h", "EX", "10", "FIELDS"], "ERR wrong number of arguments for 'hgetex' command"),
        (["HGETEX", "h", "FIELDS", "1", "a", "EX"], "ERR missing expire time"),
        (
            ["HGETEX", "h", "EX", "70368744178", "FIELDS", "1", "a"],
            "ERR invalid expire time in 'hgetex' command",
        ),
    ],
)
def test_errors(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, *argv) == error


@pytest.mark.parametrize(
    "argv",
    [
        ["HEXPIRE", "k", "x", "NONSENSE", "1", "a"],
        ["HTTL", "k", "NONSENSE", "1", "a"],
        ["HPERSIST", "k", "NONSENSE", "1", "a"],
        ["HGETDEL", "k", "NONSENSE", "1", "a"],
        ["HGETEX", "k", "NONSENSE", "1", "a"],
        ["HSETEX", "k", "FIELDS", "1", "a", "1"],
    ],
)
def test_wrong_type(server: InProcess, argv: list[str]) -> None:
    server("SET", "k", "v")
    assert refused(server, *argv) == WRONG_TYPE


def test_the_latest_moment(server: InProcess) -> None:
    assert server("HPEXPIREAT", "h", 70368744177663, "FIELDS", 1, "a") == [1]
    assert server("HEXPIREAT", "h", 70368744177, "FIELDS", 1, "a") == [1]


def test_hpersist(server: InProcess) -> None:
    server("HEXPIRE", "h", 5, "FIELDS", 1, "a")
    assert server("HPERSIST", "h", "FIELDS", 3, "a", "b", "x") == [1, -1, -2]
    assert server("HTTL", "h", "FIELDS", 1, "a") == [-1]
    assert server.effects("HPERSIST", "h", "FIELDS", 1, "a") == []


def test_the_encoding_shows_that_there_may_be_times() -> None:
    server = InProcess()
    server("HSET", "h", "a", "1")
    assert server("OBJECT", "ENCODING", "h") == b"listpack"
    assert server("HEXPIRE", "h", 5, "XX", "FIELDS", 1, "a") == [0]
    assert server("OBJECT", "ENCODING", "h") == b"listpackex"


def test_hset_takes_the_time_and_hincrby_leaves_it(server: InProcess) -> None:
    server("HEXPIRE", "h", 5, "FIELDS", 3, "a", "b", "c")
    server("HSET", "h", "a", "1")
    server("HINCRBY", "h", "b", "1")
    server("HINCRBYFLOAT", "h", "c", "1")
    assert server("HTTL", "h", "FIELDS", 3, "a", "b", "c") == [-1, 5, 5]


# Times that have passed


def test_a_time_in_the_past_deletes(server: InProcess) -> None:
    assert server.effects("HEXPIREAT", "h", 1, "FIELDS", 3, "a", "x", "b") == ["HDEL h a", "HDEL h b"]
    assert server("HKEYS", "h") == (b"c",)
    assert server("HPEXPIRE", "h", 0, "FIELDS", 1, "c") == [2]
    assert server("EXISTS", "h") == 0


def test_a_field_of_the_past_is_found_by_commands(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    pass_time(server, 11)
    assert server("HLEN", "h") == 3
    assert list(server("HGETALL", "h")) == [b"c", b"3"]
    assert list(server("HKEYS", "h")) == [b"c"]
    assert list(server("HVALS", "h")) == [b"3"]
    assert server("HSCAN", "h", 0) == [b"0", (b"c", b"3")]
    assert server("HTTL", "h", "FIELDS", 1, "a") == [-2]
    assert server("HPERSIST", "h", "FIELDS", 1, "a") == [-2]
    assert server("HLEN", "h") == 3
    assert server("HGET", "h", "a") is None
    assert server("HLEN", "h") == 2
    assert server("HEXISTS", "h", "b") == 0
    assert server("HLEN", "h") == 1


@pytest.mark.parametrize(
    ("argv", "reply"),
    [
        (["HGET", "h", "a"], None),
        (["HEXISTS", "h", "a"], 0),
        (["HSTRLEN", "h", "a"], 0),
    ],
)
def test_reading_a_field_of_the_past_removes_it(server: InProcess, argv: list[str], reply: object) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "b")
    pass_time(server, 11)
    before = server.engine.stats.expired_fields
    assert server.effects(*argv) == ["HDEL h a"]
    assert server.engine.stats.expired_fields == before + 1
    server("HSET", "h", "a", "1")
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "c")
    pass_time(server, 11)
    assert server.events(*argv) == ["hexpired h"]
    assert server(*argv) == reply


@pytest.mark.parametrize(
    ("argv", "events"),
    [
        (["HGET", "h", "c"], ["del h"]),
        (["HEXISTS", "h", "c"], ["del h"]),
        (["HRANDFIELD", "h"], ["hexpired h", "del h"]),
    ],
)
def test_the_last_field_ends_the_hash(server: InProcess, argv: list[str], events: list[str]) -> None:
    server("HDEL", "h", "a", "b")
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "c")
    pass_time(server, 11)
    assert server.events(*argv) == events
    assert server("EXISTS", "h") == 0


def test_hmget_raises_one_event(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    pass_time(server, 11)
    assert server.events("HMGET", "h", "a", "b", "c") == ["hexpired h"]
    assert server("HMGET", "h", "a", "c") == [None, b"3"]


def test_hmget_that_ends_the_hash(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 3, "a", "b", "c")
    pass_time(server, 11)
    assert server.events("HMGET", "h", "a", "b", "c", "a") == ["hexpired h", "del h"]
    assert server("EXISTS", "h") == 0


def test_hmget_of_the_only_field_only_deletes_the_key(server: InProcess) -> None:
    server("HDEL", "h", "a", "b")
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "c")
    pass_time(server, 11)
    assert server.events("HMGET", "h", "c") == ["del h"]
    assert server("EXISTS", "h") == 0


@pytest.mark.parametrize(
    ("argv", "effects"),
    [
        (["HSETNX", "h", "c", "9"], ["HDEL h c", "HSETNX h c 9"]),
        (["HINCRBY", "h", "c", "9"], ["HDEL h c", "HINCRBY h c 9"]),
        (["HINCRBYFLOAT", "h", "c", "9"], ["HDEL h c", "HSETEX h KEEPTTL FIELDS 1 c 9"]),
    ],
)
def test_writing_after_the_last_field_has_passed(server: InProcess, argv: list[str], effects: list[str]) -> None:
    server("HDEL", "h", "a", "b")
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "c")
    pass_time(server, 11)
    assert server.effects(*argv) == effects
    assert server("HGETALL", "h") == (b"c", b"9")
    assert server("HTTL", "h", "FIELDS", 1, "c") == [-1]
    assert server("DBSIZE") == 1


def test_hrandfield_removes_all_that_has_passed(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    pass_time(server, 11)
    assert server.effects("HRANDFIELD", "h", 5) == ["HDEL h a", "HDEL h b"]
    assert list(server("HRANDFIELD", "h", 5)) == [b"c"]
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "c")
    pass_time(server, 11)
    assert list(server("HRANDFIELD", "h", 5)) == []
    assert server("EXISTS", "h") == 0


def test_watchers_learn_of_a_field_that_has_passed(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    server("WATCH", "h")
    pass_time(server, 11)
    other = server.engine.connect(NullLink())
    server.engine.execute(other, [b"HGET", b"h", b"a"])
    server("MULTI")
    server("PING")
    assert server("EXEC") is NullArray


def test_a_replica_hides_and_keeps_what_has_passed(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 3, "a", "b", "c")
    pass_time(server, 11)
    server.engine.state.hide_expired = True
    assert server("HGET", "h", "a") is None
    assert server("HMGET", "h", "a", "b") == [None, None]
    server("HRANDFIELD", "h")
    assert server("HLEN", "h") == 3


# The server's cycle


def test_the_cycle_removes_what_is_due(server: InProcess) -> None:
    recorder = server.record()
    server("HPEXPIRE", "h", 1000, "FIELDS", 2, "a", "b")
    server("HPEXPIRE", "h", 3000, "FIELDS", 1, "c")
    recorder.take()
    server.advance(0.5)
    assert server("HLEN", "h") == 3
    server.advance(1.5)
    assert server("HLEN", "h") == 1
    assert [len(unit) for unit in recorder.units] == [1, 1]
    assert recorder.take() == [[b"HDEL", b"h", b"a"], [b"HDEL", b"h", b"b"]]
    server.advance(2)
    assert server("EXISTS", "h") == 0
    assert server.engine.stats.expired_fields == 3
    assert len(server.db.field_wheel) == 0


def test_the_cycle_raises_events(server: InProcess) -> None:
    server("HPEXPIRE", "h", 1000, "FIELDS", 2, "a", "b")
    pass_time(server, 1500)
    engine = server.engine

    def cycle() -> list[str]:
        found: list[str] = []
        engine.pubsub.publish = lambda channel, message: found.append(channel.decode()[15:]) or 1  # type: ignore[func-returns-value]
        engine.events.publish_classes(0xFFFF & ~1)
        engine.expiry.cycle()
        return found

    assert cycle() == ["hexpired"]
    server("HPEXPIRE", "h", 1000, "FIELDS", 1, "c")
    pass_time(server, 1500)
    assert cycle() == ["hexpired", "del"]


def test_many_fields_are_removed_in_parts(server: InProcess) -> None:
    fields = [f"f{number}" for number in range(1000)]
    server("HSET", "big", *[word for field in fields for word in (field, "v")])
    server("HPEXPIRE", "big", 1000, "FIELDS", len(fields), *fields)
    pass_time(server, 1500)
    assert server.engine.expiry.cycle(budget_ns=0)
    left = server("HLEN", "big")
    assert 0 < left < 1000
    for _ in range(10):
        server.engine.expiry.cycle(budget_ns=0)
    assert server("EXISTS", "big") == 0


def test_the_database_counts_hashes_with_times(server: InProcess) -> None:
    wheel = server.db.field_wheel
    server("HSET", "other", "a", "1", "b", "2")
    assert len(wheel) == 0
    server("HEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    server("HEXPIRE", "other", 10, "FIELDS", 1, "a")
    assert len(wheel) == 2
    server("HDEL", "other", "a")
    assert len(wheel) == 1
    server("HGETDEL", "h", "FIELDS", 1, "a")
    assert len(wheel) == 1
    server("DEL", "h")
    assert len(wheel) == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["HPERSIST", "h", "FIELDS", "1", "a"],
        ["HGETEX", "h", "PERSIST", "FIELDS", "1", "a"],
        ["HSET", "h", "a", "1"],
        ["HMSET", "h", "a", "1", "b", "2"],
        ["HSETEX", "h", "FIELDS", "1", "a", "1"],
    ],
)
def test_a_hash_counts_until_the_removed_time(server: InProcess, argv: list[str]) -> None:
    """As in Redis, the database learns only then that no field expires. A reload finds out as well."""
    server("HEXPIRE", "h", 10, "FIELDS", 1, "a")
    server(*argv)
    assert "subexpiry=1" in server("INFO", "keyspace").decode()  # type: ignore[union-attr]
    server.advance(11)
    assert "subexpiry=0" in server("INFO", "keyspace").decode()  # type: ignore[union-attr]
    assert server("HGETALL", "h")
    server("HEXPIRE", "h", 10, "FIELDS", 1, "a")
    server.advance(11)
    assert server("HEXISTS", "h", "a") == 0


@pytest.mark.parametrize("argv", [["RENAME", "h", "other"], ["COPY", "h", "other"]])
def test_times_follow_the_hash(server: InProcess, argv: list[str]) -> None:
    server("HPEXPIRE", "h", 1000, "FIELDS", 1, "a")
    server(*argv)
    server.advance(2)
    assert server("HLEN", "other") == 2


def test_a_key_that_was_overwritten_is_left_alone(server: InProcess) -> None:
    server("HPEXPIRE", "h", 1000, "FIELDS", 1, "a")
    server("SET", "h", "string")
    server.advance(2)
    assert server("GET", "h") == b"string"


# HGETDEL, HGETEX, HSETEX


def test_hgetdel(server: InProcess) -> None:
    assert server.effects("HGETDEL", "h", "FIELDS", 2, "a", "x") == ["HDEL h a x"]
    assert server("HGETDEL", "h", "FIELDS", 3, "a", "b", "b") == [None, b"2", None]
    assert server.events("HGETDEL", "h", "fields", 1, "c") == ["hdel h", "del h"]
    assert server("EXISTS", "h") == 0


def test_hgetdel_of_a_field_of_the_past(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    pass_time(server, 11)
    assert server.effects("HGETDEL", "h", "FIELDS", 2, "a", "x") == ["HDEL h a"]
    assert server.dirty("HGETDEL", "h", "FIELDS", 1, "x") == 0
    assert server.events("HGETDEL", "h", "FIELDS", 2, "b", "c") == ["hexpired h", "hdel h", "del h"]


def test_hgetex_without_options_only_reads(server: InProcess) -> None:
    assert server("HGETEX", "h", "FIELDS", 2, "a", "x") == [b"1", None]
    assert server.effects("HGETEX", "h", "FIELDS", 1, "a") == []
    assert server.events("HGETEX", "h", "FIELDS", 1, "a") == []


@pytest.mark.parametrize(
    ("option", "time", "milliseconds"),
    [
        ("EX", 5, 5000),
        ("px", 1500, 1500),
        ("EXAT", START // 1000 + 7, 7000),
        ("PXAT", START + 1234, 1234),
    ],
)
def test_hgetex_sets_times(server: InProcess, option: str, time: int, milliseconds: int) -> None:
    effects = server.effects("HGETEX", "h", option, time, "FIELDS", 2, "a", "x")
    assert effects == [f"HPEXPIREAT h {START + milliseconds} FIELDS 2 a x"]
    assert server("HPTTL", "h", "FIELDS", 1, "a") == [milliseconds]
    assert server.events("HGETEX", "h", option, time, "FIELDS", 1, "b") == ["hexpire h"]


def test_hgetex_persist(server: InProcess) -> None:
    assert server.effects("HGETEX", "h", "PERSIST", "FIELDS", 1, "a") == []
    server("HEXPIRE", "h", 5, "FIELDS", 2, "a", "b")
    assert server.effects("HGETEX", "h", "PERSIST", "FIELDS", 1, "a") == ["HPERSIST h FIELDS 1 a"]
    assert server.events("HGETEX", "h", "PERSIST", "FIELDS", 2, "b", "c") == ["hpersist h"]
    assert server("HTTL", "h", "FIELDS", 2, "a", "b") == [-1, -1]


def test_hgetex_with_a_time_in_the_past(server: InProcess) -> None:
    assert server.effects("HGETEX", "h", "PX", 0, "FIELDS", 2, "a", "x") == ["HDEL h a"]
    assert server("HGETEX", "h", "PXAT", 1, "FIELDS", 1, "b") == [b"2"]
    assert server.events("HGETEX", "h", "EX", 0, "FIELDS", 1, "c") == ["hdel h", "del h"]
    assert server("EXISTS", "h") == 0


def test_hgetex_of_a_field_of_the_past(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    pass_time(server, 11)
    assert server.effects("HGETEX", "h", "FIELDS", 1, "a") == ["HDEL h a"]
    assert server.events("HGETEX", "h", "EX", 10, "FIELDS", 2, "b", "c") == ["hexpired h", "hexpire h"]


def test_hsetex_sets_all_fields(server: InProcess) -> None:
    assert server("HSETEX", "new", "EX", 5, "FIELDS", 2, "a", "1", "b", "2") == 1
    assert server("HGETALL", "new") == (b"a", b"1", b"b", b"2")
    assert server("HTTL", "new", "FIELDS", 2, "a", "b") == [5, 5]
    assert server.dirty("HSETEX", "new", "FIELDS", 2, "a", "1", "b", "2") == 2
    assert server("HTTL", "new", "FIELDS", 2, "a", "b") == [-1, -1]


def test_hsetex_keepttl(server: InProcess) -> None:
    server("HEXPIRE", "h", 5, "FIELDS", 1, "a")
    assert server("HSETEX", "h", "KEEPTTL", "FIELDS", 2, "a", "x", "b", "y") == 1
    assert server("HTTL", "h", "FIELDS", 2, "a", "b") == [5, -1]
    assert server("HGET", "h", "a") == b"x"


@pytest.mark.parametrize(
    ("condition", "fields", "reply"),
    [
        ("FNX", ["x", "1", "y", "2"], 1),
        ("FNX", ["x", "1", "a", "2"], 0),
        ("FXX", ["a", "8", "b", "9"], 1),
        ("fxx", ["a", "1", "x", "2"], 0),
    ],
)
def test_hsetex_conditions(server: InProcess, condition: str, fields: list[str], reply: int) -> None:
    before = server("HGETALL", "h")
    assert server("HSETEX", "h", condition, "FIELDS", 2, *fields) == reply
    assert (server("HGETALL", "h") == before) == (reply == 0)


def test_hsetex_conditions_on_a_missing_key(server: InProcess) -> None:
    assert server("HSETEX", "x", "FXX", "FIELDS", 1, "a", "1") == 0
    assert server("EXISTS", "x") == 0
    assert server("HSETEX", "x", "FNX", "FIELDS", 1, "a", "1") == 1


def test_hsetex_conditions_on_fields_of_the_past(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 3, "a", "b", "c")
    pass_time(server, 11)
    assert server.effects("HSETEX", "h", "FXX", "FIELDS", 1, "a", "1") == ["HDEL h a"]
    assert server("HLEN", "h") == 2
    assert server("HSETEX", "h", "FNX", "EX", 10, "FIELDS", 1, "b", "1") == 1
    assert server("HGET", "h", "b") == b"1"


def test_hsetex_with_a_time_in_the_past(server: InProcess) -> None:
    assert server.effects("HSETEX", "h", "PX", 0, "FIELDS", 1, "a", "1") == ["HDEL h a"]
    assert server.events("HSETEX", "h", "PX", 0, "FIELDS", 1, "b", "1") == ["hset h", "hdel h"]
    assert server.events("HSETEX", "x", "EXAT", 1, "FIELDS", 1, "b", "1") == [
        "new x",
        "hset x",
        "hdel x",
        "del x",
    ]
    assert server("EXISTS", "x") == 0


@pytest.mark.parametrize(
    ("options", "effect"),
    [
        (["EX", "5"], f"PXAT {START + 5000} "),
        (["FNX", "px", "5"], f"FNX PXAT {START + 5} "),
        (["EXAT", "1700000001", "FNX"], f"PXAT {START + 1000} FNX "),
        (["PXAT", "1700000001000"], "PXAT 1700000001000 "),
        (["KEEPTTL"], "KEEPTTL "),
        ([], ""),
    ],
)
def test_hsetex_goes_to_replicas_with_its_moment(server: InProcess, options: list[str], effect: str) -> None:
    assert server.effects("HSETEX", "x", *options, "fields", 1, "a", "1") == [f"HSETEX x {effect}fields 1 a 1"]


def test_options_after_the_fields(server: InProcess) -> None:
    moment = START + 5000
    assert server.effects("HEXPIRE", "h", 5, "FIELDS", 2, "a", "x", "nx") == [f"HPEXPIREAT h {moment} FIELDS 1 a nx"]
    assert server("HEXPIRE", "h", 9, "FIELDS", 2, "a", "b", "NX") == [0, 1]
    assert server.effects("HGETEX", "h", "fields", 1, "c", "EX", 5) == [f"HPEXPIREAT h {moment} FIELDS 1 c"]
    assert server.effects("HGETEX", "h", "fields", 1, "c", "PERSIST") == ["HPERSIST h FIELDS 1 c"]
    assert server.effects("HSETEX", "h", "FIELDS", 1, "a", "1", "px", 5000, "FXX") == [
        f"HSETEX h FIELDS 1 a 1 PXAT {moment} FXX"
    ]
    # A call that has a time since 1970 goes on as it came.
    assert server.effects("HSETEX", "h", "FIELDS", 1, "a", "1", "pxat", moment) == [
        f"HSETEX h FIELDS 1 a 1 pxat {moment}"
    ]


def test_hsetex_parses_before_it_looks_at_the_type(server: InProcess) -> None:
    server("SET", "k", "v")
    assert refused(server, "HSETEX", "k", "FIELDS", "1", "a", "1", "b") == "ERR unknown argument: b"
    assert refused(server, "HGETEX", "k", "FIELDS", "1", "a", "b") == WRONG_TYPE


def test_hsetex_raises_an_event_for_fields_that_have_passed(server: InProcess) -> None:
    server("HPEXPIRE", "h", 10, "FIELDS", 2, "a", "b")
    pass_time(server, 11)
    assert server.events("HSETEX", "h", "FNX", "FIELDS", 2, "a", "1", "c", "1") == ["hexpired h"]
    assert server.events("HSETEX", "h", "FNX", "FIELDS", 2, "b", "1", "d", "1") == ["hexpired h", "hset h"]
    server("HDEL", "h", "b", "d")
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "c")
    pass_time(server, 11)
    assert server.events("HSETEX", "h", "FXX", "FIELDS", 1, "c", "1") == ["hexpired h", "del h"]


def test_hincrbyfloat_keeps_the_time_of_the_field_on_a_replica(server: InProcess) -> None:
    replica = InProcess()
    for copy in (server, replica):
        copy("HSET", "h", "a", "1")
        copy("HPEXPIREAT", "h", START + 5000, "FIELDS", 1, "a")
    for effect in server.effects("HINCRBYFLOAT", "h", "a", "1.5"):
        replica(*effect.split())
    assert replica("HGET", "h", "a") == b"2.5"
    assert replica("HPTTL", "h", "FIELDS", 1, "a") == server("HPTTL", "h", "FIELDS", 1, "a") == [5000]


def test_hsetex_events(server: InProcess) -> None:
    assert server.events("HSETEX", "h", "FIELDS", 1, "a", "1") == ["hset h"]
    assert server.events("HSETEX", "h", "EX", 5, "FIELDS", 1, "a", "1") == ["hset h", "hexpire h"]
    assert server.events("HSETEX", "h", "FNX", "FIELDS", 1, "a", "1") == []


ONE_TIME = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["FIELDS", "1", "a", "1", "b"], "ERR unknown argument: b"),
        (["FIELDS", "2", "a", "1"], TOO_FEW),
        (["FNX", "EX", "5", "FIELDS", "1"], TOO_FEW),
        (["EX", "5", "FNX", "FIELDS"], "ERR wrong number of arguments for 'hsetex' command"),
        (["FIELDS", "1", "a", "1", "FIELDS", "1", "b", "1"], TWICE),
        (["FIELDS", "0", "a", "1"], "ERR invalid number of fields"),
        (["FIELDS", "x", "a", "1"], "ERR invalid number of fields"),
        (["EX", "5", "PX", "5", "FIELDS", "1", "a", "1"], ONE_TIME),
        (["KEEPTTL", "EX", "5", "FIELDS", "1", "a", "1"], ONE_TIME),
        (["EX", "5", "KEEPTTL", "FIELDS", "1", "a", "1"], ONE_TIME),
        (["FNX", "FXX", "FIELDS", "1", "a", "1"], "ERR Only one of FXX or FNX arguments can be specified"),
        (["Foo", "FIELDS", "1", "a", "1"], "ERR unknown argument: Foo"),
        (["EX", "x", "FIELDS", "1", "a", "1"], NO_INTEGER),
        (["EX", "-5", "FIELDS", "1", "a", "1"], "ERR invalid expire time, must be >= 0"),
        (["FNX", "FNX", "FXX", "EX"], "ERR Only one of FXX or FNX arguments can be specified"),
        (["PX", "70368744177663", "FIELDS", "1", "a", "1"], "ERR invalid expire time in 'hsetex' command"),
    ],
)
def test_hsetex_errors(server: InProcess, arguments: list[str], error: str) -> None:
    assert refused(server, "HSETEX", "h", *arguments) == error


def test_hsetex_without_a_time_at_the_end(server: InProcess) -> None:
    assert refused(server, "HSETEX", "h", "FNX", "PX", "5", "EX") == ONE_TIME
    assert refused(server, "HSETEX", "h", "FNX", "x", "5", "EX") == "ERR unknown argument: x"


def test_hexpire_events_and_effects(server: InProcess) -> None:
    assert server.events("HEXPIRE", "h", 5, "FIELDS", 2, "a", "b") == ["hexpire h"]
    assert server.events("HEXPIRE", "h", 5, "NX", "FIELDS", 1, "a") == []
    assert server.events("HPERSIST", "h", "FIELDS", 1, "a") == ["hpersist h"]
    assert server.events("HEXPIRE", "h", 0, "FIELDS", 1, "a") == ["hdel h"]
    assert server.events("HEXPIRE", "h", 0, "FIELDS", 2, "b", "c") == ["hdel h", "del h"]


def test_hexpire_goes_to_replicas_with_its_moment(server: InProcess) -> None:
    moment = START + 5000
    assert server.effects("HEXPIRE", "h", 5, "FIELDS", 3, "a", "x", "b") == [f"HPEXPIREAT h {moment} FIELDS 2 a b"]
    assert server.effects("HPEXPIRE", "h", 5000, "nx", "fields", 2, "a", "c") == [
        f"HPEXPIREAT h {moment} nx fields 1 c"
    ]
    assert server.effects("HEXPIRE", "h", 5, "NX", "FIELDS", 1, "a") == []
    assert server.effects("HPERSIST", "h", "FIELDS", 2, "a", "x") == ["HPERSIST h FIELDS 2 a x"]


def test_expired_fields_and_keys_can_be_made_visible(server: InProcess) -> None:
    """DEBUG SET-ALLOW-ACCESS-EXPIRED, with the replies of Redis 8.8.0."""
    server("DEBUG", "SET-ALLOW-ACCESS-EXPIRED", 1)
    server("SET", "k", "v", "PX", 10)
    server("DEL", "h")
    server("HSET", "h", "a", 1)
    server("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    pass_time(server, 11)
    assert server("HGET", "h", "a") == b"1"
    assert server("HEXISTS", "h", "a") == 1
    assert server("HMGET", "h", "a") == [b"1"]
    assert list(server("HGETALL", "h")) == [b"a", b"1"]
    assert list(server("HKEYS", "h")) == [b"a"]
    assert list(server("HVALS", "h")) == [b"1"]
    assert list(server("HSCAN", "h", 0)[1]) == [b"a", b"1"]
    assert server("HRANDFIELD", "h") == b"a"
    assert server("HGETEX", "h", "FIELDS", 1, "a") == [b"1"]
    assert server("HINCRBY", "h", "a", 1) == 2
    assert server("GET", "k") == b"v"
    assert sorted(server("KEYS", "*")) == [b"h", b"k"]
    server("DEBUG", "SET-ALLOW-ACCESS-EXPIRED", 0)
    assert server("HGET", "h", "a") is None
    assert server("EXISTS", "h", "k") == 0
