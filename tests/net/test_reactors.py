"""Timers that use the monotonic clock, on our own reactors and on reactors of other programs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorFDSet, IReactorThreads
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor
from zope.interface import implementer

from twisted_redis.net import reactors
from twisted_redis.net.reactors import Alarm, Timekeeper, name_of, new_reactor, on_monotonic, release


@implementer(IReactorThreads)
class Guest(MemoryReactor):
    """A reactor whose own timers never fire, as if its clock had been set back by years."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked: list[Callable[[], object]] = []

    def seconds(self) -> float:
        return time.time()

    def callFromThread(self, function: Callable[[], object]) -> None:
        self.asked.append(function)

    def turn(self) -> None:
        """Runs one iteration of its loop."""
        asked, self.asked = self.asked, []
        for function in asked:
            function()


class Setting:
    """A host reactor, its timekeeper, and an alarm that rings when ``pass_time`` reaches its time."""

    def __init__(self) -> None:
        self.reactor = Guest()
        self.clock = Clock()
        self.at: float | None = None
        self.alarms = 0
        self.keeper = Timekeeper(self.reactor, self._make, self.clock.seconds)
        self.made: list[Any] = []

    def _make(self, ring: Callable[[], None]) -> Setting:
        self.ring = ring
        self.alarms += 1
        return self

    def set(self, at: float) -> None:
        self.at = at

    def answered(self) -> None:
        self.at = None

    def end(self) -> None:
        self.alarms -= 1

    def note(self, what: Any) -> None:
        self.made.append((self.clock.seconds(), what))

    def pass_time(self, seconds: float) -> None:
        target = self.clock.seconds() + seconds
        while self.at is not None and self.at <= target:
            self.clock.advance(max(0.0, self.at - self.clock.seconds()))
            self.at = None
            self.ring()
            self.reactor.turn()
        self.clock.advance(target - self.clock.seconds())
        self.reactor.turn()


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_calls_come_in_their_order(setting: Setting) -> None:
    later = setting.keeper.callLater
    later(3, setting.note, "c")
    later(1, setting.note, "a")
    later(2, setting.note, what="b")
    setting.pass_time(2.5)
    assert setting.made == [(1, "a"), (2, "b")]
    setting.pass_time(2.5)
    assert setting.made[2:] == [(3, "c")]
    later(1, setting.note, "d")
    setting.pass_time(1)
    assert setting.made[3:] == [(6, "d")]


def test_a_call_that_is_due_at_once_needs_no_alarm(setting: Setting) -> None:
    setting.keeper.callLater(0, setting.note, "now")
    assert setting.made == [] and setting.alarms == 0
    setting.reactor.turn()
    assert setting.made == [(0, "now")]


def test_cancelled_delayed_and_moved(setting: Setting) -> None:
    calls = [setting.keeper.callLater(number, setting.note, number) for number in range(1, 6)]
    calls[0].cancel()
    calls[1].delay(5)
    calls[3].reset(0.5)
    assert not calls[0].active() and calls[1].active()
    setting.pass_time(10)
    assert setting.made == [(0.5, 4), (3, 3), (5, 5), (7, 2)]
    # Cancelled calls do not accumulate.
    for _ in range(1000):
        setting.keeper.callLater(3600, setting.note, "never").cancel()
    assert len(setting.keeper._calls) < 100
    setting.pass_time(4000)
    assert len(setting.made) == 4


def test_a_call_that_fails_costs_no_other(setting: Setting, logged_errors: list[dict[str, Any]]) -> None:
    setting.keeper.callLater(1, lambda: 1 // 0)
    setting.keeper.callLater(1, setting.note, "other")
    setting.pass_time(1)
    assert setting.made == [(1, "other")]
    assert [event["log_failure"].type for event in logged_errors] == [ZeroDivisionError]
    logged_errors.clear()


def test_calls_within_calls(setting: Setting) -> None:
    def again(left: int) -> None:
        setting.note(left)
        if left:
            setting.keeper.callLater(1, again, left - 1)
            setting.keeper.callLater(0, setting.note, "soon")

    setting.keeper.callLater(1, again, 2)
    setting.pass_time(5)
    assert setting.made == [(1, 2), (1, "soon"), (2, 1), (2, "soon"), (3, 0)]


def test_the_alarm_ends_with_the_last_call(setting: Setting) -> None:
    first = setting.keeper.callLater(1, setting.note, "a")
    setting.keeper.callLater(2, setting.note, "b")
    release(setting.keeper)
    first.cancel()
    assert setting.alarms == 1
    setting.pass_time(3)
    assert setting.made == [(2, "b")] and setting.alarms == 0
    # The service is started again.
    setting.keeper.callLater(1, setting.note, "c")
    setting.pass_time(1)
    assert setting.made[1:] == [(4, "c")] and setting.alarms == 1
    setting.keeper.callLater(9, setting.note, "d").cancel()
    release(setting.keeper)
    assert setting.alarms == 0


def test_everything_else_is_the_reactors(setting: Setting) -> None:
    assert IReactorFDSet.providedBy(setting.keeper)
    assert setting.keeper.getReaders() == []
    assert name_of(setting.keeper) == "guest"
    assert setting.keeper.callFromThread == setting.reactor.callFromThread


def test_reactors_that_need_one() -> None:
    ours = new_reactor()
    try:
        assert ours.seconds is time.monotonic
        assert on_monotonic(ours) is ours
        assert name_of(ours) in ("epoll", "poll", "select")
    finally:
        ours.removeAll()
        for reader in list(ours._internalReaders):
            reader.connectionLost(None)
        if hasattr(ours, "_poller"):
            ours._poller.close()
    clock = Clock()
    assert on_monotonic(clock) is clock
    keeper = on_monotonic(Guest())
    assert isinstance(keeper, Timekeeper)
    assert on_monotonic(keeper) is keeper


def test_the_thread_rings_at_the_last_time_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    rings: SimpleQueue[float] = SimpleQueue()
    before = threading.active_count()
    monkeypatch.setattr(reactors, "_AGAIN", 3600)
    alarm = Alarm(lambda: rings.put(time.monotonic()))
    # The wall clock does not matter.
    monkeypatch.setattr(time, "time", lambda: 0.0)
    begun = time.monotonic()
    alarm.set(begun + 3600)
    alarm.set(begun + 0.01)
    assert rings.get(timeout=60) >= begun + 0.01
    for number in range(100):
        alarm.set(begun + 3600 + number)
    alarm.set(0)
    rings.get(timeout=60)
    alarm.set(begun + 3600)
    alarm.end()
    assert rings.empty() and threading.active_count() == before


def test_the_thread_rings_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactors, "_AGAIN", 0.001)
    rings: SimpleQueue[None] = SimpleQueue()
    alarm = Alarm(lambda: rings.put(None))
    alarm.set(0)
    for _ in range(3):
        rings.get(timeout=60)
    alarm.answered()
    alarm.end()


def test_a_ring_that_the_reactor_has_lost_comes_again(setting: Setting) -> None:
    setting.keeper.callLater(1, setting.note, "due")
    setting.clock.advance(1)
    setting.ring()
    setting.reactor.asked.clear()  # the reactor has put it off for hours
    setting.at = 1
    setting.ring()
    setting.reactor.turn()
    assert setting.made == [(1, "due")]
    # The answer ends the ringing.
    assert setting.at is None
