"""A clock that the test controls: the wall clock, the timers, and everything that depends on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from twisted.internet.testing import MemoryReactorClock

from twisted_redis import RedisService
from twisted_redis.library.client import LocalClient
from twisted_redis.library.clock import ServerClock


@pytest.fixture
def clock(reactor: MemoryReactorClock) -> ServerClock:
    return ServerClock(reactor)


def test_untouched_it_is_not_in_the_way(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    assert clock.source.wall is time.time
    assert clock.source.monotonic == reactor.seconds


def test_calls_come_at_the_reactors_time(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    calls: list[str] = []
    clock.callLater(2, calls.append, "late")
    clock.callLater(1, calls.append, "early")
    gone = clock.callLater(1, calls.append, "never")
    assert gone.active()
    gone.cancel()
    assert not gone.active()
    reactor.advance(1)
    assert calls == ["early"]
    reactor.advance(1)
    assert calls == ["early", "late"]
    assert reactor.getDelayedCalls() == []


def test_wrong_use(clock: ServerClock) -> None:
    for wrong in ("x", None, True, b"1"):
        with pytest.raises(TypeError, match=f"what is to pass is a number of seconds, not {wrong!r}"):
            clock.advance(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a moment that is no datetime is a number of seconds"):
            clock.set(wrong)  # type: ignore[arg-type]
    for endless in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="finite"):
            clock.advance(endless)
        with pytest.raises(ValueError, match="finite"):
            clock.set(endless)
    assert clock.source.wall is time.time


def test_advance_makes_calls_in_their_order_at_their_time(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    calls: list[tuple[str, float]] = []
    began = clock.wall()

    def note(name: str) -> None:
        calls.append((name, round(clock.wall() - began)))
        if name == "b":
            clock.callLater(3, note, "d")
            clock.callLater(30, note, "e")

    clock.callLater(7, note, "c")
    clock.callLater(5, note, "b")
    clock.advance(10)
    assert calls == [("b", 5), ("c", 7), ("d", 8)]
    assert clock.seconds() == 10
    reactor.advance(24.9)
    assert len(calls) == 3
    reactor.advance(0.2)
    assert calls[3][0] == "e"


def test_frozen(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    calls: list[str] = []
    clock.callLater(1, calls.append, "before")
    clock.freeze()
    wall = clock.wall()
    clock.callLater(1, calls.append, "after")
    clock.callLater(0, calls.append, "at once")
    reactor.advance(100)
    assert calls == ["at once"] and clock.seconds() == 0 and clock.wall() == wall
    clock.advance(1)
    assert calls == ["at once", "before", "after"] and clock.wall() == wall + 1
    clock.callLater(1, calls.append, "later")
    clock.unfreeze()
    assert clock.seconds() == 1 and abs(clock.wall() - wall - 1) < 1
    reactor.advance(1)
    assert calls[-1] == "later"


def test_set(clock: ServerClock) -> None:
    calls: list[str] = []
    clock.freeze()
    clock.set(datetime(2038, 1, 19, tzinfo=timezone.utc))
    assert clock.wall() == datetime(2038, 1, 19, tzinfo=timezone.utc).timestamp()
    seconds = clock.seconds()
    clock.callLater(50, calls.append, "x")
    clock.set(1_000_000.5)  # back in time: only the wall clock changes
    assert clock.wall() == 1_000_000.5 and clock.seconds() == seconds and calls == []
    clock.set(1_000_060.5)
    assert calls == ["x"]
    with pytest.raises(ValueError):
        clock.advance(-1)


def test_reset(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    clock.set(0)
    clock.advance(5)
    clock.freeze()
    clock.reset()
    assert clock.source.wall is time.time
    assert clock.seconds() == 5  # the monotonic clock never goes back


def test_polling_does_not_hold_it_up(clock: ServerClock) -> None:
    def poll() -> None:
        clock.callLater(0.001, poll)

    poll()
    clock.advance(365 * 86400)
    assert clock.seconds() == 365 * 86400


def test_stopped_it_makes_no_call(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    calls: list[int] = []
    clock.callLater(1, calls.append, 1)
    clock.stop()
    clock.callLater(1, calls.append, 2)
    reactor.advance(10)
    assert calls == [] and reactor.getDelayedCalls() == []


# inside a server


def test_keys_expire_with_their_events(start: Callable[..., RedisService]) -> None:
    service = start(notify_keyspace_events="Ex")
    client = service.client()
    events: list[tuple[bytes, bytes]] = []
    service.engine.pubsub.publish = lambda channel, message: events.append((channel, message)) or 0
    client.set("k", "v", px=1500)
    client.execute("HSET", "h", "f", 1)
    client.execute("HPEXPIRE", "h", 1500, "FIELDS", 1, "f")
    with service.clock.freeze():
        service.clock.advance(1.0)
        assert client.exists("k", "h") == 2 and client.ttl("k") == pytest.approx(0.5, abs=0.3)
        service.clock.advance(1.0)
        # No command has accessed the key.
        assert (b"__keyevent@0__:expired", b"k") in events
        assert client.dbsize() == 0


def test_keys_live_longer_when_the_clock_is_set_back(service: RedisService, client: LocalClient) -> None:
    client.set("k", "v", ex=10)
    now = service.clock.now()
    assert now.tzinfo is timezone.utc
    service.clock.set(now.timestamp() - 100)
    service.clock.advance(100)
    assert client.exists("k") == 1
    service.clock.advance(11)
    assert client.exists("k") == 0


def test_time_tells_it(service: RedisService, client: LocalClient) -> None:
    service.clock.freeze()
    service.clock.set(1_234_567_890.25)
    assert client.execute("TIME") == [b"1234567890", b"250000"]
    assert client.xadd("x", {"f": 1}) == b"1234567890250-0"


def test_stops_while_time_stands_still(service: RedisService, reactor: MemoryReactorClock) -> None:
    service.clock.freeze()
    waiting = service.client().blpop("q", timeout=100)
    waiting.addErrback(lambda failure: None)
    assert service.stopService().called
    assert reactor.getDelayedCalls() == [] and reactor.readers == set()


def test_a_call_is_put_off(clock: ServerClock, reactor: MemoryReactorClock) -> None:
    calls: list[str] = []
    call = clock.callLater(1, calls.append, "it")
    clock.advance(0.5)
    call.reset(2)
    clock.advance(1.5)
    assert calls == [] and call.active()
    reactor.advance(0.5)
    assert calls == ["it"]
    call.reset(1)  # too late
    clock.freeze()
    call = clock.callLater(1, calls.append, "frozen")
    call.reset(3)
    reactor.advance(5)
    clock.advance(2)
    assert calls == ["it"]
    clock.advance(1)
    assert calls == ["it", "frozen"]
    assert reactor.getDelayedCalls() == []
