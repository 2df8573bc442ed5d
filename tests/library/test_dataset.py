"""Operations on the whole data set: seed, dump, snapshot and restore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.library.test_client import outcome
from twisted_redis import RedisService, SortedSet, StreamEntries
from twisted_redis.library.client import LocalClient

EVERYTHING: dict[bytes, Any] = {
    b"hash": {b"a": b"1", b"b": b"2"},
    b"list": [b"x", b"y", b"x"],
    b"set": {b"1", b"2"},
    b"stream": StreamEntries([(b"1-1", {b"f": b"v"}), (b"2-1", {b"g": b"w", b"h": b""})]),
    b"string": b"\x00value",
    b"zset": SortedSet({b"a": 1.5, b"b": -2.0}),
}


def test_seed_and_dump(service: RedisService, client: LocalClient) -> None:
    service.seed(EVERYTHING)
    found = service.dump()
    assert found == EVERYTHING
    assert {key: type(value) for key, value in found.items()} == {k: type(v) for k, v in EVERYTHING.items()}
    service.seed(
        {
            "list": ["new"],
            "set": frozenset({"m"}),
            "number": 7,
            "hash": {"f": 1.5},
            "none": [],
            "no members": SortedSet(),
        }
    )
    found = service.dump()
    assert found[b"list"] == [b"new"] and found[b"set"] == {b"m"} and found[b"number"] == b"7"
    assert found[b"hash"] == {b"f": b"1.5"} and b"none" not in found


def test_seed_with_a_time_to_live_elsewhere(service: RedisService, client: LocalClient) -> None:
    service.seed({"k": 1}, db=5, ttl=10)
    assert service.dump() == {} and service.dump(5) == {b"k": b"1"}
    service.clock.advance(11)
    assert service.dump(5) == {}


def test_wrong_data(service: RedisService) -> None:
    for wrong, expected in (
        ({"good": 1, "bad": None}, "the value of b'bad' cannot be stored: an argument is bytes, str, int or float"),
        ({"good": 1, "bad": [1, [2]]}, "the value of b'bad'"),
        ({"good": 1, None: 1}, "an argument is"),
        (["k"], "seed takes a mapping"),
    ):
        with pytest.raises(TypeError, match=expected):
            service.seed(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="ttl is a number of seconds, not '1'"):
        service.seed({"k": 1}, ttl="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ttl must be more than 0"):
        service.seed({"k": 1}, ttl=0)
    assert service.dump() == {}


def test_restored_as_it_was(service: RedisService, client: LocalClient) -> None:
    service.seed(EVERYTHING)
    service.seed({"there": 1}, db=3)
    client.set("volatile", 1, ex=100)
    client.append("raw", "abc")
    client.execute("HPEXPIRE", "hash", 50_000, "FIELDS", 1, "a")
    client.execute("XGROUP", "CREATE", "stream", "group", 0)
    client.execute("XREADGROUP", "GROUP", "group", "me", "STREAMS", "stream", ">")
    digest = client.execute("DEBUG", "DIGEST")
    snapshot = service.snapshot()
    assert len(snapshot) == 9
    for _ in range(2):
        # Later changes in place must not affect the snapshot.
        client.rpush("list", "more")
        client.hset("hash", {"a": "changed"})
        client.sadd("set", "more")
        client.zadd("zset", {"more": 1})
        client.append("raw", "d")
        client.execute("XACK", "stream", "group", "1-1")
        client.xadd("stream", {"f": "more"})
        client.delete("string")
        client.persist("volatile")
        client.set("new", 1)
        service.restore(snapshot)
        assert client.execute("DEBUG", "DIGEST") == digest
        assert service.dump(3) == {b"there": b"1"}
        assert sorted(client.execute("SCAN", 0, "COUNT", 100)[1]) == sorted(client.keys())
        assert client.execute("XPENDING", "stream", "group")[0] == 2
    service.clock.advance(60)
    assert client.execute("HGET", "hash", "a") is None and client.exists("volatile") == 1
    service.clock.advance(60)
    assert client.exists("volatile") == 0


@pytest.fixture
def start_with_debug(start: Callable[..., RedisService]) -> RedisService:
    return start(enable_debug_command=True)


@pytest.fixture
def service(start_with_debug: RedisService) -> RedisService:
    return start_with_debug


def test_others_learn_of_it(service: RedisService, client: LocalClient) -> None:
    client.rpush("q", "x")
    snapshot = service.snapshot()
    client.flushall()
    waiting = service.client().blpop("q")
    watcher = service.client()
    watcher.execute("WATCH", "k")
    service.restore(snapshot)
    assert outcome(waiting) == [b"q", b"x"]
    watcher.execute("MULTI")
    watcher.execute("PING")
    assert watcher.execute("EXEC") is None


def test_functions(service: RedisService, client: LocalClient) -> None:
    pytest.importorskip("lupa")
    client.execute("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
    snapshot = service.snapshot()
    client.execute("FUNCTION", "FLUSH")
    service.restore(snapshot)
    assert client.execute("FCALL", "f", 0) == 7


def test_refused_where_others_follow(start: Callable[..., RedisService], tmp_path: Path) -> None:
    service = start(appendonly=True, dir=str(tmp_path))
    snapshot = service.snapshot()
    with pytest.raises(RuntimeError, match="append-only"):
        service.restore(snapshot)


def test_reset(service: RedisService, client: LocalClient) -> None:
    service.seed({"k": 1})
    service.seed({"k": 1}, db=2)
    service.fail_next("*", times=None)
    service.clock.freeze()
    service.clock.set(0)
    service.reset()
    assert client.dbsize() == 0 and service.dump(2) == {}
    assert service.clock.now().year > 2000
