"""Hashes: the replies of the commands, and their effects on replicas and keyspace events."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.datatypes.hash import Hash
from twisted_redis.resp.encoder import encode2, encode3

NO_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


@pytest.fixture
def filled(server: InProcess) -> InProcess:
    """A server with the hash h: a is 1, b is 2, c is 3."""
    server("HSET", "h", "a", 1, "b", 2, "c", 3)
    return server


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


# Writing fields


def test_hset_counts_what_is_new(server: InProcess) -> None:
    assert server("HSET", "h", "a", "1") == 1
    assert server("HSET", "h", "a", "2", "b", "3", "b", "4") == 1
    assert server("HGET", "h", "a") == b"2"
    assert server("HGET", "h", "b") == b"4"
    assert server("HLEN", "h") == 2


def test_hset_wants_pairs(server: InProcess) -> None:
    assert refused(server, "HSET", "h", "a", "1", "b") == "ERR wrong number of arguments for 'hset' command"
    assert refused(server, "HMSET", "h", "a", "1", "b") == "ERR wrong number of arguments for 'hmset' command"
    assert server("EXISTS", "h") == 0


def test_hmset_answers_ok(server: InProcess) -> None:
    assert server("HMSET", "h", "a", "1", "b", "2") == b"OK"
    assert server("HMGET", "h", "a", "x", "b") == [b"1", None, b"2"]
    assert server("HMGET", "missing", "a", "b") == [None, None]


def test_hsetnx(server: InProcess) -> None:
    assert server("HSETNX", "h", "a", "1") == 1
    assert server("HSETNX", "h", "a", "2") == 0
    assert server("HGET", "h", "a") == b"1"


def test_hdel_removes_the_key_with_its_last_field(filled: InProcess) -> None:
    assert filled("HDEL", "h", "a", "a", "x") == 1
    assert filled("HDEL", "h", "b", "c") == 2
    assert filled("EXISTS", "h") == 0
    assert filled("HDEL", "h", "a") == 0


@pytest.mark.parametrize(
    ("argv", "events"),
    [
        (["HSET", "h", "x", "1", "y", "2"], ["hset h"]),
        (["HSET", "h", "a", "1"], ["hset h"]),
        (["HMSET", "new", "a", "1"], ["new new", "hset new"]),
        (["HSETNX", "h", "x", "1"], ["hset h"]),
        (["HSETNX", "h", "a", "1"], []),
        (["HINCRBY", "h", "a", "1"], ["hincrby h"]),
        (["HINCRBYFLOAT", "h", "a", "1"], ["hincrbyfloat h"]),
        (["HDEL", "h", "a", "b"], ["hdel h"]),
        (["HDEL", "h", "a", "b", "c"], ["hdel h", "del h"]),
        (["HDEL", "h", "x"], []),
    ],
)
def test_events(filled: InProcess, argv: list[str], events: list[str]) -> None:
    assert filled.events(*argv) == events


def test_each_field_counts_as_a_change(filled: InProcess) -> None:
    assert filled.dirty("HSET", "h", "a", "1", "x", "2") == 2
    assert filled.dirty("HDEL", "h", "a", "x", "y") == 2
    assert filled.dirty("HSETNX", "h", "b", "2") == 0
    assert filled.dirty("HDEL", "h", "y") == 0


def test_commands_sent_to_replicas(filled: InProcess) -> None:
    assert filled.effects("HSET", "h", "a", "1", "b", "2") == ["HSET h a 1 b 2"]
    assert filled.effects("HDEL", "h", "a", "x") == ["HDEL h a x"]
    assert filled.effects("HDEL", "h", "x") == []
    assert filled.effects("HSETNX", "h", "b", "2") == []
    assert filled.effects("HINCRBY", "h", "b", "2") == ["HINCRBY h b 2"]
    assert filled.effects("HINCRBYFLOAT", "h", "b", "0.10") == ["HSETEX h KEEPTTL FIELDS 1 b 4.1"]


# Numbers


def test_hincrby(filled: InProcess) -> None:
    assert filled("HINCRBY", "h", "a", "41") == 42
    assert filled("HINCRBY", "h", "new", "-5") == -5
    assert filled("HINCRBY", "other", "f", "9223372036854775807") == 9223372036854775807
    assert filled("HGET", "h", "a") == b"42"


@pytest.mark.parametrize("increment", ["1.5", "x", "", " 1", "9223372036854775808", "+1"])
def test_hincrby_wants_an_integer(filled: InProcess, increment: str) -> None:
    assert refused(filled, "HINCRBY", "h", "a", increment) == NO_INTEGER


@pytest.mark.parametrize("value", ["1.5", "x", "", " 1", "01", "+1"])
def test_hincrby_of_a_value_that_is_no_integer(filled: InProcess, value: str) -> None:
    filled("HSET", "h", "a", value)
    assert refused(filled, "HINCRBY", "h", "a", "1") == "ERR hash value is not an integer"


def test_hincrby_overflow(filled: InProcess) -> None:
    filled("HSET", "h", "a", "9223372036854775807", "b", "-9223372036854775808")
    overflow = "ERR increment or decrement would overflow"
    assert refused(filled, "HINCRBY", "h", "a", "1") == overflow
    assert refused(filled, "HINCRBY", "h", "b", "-1") == overflow
    assert filled("HGET", "h", "a") == b"9223372036854775807"


def test_hincrbyfloat(filled: InProcess) -> None:
    assert filled("HINCRBYFLOAT", "h", "c", "1.1") == b"4.1"
    assert filled("HINCRBYFLOAT", "h", "new", "-0.50") == b"-0.5"
    assert filled("HINCRBYFLOAT", "h", "b", "2.0e2") == b"202"


def test_hincrbyfloat_errors(filled: InProcess) -> None:
    filled("HSET", "h", "a", "text", "b", "inf")
    assert refused(filled, "HINCRBYFLOAT", "h", "c", "x") == "ERR value is not a valid float"
    assert refused(filled, "HINCRBYFLOAT", "h", "c", "nan") == "ERR value is not a valid float"
    assert refused(filled, "HINCRBYFLOAT", "h", "c", "-inf") == "ERR value is NaN or Infinity"
    assert refused(filled, "HINCRBYFLOAT", "h", "a", "1") == "ERR hash value is not a float"
    assert refused(filled, "HINCRBYFLOAT", "h", "b", "1") == "ERR increment would produce NaN or Infinity"


# Reading


def test_reading_a_missing_key(server: InProcess) -> None:
    assert server("HGET", "h", "a") is None
    assert server("HEXISTS", "h", "a") == server("HLEN", "h") == server("HSTRLEN", "h", "a") == 0
    assert encode2(server("HGETALL", "h")) == b"*0\r\n"
    assert encode3(server("HGETALL", "h")) == b"%0\r\n"
    assert list(server("HKEYS", "h")) == list(server("HVALS", "h")) == []


def test_reading_fields(filled: InProcess) -> None:
    filled("HSET", "h", "b", "four")
    assert filled("HEXISTS", "h", "a") == 1
    assert filled("HEXISTS", "h", "x") == 0
    assert filled("HSTRLEN", "h", "b") == 4
    assert filled("HSTRLEN", "h", "x") == 0
    assert list(filled("HKEYS", "h")) == [b"a", b"b", b"c"]
    assert list(filled("HVALS", "h")) == [b"1", b"four", b"3"]


def test_hgetall_is_a_map_in_resp3(filled: InProcess) -> None:
    filled("HDEL", "h", "b", "c")
    assert encode2(filled("HGETALL", "h")) == b"*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    filled.client.set_protocol(3)
    assert encode3(filled("HGETALL", "h")) == b"%1\r\n$1\r\na\r\n$1\r\n1\r\n"


def test_a_reply_does_not_change_with_the_hash(filled: InProcess) -> None:
    filled("MULTI")
    filled("HGETALL", "h")
    filled("HKEYS", "h")
    filled("HDEL", "h", "a", "b")
    fields, keys, deleted = filled("EXEC")
    assert list(fields) == [b"a", b"1", b"b", b"2", b"c", b"3"]
    assert list(keys) == [b"a", b"b", b"c"]
    assert deleted == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["HSET", "k", "a", "1"],
        ["HSETNX", "k", "a", "1"],
        ["HINCRBY", "k", "a", "1"],
        ["HINCRBYFLOAT", "k", "a", "1"],
        ["HDEL", "k", "a"],
        ["HGET", "k", "a"],
        ["HMGET", "k", "a"],
        ["HLEN", "k"],
        ["HSTRLEN", "k", "a"],
        ["HEXISTS", "k", "a"],
        ["HGETALL", "k"],
        ["HKEYS", "k"],
        ["HVALS", "k"],
        ["HRANDFIELD", "k"],
        ["HRANDFIELD", "k", "1"],
        ["HSCAN", "k", "0", "NONSENSE"],
    ],
)
def test_wrong_type(server: InProcess, argv: list[str]) -> None:
    server("SET", "k", "v")
    assert refused(server, *argv) == WRONG_TYPE


# Encodings


def test_encoding_by_the_number_of_fields(server: InProcess) -> None:
    server.config.hash_max_listpack_entries = 2
    server("HSET", "h", "a", "1", "b", "2")
    assert server("OBJECT", "ENCODING", "h") == b"listpack"
    server("HINCRBY", "h", "c", "3")
    assert server("OBJECT", "ENCODING", "h") == b"hashtable"


@pytest.mark.parametrize(
    "argv",
    [
        ["HSET", "h", "a", "123456"],
        ["HSET", "h", "123456", "a"],
        ["HSETNX", "h", "123456", "a"],
        ["HINCRBY", "h", "a", "123456"],
        ["HINCRBYFLOAT", "h", "a", "1.23456"],
        ["HSETEX", "h", "FIELDS", "1", "a", "123456"],
    ],
)
def test_encoding_by_length(server: InProcess, argv: list[str]) -> None:
    server.config.hash_max_listpack_value = 5
    server(*argv)
    assert server("OBJECT", "ENCODING", "h") == b"hashtable"


# Random fields


def test_hrandfield(filled: InProcess) -> None:
    assert {filled("HRANDFIELD", "h") for _ in range(100)} == {b"a", b"b", b"c"}
    assert sorted(filled("HRANDFIELD", "h", 10)) == [b"a", b"b", b"c"]
    assert len(set(filled("HRANDFIELD", "h", 2))) == 2
    assert len(filled("HRANDFIELD", "h", -10)) == 10
    assert list(filled("HRANDFIELD", "h", 0)) == []
    assert filled("HRANDFIELD", "missing") is None
    assert list(filled("HRANDFIELD", "missing", 5)) == []


def test_hrandfield_with_values(filled: InProcess) -> None:
    reply = filled("HRANDFIELD", "h", 10, "withvalues")
    assert dict(zip(reply[::2], reply[1::2], strict=True)) == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert len(filled("HRANDFIELD", "h", -10, "WITHVALUES")) == 20
    filled.client.set_protocol(3)
    assert sorted(filled("HRANDFIELD", "h", 10, "WITHVALUES")) == [[b"a", b"1"], [b"b", b"2"], [b"c", b"3"]]


def test_hrandfield_of_a_large_hash(server: InProcess) -> None:
    server("HSET", "h", *[word for number in range(1000) for word in (f"f{number}", number)])
    fields = server("HRANDFIELD", "h", 100)
    assert len(set(fields)) == 100
    reply = server("HRANDFIELD", "h", -50, "WITHVALUES")
    assert all(field == b"f" + value for field, value in zip(reply[::2], reply[1::2], strict=True))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["x"], NO_INTEGER),
        (
            ["-9223372036854775808"],
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        (["-9223372036854775807", "WITHVALUES"], "ERR value is out of range"),
        (["-9223372036854775807"], "ERR value is out of range"),
        (["1", "x"], SYNTAX),
        (["1", "WITHVALUES", "x"], SYNTAX),
    ],
)
def test_hrandfield_errors(filled: InProcess, options: list[str], error: str) -> None:
    assert refused(filled, "HRANDFIELD", "h", *options) == error


# Cursors


def scan(server: InProcess, *options: str | int) -> list[bytes]:
    cursor, found = server("HSCAN", "h", 0, *options)
    found = list(found)
    while cursor != b"0":
        cursor, more = server("HSCAN", "h", cursor, *options)
        found += more
    return found


def test_hscan_of_a_small_hash(filled: InProcess) -> None:
    assert filled("HSCAN", "h", 0, "COUNT", 1) == [b"0", (b"a", b"1", b"b", b"2", b"c", b"3")]
    assert filled("HSCAN", "h", 0, "NOVALUES") == [b"0", (b"a", b"b", b"c")]
    assert filled("HSCAN", "h", 0, "match", "[bc]") == [b"0", (b"b", b"2", b"c", b"3")]
    assert filled("HSCAN", "missing", 0, "whatever") == [b"0", []]


def test_hscan_of_a_large_hash(server: InProcess) -> None:
    server("HSET", "h", *[word for number in range(1000) for word in (f"f{number}", number)])
    cursor, found = server("HSCAN", "h", 0, "COUNT", 20)
    assert len(found) == 40
    assert cursor != b"0"
    found = scan(server)
    assert len(found) == 2000
    assert dict(zip(found[::2], found[1::2], strict=True))[b"f77"] == b"77"
    assert sorted(scan(server, "MATCH", "f99?", "NOVALUES", "COUNT", 100)) == [b"f99%d" % n for n in range(10)]


@pytest.mark.parametrize("cursor", ["x", "-1", "", "18446744073709551616", "1.0", "1x"])
def test_hscan_invalid_cursor(server: InProcess, cursor: str) -> None:
    assert refused(server, "HSCAN", "missing", cursor) == "ERR invalid cursor"


@pytest.mark.parametrize("cursor", ["18446744073709551615", "00", "+0", " 0"])
def test_hscan_odd_cursors(filled: InProcess, cursor: str) -> None:
    assert filled("HSCAN", "h", cursor)[0] == b"0"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["COUNT", "x"], NO_INTEGER),
        (["COUNT", "0"], SYNTAX),
        (["COUNT"], SYNTAX),
        (["MATCH"], SYNTAX),
        (["TYPE", "hash"], SYNTAX),
    ],
)
def test_hscan_errors(filled: InProcess, options: list[str], error: str) -> None:
    assert refused(filled, "HSCAN", "h", 0, *options) == error


def test_a_hash_in_the_database_is_a_hash(filled: InProcess) -> None:
    assert isinstance(filled.db.data[b"h"], Hash)
    assert filled("TYPE", "h") == b"hash"
