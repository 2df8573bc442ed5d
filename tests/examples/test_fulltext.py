"""The full-text index in examples/, which has a value type of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.extending import load_module

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "fulltext.py")


@pytest.fixture
def server() -> Server:
    made = Server(enable_module_command="yes")
    load_module(made.engine, EXAMPLE)
    made("TEXT.ADD", "notes", "a", "The quick brown fox")
    made("TEXT.ADD", "notes", "b", "quick, quick silver!")
    return made


def test_searching(server: Server) -> None:
    assert server("TEXT.SEARCH", "notes", "QUICK") == [b"a", b"b"]
    assert server("TEXT.SEARCH", "notes", "quick silver") == [b"b"]
    assert server("TEXT.SEARCH", "notes", "quick", "LIMIT", 1) == [b"a"]
    assert server("TEXT.SEARCH", "notes", "slow") == []
    assert server("TEXT.SEARCH", "notes", "") == []
    assert server("TEXT.SEARCH", "nothing", "quick") == []
    assert server("TEXT.SEARCH", "notes", "quick", "LIMIT") == b"ERR syntax error"
    assert server("TEXT.GET", "notes", "a") == b"The quick brown fox"
    assert server("TEXT.GET", "notes", "c") is None


def test_replacing_and_removing(server: Server) -> None:
    assert server("TEXT.ADD", "notes", "a", "slow") == 0
    assert server("TEXT.SEARCH", "notes", "quick") == [b"b"]
    assert server("TEXT.DEL", "notes", "c") == 0
    assert server("TEXT.DEL", "notes", "b") == 1
    assert server("TEXT.LEN", "notes") == 1
    assert server("TEXT.DEL", "notes", "a") == 1
    assert server("EXISTS", "notes") == 0
    assert server("TEXT.DEL", "notes", "a") == 0


def test_an_index_is_a_value_like_any_other(server: Server) -> None:
    assert server("TYPE", "notes") == b"textindex"
    assert server("LPUSH", "notes", 1).startswith(b"WRONGTYPE")
    assert server("COPY", "notes", "copy") == 1
    server("TEXT.ADD", "copy", "c", "another fox")
    assert server("TEXT.SEARCH", "copy", "fox") == [b"a", b"c"]
    assert server("TEXT.SEARCH", "notes", "fox") == [b"a"]
    payload = server("DUMP", "notes")
    assert server("RESTORE", "restored", 0, payload) == b"OK"
    assert server("TEXT.SEARCH", "restored", "fox") == [b"a"]


def test_the_digest_does_not_depend_on_the_order(server: Server) -> None:
    server("TEXT.ADD", "other", "b", "quick, quick silver!")
    server("TEXT.ADD", "other", "a", "The quick brown fox")
    first, second = server("DEBUG", "DIGEST-VALUE", "notes", "other")
    assert first == second
    server("TEXT.ADD", "other", "a", "The quick brown fax")
    assert server("DEBUG", "DIGEST-VALUE", "other") != [first]


def test_events_transactions_and_scripts(server: Server) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "KEA")
    client = server.connect()
    client("PSUBSCRIBE", "__keyspace*")
    server("MULTI")
    server("TEXT.ADD", "notes", "c", "fox")
    server("TEXT.SEARCH", "notes", "fox")
    assert server("EXEC") == [1, [b"a", b"c"]]
    assert b"text.add" in client.read()
    pytest.importorskip("lupa")
    assert server("EVAL", "return redis.call('TEXT.SEARCH', KEYS[1], 'fox')", 1, "notes") == [b"a", b"c"]


def test_unloading_waits_for_the_last_index(server: Server) -> None:
    server("DEL", "notes")
    other = Server(enable_module_command="yes")
    assert other("MODULE", "LOAD", EXAMPLE) == b"OK"
    other("TEXT.ADD", "notes", "a", "x")
    assert other("MODULE", "UNLOAD", "fulltext") == (
        b"ERR Error unloading module: the module exports one or more module-side data types, can't unload"
    )
    other("DEL", "notes")
    assert other("MODULE", "UNLOAD", "fulltext") == b"OK"
