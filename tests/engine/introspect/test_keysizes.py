"""INFO keysizes: histograms of key lengths by powers of two."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.datatypes.order import Order
from twisted_redis.engine.introspect import keysizes
from twisted_redis.engine.introspect.keysizes import label


def figures(server: Server) -> dict[str, str]:
    text = server("INFO", "keysizes")
    assert isinstance(text, bytes)
    head, *lines = text.decode().rstrip().split("\r\n")
    assert head == "# Keysizes"
    return dict(line.split(":") for line in lines)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "0"), (1, "1"), (3, "2"), (512, "512"), (1023, "512"), (1024, "1K"), (3 << 20, "2M"), (1 << 39, "512G")],
)
def test_label(length: int, expected: str) -> None:
    assert label(length) == expected


def test_every_type() -> None:
    server = Server()
    assert figures(server) == {}
    server("SET", "empty", "")
    server("SET", "string", "x" * 20)
    server("SET", "number", 12345)
    server("SETRANGE", "written", 2000, "x")
    server("RPUSH", "list", *range(5))
    server("SADD", "set", 1, 2)
    server("SADD", "set2", 1, "x", 3)
    server("ZADD", "zset", 1, "a")
    server("HSET", "hash", *range(18))
    server("XADD", "stream", "*", "field", "value")
    server("SELECT", 5)
    server("SET", "other", "x")
    assert figures(server) == {
        "db0_distrib_strings_sizes": "0=1,4=1,16=1,1K=1",
        "db0_distrib_lists_items": "4=1",
        "db0_distrib_sets_items": "2=2",
        "db0_distrib_zsets_items": "1=1",
        "db0_distrib_hashes_items": "8=1",
        "db5_distrib_strings_sizes": "1=1",
    }


def test_the_memory_of_collections_is_counted_if_it_was_so_from_the_start() -> None:
    server = Server(key_memory_histograms=True)
    server("SET", "string", "x" * 20)
    server("RPUSH", "list", *range(5))
    server("SADD", "set", "a")
    server("ZADD", "zset", 1, "a")
    server("HSET", "hash", "f", "x" * 5000)
    server("HSET", "hash2", "f", "v")
    found = figures(server)
    memory = [name for name in found if name.endswith("_sizes")]
    assert list(found)[-4:] == memory[-4:]
    assert memory == [f"db0_distrib_{kind}_sizes" for kind in ("strings", "lists", "sets", "zsets", "hashes")]
    low, high = (part.split("=") for part in found["db0_distrib_hashes_sizes"].split(","))
    assert high == ["4K", "1"] and low[1] == "1"
    server("DEL", "list")
    assert "db0_distrib_lists_sizes" not in figures(server)
    server("CONFIG", "SET", "key-memory-histograms", "no")
    assert "db0_distrib_hashes_sizes" not in figures(server)
    refused = server("CONFIG", "SET", "key-memory-histograms", "yes")
    assert refused.endswith(b"- memory tracking cannot be enabled at runtime")
    assert list(server("CONFIG", "GET", "key-memory-histograms")) == [b"key-memory-histograms", b"no"]


def test_it_follows_changes() -> None:
    server = Server()
    server("RPUSH", "list", *range(5))
    assert figures(server) == {"db0_distrib_lists_items": "4=1"}
    server("RPOP", "list", 3)
    assert figures(server) == {"db0_distrib_lists_items": "2=1"}
    server("SWAPDB", 0, 1)
    assert figures(server) == {"db1_distrib_lists_items": "2=1"}
    server("SELECT", 1)
    server("PEXPIRE", "list", 10)
    server.advance(0.02)
    assert figures(server) == {}


def test_a_large_database_is_gone_through_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysizes, "_AT_ONCE", 1000)
    server = Server()
    for number in range(5000):
        server("SET", f"key:{number}", "x" * (1 if number % 5 else 100))
    for number in range(50):
        server("RPUSH", f"list:{number}", "x")
    # The first reply is an estimate from some random keys.
    guessed = dict(part.split("=") for part in figures(server)["db0_distrib_strings_sizes"].split(","))
    assert 3400 < int(guessed["1"]) < 4600
    assert 600 < int(guessed["64"]) < 1500
    for _ in range(100):
        server.advance(0.01)
    exact = {"db0_distrib_strings_sizes": "1=4000,64=1000", "db0_distrib_lists_items": "1=50"}
    assert figures(server) == exact
    # The next request after some time starts another walk. Until it ends, replies come from the previous walk.
    server("SET", "key:1", "x" * 5000)
    server.advance(10)
    assert figures(server) == exact
    for _ in range(100):
        server.advance(0.01)
    assert figures(server) == exact | {"db0_distrib_strings_sizes": "1=3999,64=1000,4K=1"}


def test_a_walk_ends_with_what_it_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysizes, "_AT_ONCE", 1000)
    server = Server()
    for number in range(3000):
        server("SET", f"key:{number}", "x")
    assert list(figures(server)) == ["db0_distrib_strings_sizes"]
    server("FLUSHALL")
    server("RPUSH", "list", "x")
    for _ in range(100):
        server.advance(0.01)
    assert figures(server) == {"db0_distrib_lists_items": "1=1"}


def test_a_walk_rests_while_a_child_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysizes, "_AT_ONCE", 1000)
    monkeypatch.setattr(Order, "saving", True)
    server = Server()
    for number in range(5000):
        server("SET", f"key:{number}", "x" * (1 if number % 5 else 100))
    visited: list[int] = []
    monkeypatch.setattr(Order, "scan", lambda *arguments: visited.append(1) or (0, []))
    # The reply is an estimate from fewer random keys.
    guessed = dict(part.split("=") for part in figures(server)["db0_distrib_strings_sizes"].split(","))
    assert 3000 < int(guessed["1"]) < 4900
    for _ in range(100):
        server.advance(0.1)
    assert not visited
    monkeypatch.setattr(Order, "saving", False)
    server.advance(1)
    assert visited
