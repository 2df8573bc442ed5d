"""Waiting until clients are blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from twisted.internet.testing import MemoryReactorClock

from tests.library.test_client import outcome
from twisted_redis import LocalClient, RedisService, ServerStopped
from twisted_redis.library.blocked import wait_for_blocked, wait_for_blocked_async


def counter(*figures: int) -> Callable[[], int]:
    """A server of which more and more clients are blocked."""
    left = iter(figures)
    last = figures[-1]
    return lambda: next(left, last)


def test_waits_until_exactly_so_many_are_blocked() -> None:
    count = counter(0, 1, 1, 3, 2, 5)
    wait_for_blocked(count, 2, 30)
    assert count() == 5
    count = counter(0, 1, 3, 2, 5)
    asyncio.run(wait_for_blocked_async(count, 2, 30))
    assert count() == 5
    wait_for_blocked(counter(1, 0, 7), 0, 30)


def test_the_error_says_how_many_are_blocked() -> None:
    with pytest.raises(TimeoutError, match="^1 client is blocked after 0 seconds, and not 2$"):
        wait_for_blocked(counter(1), 2, 0)
    with pytest.raises(TimeoutError, match="^3 clients are blocked after 0 seconds, and not 2$"):
        asyncio.run(wait_for_blocked_async(counter(3), 2, 0))


@pytest.mark.parametrize("wrong", [-1, True, 1.0, "1"])
def test_wrong_numbers(wrong: int) -> None:
    with pytest.raises(ValueError, match="a number of clients is an int from 0 on, not"):
        wait_for_blocked(counter(1), wrong, 0)


def test_of_a_service(service: RedisService, client: LocalClient, reactor: MemoryReactorClock) -> None:
    service.clock.freeze()
    waiting = service.wait_for_blocked(3)
    blocked = [client.blpop("q")]
    client.execute("CLIENT", "PAUSE", 5000, "WRITE")
    blocked.append(service.client().execute("SET", "k", "v"))
    reactor.advance(1)
    assert not waiting.called
    blocked.append(client.brpop("q"))
    reactor.advance(1)
    assert outcome(waiting) is None
    assert b"blocked_clients:3\r\n" in client.execute("INFO", "clients")
    for each in blocked:
        each.addErrback(lambda failure: None)


def test_of_a_service_that_has_no_such_clients(service: RedisService, reactor: MemoryReactorClock) -> None:
    error = outcome(service.wait_for_blocked(1, timeout=0))
    assert isinstance(error, TimeoutError) and str(error) == "0 clients are blocked after 0 seconds, and not 1"
    waiting = service.wait_for_blocked(1)
    service.stopService()
    reactor.advance(1)
    assert isinstance(outcome(waiting), ServerStopped)


def test_cancelled(service: RedisService, reactor: MemoryReactorClock) -> None:
    before = len(reactor.getDelayedCalls())
    waiting = service.wait_for_blocked(1)
    waiting.addErrback(lambda failure: None)
    waiting.cancel()
    assert len(reactor.getDelayedCalls()) == before
