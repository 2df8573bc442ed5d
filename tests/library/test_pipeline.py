"""Pipelines of the in-process client, and clients that decode."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from tests.library.test_client import outcome
from twisted_redis import LocalClient, RedisService, ReplyError, ServerStopped, WatchError


def test_results_are_those_of_the_methods(client: LocalClient) -> None:
    with client.pipeline() as pipe:
        assert pipe.set("k", 1).incr("k").zadd("z", {"m": 1.5}) is pipe
        pipe.zrange("z")
        pipe.hset("h", mapping={"f": 1}).execute_command("HGETALL", "h").ttl("k").set("k", 2, nx=True)
        assert len(pipe) == 8 and client.get("k") is None
        assert pipe.execute() == [True, 2, 1, [(b"m", 1.5)], 1, {b"f": b"1"}, None, False]
        assert len(pipe) == 0 and pipe.execute() == []
        pipe.set("k", "unsent")
    assert len(pipe) == 0 and client.get("k") == b"2"


def test_a_transaction_and_its_absence(service: RedisService, client: LocalClient) -> None:
    with service.command_log as log:
        client.pipeline().get("a").get("b").execute()
        client.pipeline(transaction=False).get("a").get("b").execute()
    assert log.names == ["MULTI", "GET", "GET", "EXEC", "GET", "GET"]


@pytest.mark.parametrize("transaction", [True, False])
def test_errors(client: LocalClient, transaction: bool) -> None:
    def queue() -> Any:
        return client.pipeline(transaction).set("k", "v").lpush("k", 1).incr("n")

    with pytest.raises(ReplyError, match="WRONGTYPE"):
        queue().execute()
    stored, failed, number = queue().execute(raise_on_error=False)
    assert stored is True and number == 2
    assert isinstance(failed, ReplyError) and failed.code == "WRONGTYPE"


def test_what_cannot_be_queued_ends_the_transaction(client: LocalClient) -> None:
    pipe = client.pipeline().set("k", "v").execute_command("GET")
    with pytest.raises(ReplyError, match="wrong number of arguments for 'get'"):
        pipe.execute(raise_on_error=False)
    assert client.get("k") is None
    assert client.pipeline().set("k", "v").execute() == [True]


def test_watched_keys(client: LocalClient, service: RedisService) -> None:
    client.execute("WATCH", "k")
    assert client.pipeline().set("k", 1).execute() == [True]
    client.execute("WATCH", "k")
    service.client().set("k", "of another")
    with pytest.raises(WatchError, match="a watched key has changed"):
        client.pipeline().set("k", 2).execute()
    assert client.get("k") == b"of another"


def test_wrong_use(client: LocalClient) -> None:
    pipe = client.pipeline()
    with pytest.raises(AttributeError, match="a pipeline has no method 'hgetal'; did you mean 'hgetall'"):
        pipe.hgetal("h")
    with pytest.raises(AttributeError):
        pipe.scan_iter()
    with pytest.raises(TypeError, match="takes the name of a command"):
        pipe.execute_command()
    with pytest.raises(TypeError, match="an argument is bytes, str, int or float"):
        pipe.set("k", None)
    assert len(pipe) == 0 and "hgetall" in dir(pipe)
    with pytest.raises(ReplyError, match="SUBSCRIBE needs a connection"):
        pipe.set("k", 1).execute_command("SUBSCRIBE", "c").execute()
    assert client.dbsize() == 0
    client.close()
    with pytest.raises(ServerStopped):
        pipe.get("k").execute()


def test_one_that_waits(client: LocalClient, service: RedisService, reactor: MemoryReactorClock) -> None:
    waiting = client.pipeline(transaction=False).incr("n").execute_command("BLPOP", "q", 0).incr("n").execute()
    assert isinstance(waiting, Deferred) and client.get("n") == b"1"
    client.rpush("q", "x")
    reactor.advance(0)
    assert outcome(waiting) == [1, [b"q", b"x"], 2]
    assert len(service.engine.clients) == 1


@pytest.mark.parametrize("transaction", [True, False])
def test_paused(client: LocalClient, service: RedisService, reactor: MemoryReactorClock, transaction: bool) -> None:
    client.execute("CLIENT", "PAUSE", 1000, "WRITE")
    waiting = client.pipeline(transaction).get("k").set("k", 1).incr("k").get("k").execute()
    assert isinstance(waiting, Deferred) and not waiting.called
    for _ in range(20):
        reactor.advance(0.1)
    assert outcome(waiting) == [None, True, 2, b"2"]
    assert len(service.engine.clients) == 1


def test_many_that_wait(client: LocalClient, reactor: MemoryReactorClock) -> None:
    pipe = client.pipeline(transaction=False).execute_command("BLPOP", "q", 0)
    for _ in range(3000):
        pipe.incr("n")
    waiting = pipe.execute()
    client.rpush("q", "x")
    reactor.advance(0)
    assert len(outcome(waiting)) == 3001  # type: ignore[arg-type]


def test_cancelled(client: LocalClient, service: RedisService, reactor: MemoryReactorClock) -> None:
    waiting = client.pipeline(transaction=False).execute_command("BLPOP", "q", 0).set("k", 1).execute()
    waiting.addErrback(lambda failure: None)
    waiting.cancel()
    client.rpush("q", "x")
    reactor.advance(0)
    assert client.llen("q") == 1 and client.get("k") is None
    assert service.engine.waiting.count == 0 and len(service.engine.clients) == 1


def test_decoded(service: RedisService, reactor: MemoryReactorClock) -> None:
    client = service.client(decode_responses=True)
    client.set("k", "tëxt")
    assert client.get("k") == "tëxt" and client.get("missing") is None and client.type("k") == "string"
    client.hset("h", {"f": 1})
    assert client.hgetall("h") == {"f": "1"} and client.config_get("hz") == {"hz": "10"}
    client.sadd("s", "a", "b")
    assert client.smembers("s") == {"a", "b"} and client.execute("SMEMBERS", "s") == {"a", "b"}
    client.zadd("z", {"m": 1})
    assert client.zrange("z") == [("m", 1.0)]
    client.xadd("x", {"f": "v"}, "1-1")
    assert client.xrange("x") == [("1-1", {"f": "v"})]
    assert client.execute("XREAD", "STREAMS", "x", 0) == {"x": [["1-1", ["f", "v"]]]}
    assert sorted(client.scan_iter()) == ["h", "k", "s", "x", "z"] and list(client.scan_iter("[hk]x")) == []
    assert client.pipeline().get("k").hgetall("h").lpush("k", 1).execute(raise_on_error=False)[:2] == [
        "tëxt",
        {"f": "1"},
    ]
    waiting = client.blpop("q")
    client.rpush("q", "ä")
    assert outcome(waiting) == ["q", "ä"]
    client.set("k", b"\xff")
    with pytest.raises(UnicodeDecodeError):
        client.get("k")


def test_more_methods(client: LocalClient) -> None:
    assert client.ping() is True
    client.config_set("hz", 20)
    assert client.config_get("hz") == {b"hz": b"20"}
    client.set("k", 5)
    assert client.decr("k", 2) == 3 and client.incrbyfloat("k", 0.5) == 3.5 and client.strlen("k") == 3
    client.rename("k", "new")
    assert client.getdel("new") == b"3.5" and client.unlink("new") == 0
    client.rpush("l", *"abcb")
    client.lset("l", 0, "z")
    assert client.lindex("l", 0) == b"z" and client.lrem("l", 0, "b") == 2 and client.lmove("l", "m") == b"z"
    client.ltrim("l", 1, -1)
    assert client.llen("l") == 0 and client.lmove("l", "m", "RIGHT", "LEFT") is None
    client.hset("h", {"a": 1, "b": 2})
    assert client.hmget("h", "b", "x") == [b"2", None] and client.hexists("h", "a") and client.hlen("h") == 2
    assert client.hkeys("h") == [b"a", b"b"] and client.hvals("h") == [b"1", b"2"]
    client.sadd("s", 1, 2)
    client.sadd("t", 2, 3)
    assert client.sinter("s", "t") == {b"2"} and client.sdiff("s", "t") == {b"1"}
    assert client.sunion("s", "t") == {b"1", b"2", b"3"} and client.scard("s") == 2
    assert client.spop("s") in (b"1", b"2") and client.spop("missing") is None
    client.zadd("z", {"a": 1, "b": 2})
    assert client.zincrby("z", 2.5, "a") == 3.5 and client.zrank("z", "a") == 1 and client.zrank("z", "x") is None
    assert client.zrem("z", "a", "x") == 1 and client.zcard("z") == 1
    client.xadd("x", {"f": "v"})
    assert client.xlen("x") == 1
    for number in range(2500):
        client.set(f"many:{number}", number)
    assert len(set(client.scan_iter("many:*"))) == 2500
    client.flushdb()
    assert client.dbsize() == 0
