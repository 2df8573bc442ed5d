"""Unions, intersections and differences of sets, returned, counted and stored."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.resp.encoder import encode2, encode3

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def server() -> InProcess:
    """A server with three sets: letters abcd, letters cde, integers 1 to 5, and a string."""
    made = InProcess()
    made("SADD", "one", "a", "b", "c", "d")
    made("SADD", "two", "c", "d", "e")
    made("SADD", "integers", 1, 2, 3, 4, 5)
    made("SET", "string", "v")
    return made


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


RESULTS = [
    ("SINTER", ["one", "two"], "cd"),
    ("SINTER", ["one"], "abcd"),
    ("SINTER", ["one", "one", "two"], "cd"),
    ("SINTER", ["one", "missing"], ""),
    ("SINTER", ["one", "integers"], ""),
    ("SUNION", ["one", "two"], "abcde"),
    ("SUNION", ["missing", "two"], "cde"),
    ("SUNION", ["missing"], ""),
    ("SDIFF", ["one", "two"], "ab"),
    ("SDIFF", ["two", "one"], "e"),
    ("SDIFF", ["one", "missing"], "abcd"),
    ("SDIFF", ["missing", "one"], ""),
    ("SDIFF", ["one", "one"], ""),
    ("SDIFF", ["one", "two", "one"], ""),
]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("command", "keys", "result"), RESULTS)
def test_results(server: InProcess, command: str, keys: list[str], result: str, large: bool) -> None:
    if large:
        server.config.set_max_listpack_entries = 0
        server("SADD", "one", "x")
        server("SREM", "one", "x")
    assert b"".join(sorted(server(command, *keys))).decode() == result
    assert server(f"{command}STORE", "new", *keys) == len(result)
    assert b"".join(sorted(server("SMEMBERS", "new"))).decode() == result
    assert server("EXISTS", "new") == (len(result) > 0)
    assert b"".join(sorted(server("SMEMBERS", "two"))) == b"cde"


@pytest.mark.parametrize("command", ["SINTER", "SUNION", "SDIFF"])
def test_results_are_sets_in_resp3(server: InProcess, command: str) -> None:
    server("SADD", "single", "a")
    assert encode2(server(command, "single")) == b"*1\r\n$1\r\na\r\n"
    assert encode2(server(command, "missing")) == b"*0\r\n"
    server.client.set_protocol(3)
    assert encode3(server(command, "single")) == b"~1\r\n$1\r\na\r\n"
    assert encode3(server(command, "missing")) == b"~0\r\n"


@pytest.mark.parametrize("command", ["SINTER", "SUNION", "SDIFF"])
@pytest.mark.parametrize("keys", [["string", "one"], ["one", "string"], ["missing", "string"]])
def test_every_key_must_hold_a_set(server: InProcess, command: str, keys: list[str]) -> None:
    assert refused(server, command, *keys) == WRONG_TYPE
    assert refused(server, f"{command}STORE", "one", *keys) == WRONG_TYPE
    assert refused(server, "SINTERCARD", 2, *keys) == WRONG_TYPE
    assert server("SCARD", "one") == 4


@pytest.mark.parametrize("command", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
class TestStoring:
    def test_over_whatever_is_there(self, server: InProcess, command: str) -> None:
        server("EXPIRE", "string", 100)
        assert server(command, "string", "one") == 4
        assert server("TTL", "string") == -1
        assert server("TYPE", "string") == b"set"

    def test_over_a_source(self, server: InProcess, command: str) -> None:
        assert server(command, "one", "one") == 4
        assert sorted(server("SMEMBERS", "one")) == [b"a", b"b", b"c", b"d"]
        server("SADD", "one", "x")
        assert server("SCARD", "one") == 5

    def test_the_result_is_a_set_of_its_own(self, server: InProcess, command: str) -> None:
        server(command, "new", "one")
        server("SADD", "new", "x")
        server("SREM", "new", "a")
        assert sorted(server("SMEMBERS", "one")) == [b"a", b"b", b"c", b"d"]

    def test_an_empty_result_removes_the_key(self, server: InProcess, command: str) -> None:
        assert server.events(command, "string", "missing") == ["del string"]
        assert server.events(command, "string", "missing") == []
        assert server("EXISTS", "string") == 0
        server("SET", "string", "v")
        assert server.dirty(command, "string", "missing") == 1
        assert server.effects(command, "string", "missing") == []

    def test_effects(self, server: InProcess, command: str) -> None:
        assert server.events(command, "new", "one") == ["new new", f"{command.lower()} new"]
        assert server.effects(command, "two", "one") == [f"{command} two one"]
        assert server.events(command, "two", "one") == [f"{command.lower()} two"]
        assert server.dirty(command, "two", "one") == 1

    def test_encoding(self, server: InProcess, command: str) -> None:
        server(command, "new", "integers")
        assert server("OBJECT", "ENCODING", "new") == b"intset"
        server(command, "new", "one")
        assert server("OBJECT", "ENCODING", "new") == b"listpack"
        server("SADD", "many", *[f"m{number}" for number in range(200)])
        server(command, "new", "many")
        assert server("OBJECT", "ENCODING", "new") == b"hashtable"


def test_an_intersection_of_hash_tables_may_be_an_intset(server: InProcess) -> None:
    for key in ("s", "t"):
        server("SADD", key, "x" * 100, *range(300))
    server("SADD", "t", "y" * 100)
    server("SREM", "t", "x" * 100)
    assert server("OBJECT", "ENCODING", "s") == b"hashtable"
    assert server("SINTERSTORE", "new", "s", "t") == 300
    assert server("OBJECT", "ENCODING", "new") == b"intset"


def test_sintercard(server: InProcess) -> None:
    assert server("SINTERCARD", 1, "one") == 4
    assert server("SINTERCARD", 2, "one", "two") == 2
    assert server("SINTERCARD", 2, "one", "missing") == 0
    assert server("SINTERCARD", 1, "one", "LIMIT", 0) == 4
    assert server("SINTERCARD", 1, "one", "limit", 3) == 3
    assert server("SINTERCARD", 2, "one", "two", "LIMIT", 1) == 1
    assert server("SINTERCARD", 2, "one", "two", "LIMIT", 10) == 2
    assert server("SINTERCARD", 1, "one", "LIMIT", 3, "LIMIT", 2) == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["0", "one"], "ERR numkeys should be greater than 0"),
        (["x", "one"], "ERR numkeys should be greater than 0"),
        (["2", "one"], "ERR Number of keys can't be greater than number of args"),
        (["1", "one", "two"], "ERR syntax error"),
        (["1", "one", "LIMIT"], "ERR syntax error"),
        (["1", "one", "LIMIT", "1", "two"], "ERR syntax error"),
        (["1", "one", "LIMIT", "-1"], "ERR LIMIT can't be negative"),
        (["1", "one", "LIMIT", "x"], "ERR LIMIT can't be negative"),
    ],
)
def test_sintercard_errors(server: InProcess, arguments: list[str], error: str) -> None:
    assert refused(server, "SINTERCARD", *arguments) == error
