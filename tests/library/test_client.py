"""The in-process client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from twisted_redis import RedisService, ReplyError, ServerStopped
from twisted_redis.library.client import LocalClient


def outcome(deferred: Deferred[object]) -> object:
    """Returns the result of a Deferred that has fired, or its exception if it failed."""
    found: list[object] = []
    deferred.addCallbacks(found.append, lambda failure: found.append(failure.value))
    assert found, "it has not fired"
    return found[0]


def test_arguments_of_all_kinds(client: LocalClient) -> None:
    client.execute("RPUSH", "l", b"bytes", "tëxt", 7, 1.5, bytearray(b"array"), memoryview(b"view"))
    assert client.lrange("l") == [b"bytes", "tëxt".encode(), b"7", b"1.5", b"array", b"view"]
    for wrong in (None, True, [1], {}):
        with pytest.raises(TypeError):
            client.execute("SET", "k", wrong)  # type: ignore[arg-type]


def test_replies_are_python_values(client: LocalClient) -> None:
    execute = client.execute
    assert execute("SET", "k", "v") == b"OK" and execute("SET", "k", "v").__class__ is bytes
    assert execute("GET", "k") == b"v"
    assert execute("GET", "missing") is None
    assert execute("STRLEN", "k") == 1
    execute("HSET", "h", "a", 1)
    assert execute("HGETALL", "h") == {b"a": b"1"}
    execute("SADD", "s", 1, 2)
    assert execute("SMEMBERS", "s") == {b"1", b"2"}
    execute("ZADD", "z", 1.5, "m")
    assert execute("ZSCORE", "z", "m") == 1.5
    assert execute("CONFIG", "GET", "hz") == {b"hz": b"10"}
    assert b"redis_version" in execute("INFO", "server")
    execute("XADD", "x", "1-1", "f", "v")
    assert execute("XREAD", "STREAMS", "x", 0) == {b"x": [[b"1-1", [b"f", b"v"]]]}


def test_wrong_use(client: LocalClient) -> None:
    with pytest.raises(TypeError, match=r"execute\(\) takes the name of a command"):
        client.execute()
    for arguments in [("h",), ("h", "f"), ("h", {}), ("h", {"f": 1}, 2), ("h", None, 1)]:
        with pytest.raises(TypeError, match=r"hset\(key, field, value\)"):
            client.hset(*arguments)  # type: ignore[call-overload]
    for call in (
        lambda: client.hset("h", mapping=[("f", 1)]),  # type: ignore[call-overload]
        lambda: client.zadd("z", "m"),  # type: ignore[arg-type]
        lambda: client.mset(["k", "v"]),  # type: ignore[arg-type]
        lambda: client.xadd("x", ["f", "v"]),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="takes a mapping"):
            call()
    with pytest.raises(TypeError, match="a tuple each"):
        client.eval("return 1", 1, "k")  # type: ignore[arg-type]
    assert client.dbsize() == 0


def test_errors_are_raised(client: LocalClient) -> None:
    client.set("k", "v")
    with pytest.raises(ReplyError, match="WRONGTYPE Operation against a key") as caught:
        client.lpush("k", 1)
    assert caught.value.code == "WRONGTYPE"
    with pytest.raises(ReplyError, match="unknown command"):
        client.execute("NOPE")


def test_transaction(client: LocalClient) -> None:
    client.execute("MULTI")
    assert client.execute("SET", "k", "v") == b"QUEUED"
    client.execute("LPUSH", "k", "x")
    done, failed = client.execute("EXEC")
    assert done == b"OK"
    assert isinstance(failed, ReplyError) and failed.code == "WRONGTYPE"


def test_methods(client: LocalClient, service: RedisService) -> None:
    service.clock.freeze()
    assert client.set("k", 1) is True
    assert client.set("k", 2, nx=True) is False
    assert client.set("k", 3, xx=True, px=1500) is True
    assert client.ttl("k") == 1.5
    assert client.set("k", 3, keepttl=True) and client.ttl("k") == 1.5
    assert client.persist("k") and client.ttl("k") is None
    assert client.expire("k", 2.5) and client.ttl("k") == 2.5
    assert client.incr("k") == 4 and client.incr("k", -2) == 2
    assert client.append("k", "0") == 2 and client.get("k") == b"20"
    client.mset({"a": 1, "b": 2})
    assert client.mget("a", "missing", "b") == [b"1", None, b"2"]
    assert client.exists("a", "b", "c") == 2 and client.delete("a", "c") == 1
    assert sorted(client.keys()) == [b"b", b"k"] and client.keys("b*") == [b"b"] and client.dbsize() == 2
    assert client.type("k") == b"string" and client.type("missing") == b"none"
    assert client.rpush("l", 1, 2) == 2 and client.lpush("l", 0) == 3 and client.llen("l") == 3
    assert client.lpop("l") == b"0" and client.rpop("l") == b"2" and client.rpop("missing") is None
    assert client.hset("h", {"f": 1, "g": 2}) == 2 and client.hget("h", "f") == b"1"
    assert client.hset("h", "i", 3) == 1 and client.hset("h", "f", 4) == 0
    assert client.hset("h", mapping={"j": 5}) == 1 and client.hset("h", "k", 0, mapping={"l": 7}) == 2
    assert client.hgetall("h") == {b"f": b"4", b"g": b"2", b"i": b"3", b"j": b"5", b"k": b"0", b"l": b"7"}
    assert client.hincrby("h", "f") == 5 and client.hdel("h", "f", "x") == 1
    assert client.sadd("s", 1, 2) == 2 and client.srem("s", 1) == 1
    assert client.smembers("s") == {b"2"} and client.sismember("s", 2) and not client.sismember("s", 3)
    assert client.zadd("z", {"b": 2, "a": 1}) == 2 and client.zscore("z", "c") is None
    assert client.zrange("z") == [(b"a", 1.0), (b"b", 2.0)]
    assert client.xadd("x", {"f": 1}, "5-1") == b"5-1" and client.xrange("x") == [(b"5-1", {b"f": b"1"})]
    assert client.publish("c", "m") == 0
    client.flushall()
    assert client.dbsize() == 0


def test_scripts(client: LocalClient) -> None:
    pytest.importorskip("lupa")
    assert client.eval("return {KEYS[1], ARGV[1], 3}", ("k",), ("a",)) == [b"k", b"a", 3]


def test_a_blocking_call_returns_a_deferred(client: LocalClient, service: RedisService) -> None:
    waiting = client.blpop("q")
    assert isinstance(waiting, Deferred) and not waiting.called
    # The client remains usable in the meantime, in its current database.
    assert client.rpush("q", "x", "y") == 2
    assert outcome(waiting) == [b"q", b"x"]
    assert outcome(client.blpop("q")) == [b"q", b"y"]
    assert len(service.engine.clients) == 1


def test_time_out(client: LocalClient, service: RedisService) -> None:
    waiting = client.brpop("q", timeout=5)
    service.clock.advance(4.9)
    assert not waiting.called
    service.clock.advance(0.2)
    assert outcome(waiting) is None


def test_waiting_may_be_cancelled(client: LocalClient, service: RedisService) -> None:
    waiting = client.blpop("q")
    waiting.addErrback(lambda failure: None)
    waiting.cancel()
    client.rpush("q", "x")
    assert client.llen("q") == 1
    assert service.engine.waiting.count == 0 and len(service.engine.clients) == 1


def test_error_of_what_waits_fails_the_deferred(client: LocalClient) -> None:
    client.set("k", "v")
    error = outcome(client.blpop("k"))
    assert isinstance(error, ReplyError) and error.code == "WRONGTYPE"


def test_error_that_ends_waiting(client: LocalClient, service: RedisService) -> None:
    waiting = client.blpop("q")
    [blocked] = [each.id for each in service.engine.clients.values() if each.blocked]
    assert client.execute("CLIENT", "UNBLOCK", blocked, "ERROR") == 1
    error = outcome(waiting)
    assert isinstance(error, ReplyError) and error.code == "UNBLOCKED"


def test_database_stays_while_another_call_waits(client: LocalClient) -> None:
    client.execute("SELECT", 3)
    waiting = client.blpop("q")
    client.set("here", 1)
    client.execute("SELECT", 0)
    client.rpush("q", "elsewhere")
    assert not waiting.called and client.get("here") is None
    client.execute("SELECT", 3)
    client.rpush("q", "x")
    assert outcome(waiting) == [b"q", b"x"]


def test_paused(client: LocalClient, service: RedisService, reactor: MemoryReactorClock) -> None:
    client.execute("CLIENT", "PAUSE", 1000)
    waiting = client.execute("SET", "k", "v")
    assert not waiting.called
    service.clock.advance(1.1)
    reactor.advance(0)
    assert outcome(waiting) == b"OK"
    assert client.get("k") == b"v"


def test_messages_need_a_connection(client: LocalClient) -> None:
    for command in ("SUBSCRIBE", "psubscribe", "MONITOR", "PSYNC"):
        with pytest.raises(ReplyError, match="needs a connection"):
            client.execute(command, "x")


def test_messages_to_nobody_are_not_kept(client: LocalClient, service: RedisService) -> None:
    client.execute("CLIENT", "TRACKING", "ON")
    client.get("k")
    service.client().set("k", 1)
    assert not client._client.out


def test_password_is_for_others(start: Callable[..., RedisService]) -> None:
    client = start(requirepass="secret").client()
    assert client.set("k", "v") is True
    with pytest.raises(ReplyError, match="WRONGPASS"):
        client.execute("AUTH", "wrong")


def test_closed(client: LocalClient, service: RedisService) -> None:
    waiting = client.blpop("q")
    client.close()
    client.close()
    assert isinstance(outcome(waiting), ServerStopped)
    with pytest.raises(ServerStopped):
        client.get("k")
    with service.client() as other:
        assert other.get("k") is None
    assert not service.engine.clients
