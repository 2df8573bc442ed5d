"""The periodic call."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from twisted_redis.net.ticker import Ticker


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_comes_at_its_interval_and_stops(clock: Clock) -> None:
    times: list[float] = []
    ticker = Ticker(lambda: times.append(clock.seconds()), clock)
    ticker.start(0.25)
    assert times == []
    clock.pump([0.125] * 7)
    assert times == [0.25, 0.5, 0.75]
    ticker.stop()
    clock.advance(1)
    assert times == [0.25, 0.5, 0.75]
    assert clock.getDelayedCalls() == []


def test_missed_calls_are_skipped(clock: Clock) -> None:
    times: list[float] = []
    ticker = Ticker(lambda: times.append(clock.seconds()), clock)
    ticker.start(1)
    clock.advance(3.5)
    clock.advance(0.5)
    assert times == [3.5, 4.0]


def test_changed_interval(clock: Clock) -> None:
    times: list[float] = []

    def work() -> None:
        times.append(clock.seconds())
        ticker.interval = 10

    ticker = Ticker(work, clock)
    ticker.start(1)
    clock.pump([1] * 12)
    assert times == [1, 10]


def test_may_stop_itself_and_start_anew(clock: Clock) -> None:
    times: list[float] = []

    def work() -> None:
        times.append(clock.seconds())
        ticker.stop()
        if len(times) == 1:
            ticker.start(5)

    ticker = Ticker(work, clock)
    ticker.start(1)
    clock.pump([1] * 20)
    assert times == [1, 6]
    assert clock.getDelayedCalls() == []


def test_goes_on_after_an_exception(clock: Clock) -> None:
    times: list[float] = []

    def work() -> None:
        times.append(clock.seconds())
        raise ZeroDivisionError

    Ticker(work, clock).start(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            clock.advance(1)
    assert times == [1, 2]
