"""HOTKEYS: the keys that take the most time of the processor or the most bytes, while a session collects them.

A running session closes the gate ``IS_TALLIED``, so that every command takes the long way and is noted there.  Without
one, no request costs anything.

Redis keeps the heaviest keys in a sketch.  Here a ``Tally`` counts every key until there are too many, and then drops
the lightest ones.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.clients import SCRIPT
from twisted_redis.engine.declare.command_keys import keys_of
from twisted_redis.engine.gates import IS_TALLIED
from twisted_redis.keyspace.slots import SLOTS, key_slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.resp.types import Reply

__all__ = ["CPU", "NET", "HotKeys", "Session", "Tally"]

CPU = "cpu"
NET = "net"

#: Keys that a tally may count for each key that is asked for.
_COUNTED_PER_WANTED = 200


class Tally:
    """The weights of keys, and their sum.

    Weights are exact while at most ``limit`` keys have come.  After that a weight may be too low, by at most
    ``total / (limit / 2)``.
    """

    __slots__ = ("_limit", "_weights", "total")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weights: dict[bytes, int] = {}
        self.total = 0

    def add(self, key: bytes, weight: int) -> None:
        """Adds to the weight of ``key``."""
        weights = self._weights
        self.total += weight
        weights[key] = weights.get(key, 0) + weight
        if len(weights) > self._limit:
            # As in the algorithm of Misra and Gries: what is taken from one key is taken from many.
            least = sorted(weights.values(), reverse=True)[self._limit // 2]
            self._weights = {each: known - least for each, known in weights.items() if known > least}

    def heaviest(self, count: int) -> list[tuple[bytes, int]]:
        """The ``count`` heaviest keys with their weights, the heaviest first; keys without a weight do not count."""
        found = sorted(self._weights.items(), key=lambda item: -item[1])
        return [(key, weight) for key, weight in found[:count] if weight]


class Session:
    """What one HOTKEYS START has collected, until ``ended`` or now.

    Times of calls are in microseconds, other times in milliseconds.  ``ratio`` is 1 if every request is noted, and
    ``slots`` is None if those of all slots are.
    """

    def __init__(
        self,
        metrics: frozenset[str],
        count: int,
        duration: int | None,
        ratio: int,
        slots: frozenset[int] | None,
        started: int,
        cpu_times: tuple[float, float],
    ) -> None:
        self.count = count
        self.ratio = ratio
        self.slots = slots
        self.started = started
        #: When the session has ended, or will end by itself; None if it has no end yet.
        self.ends = None if duration is None else started + duration
        self.cpu_times = cpu_times
        self.tallies = {metric: Tally(count * _COUNTED_PER_WANTED) for metric in sorted(metrics)}
        #: The time and bytes of all requests with keys, of those in the chosen slots, and of those that were noted.
        self.all = {CPU: 0, NET: 0}
        self.selected = {CPU: 0, NET: 0}
        self.sampled = {CPU: 0, NET: 0}
        #: The time that the notes themselves have taken (ns).
        self.own_ns = 0

    def is_active(self, now: int) -> bool:
        """Whether the session runs at ``now``."""
        return self.ends is None or now < self.ends

    def milliseconds(self, now: int) -> int:
        """For how long the session has run."""
        return (now if self.ends is None else min(now, self.ends)) - self.started

    def note(self, keys: list[bytes], weights: dict[str, int], chosen: bool) -> None:
        """Counts a request with ``keys``, one or more; ``chosen`` tells whether chance has chosen it."""
        selected = self.slots is None or key_slot(keys[0]) in self.slots
        for metric, weight in weights.items():
            self.all[metric] += weight
            if selected:
                self.selected[metric] += weight
                if chosen:
                    self.sampled[metric] += weight
        if selected and chosen:
            for metric, tally in self.tallies.items():
                for key in keys:
                    tally.add(key, weights[metric] // len(keys))


class HotKeys:
    """The session of one server, if there is or was one."""

    def __init__(self, engine: Engine, random: Random | None = None) -> None:
        self._engine = engine
        self._random = random or Random()
        self._session: Session | None = None

    @property
    def session(self) -> Session | None:
        """The session that runs, or that has ended and was not reset."""
        return self._session

    @property
    def is_active(self) -> bool:
        """Whether a session runs.  The first look after its end opens the gate again."""
        if self._session is not None and self._session.is_active(self._engine.state.now):
            return True
        self._engine.set_gate(IS_TALLIED, False)
        return False

    def start(
        self, metrics: frozenset[str], *, count: int, duration: int | None, ratio: int, slots: frozenset[int] | None
    ) -> None:
        """Begins a session in place of the last one; ``duration`` is in milliseconds."""
        now = self._engine.state.now
        self._session = Session(metrics, count, duration, ratio, slots, now, cpu_times())
        self._engine.set_gate(IS_TALLIED, True)

    def stop(self) -> bool:
        """Ends the session; returns False if none runs."""
        if not self.is_active or self._session is None:
            return False
        self._session.ends = self._engine.state.now
        self._engine.set_gate(IS_TALLIED, False)
        return True

    def reset(self) -> None:
        """Forgets the session, which must have ended."""
        self._session = None

    def note(self, client: Client, command: Command, argv: list[bytes], nanoseconds: int, reply: Reply) -> None:
        """Counts a call of ``client`` that has ended; calls of scripts count as a part of the script's own call."""
        session = self._session
        if client.gates & SCRIPT or session is None or not self.is_active:
            return
        began = self._engine.clock_ns()
        keys = [argv[place] for place, _ in keys_of(command, argv) or ()]
        if keys:
            received = sum(len(b"$%d\r\n\r\n" % len(word)) + len(word) for word in argv)
            size = received + len(b"*%d\r\n" % len(argv)) + len(client.encode(reply))
            chosen = session.ratio == 1 or self._random.random() * session.ratio < 1
            session.note(keys, {CPU: nanoseconds // 1000, NET: size}, chosen)
        session.own_ns += self._engine.clock_ns() - began

    def fields(self) -> list[tuple[str, Any]]:
        """The section of INFO."""
        session = self._session
        if session is None:
            return []
        return [
            ("hotkeys-tracking-active", int(self.is_active)),
            ("hotkeys-cmd-cpu-time", session.own_ns // 1_000_000),
        ]

    def report(self, own_slots: Callable[[], list[int]]) -> Reply:
        """The reply of HOTKEYS GET; ``own_slots`` gives the slots of this node of a cluster."""
        session = self._session
        if session is None:
            return None
        now = self._engine.state.now
        slots, sampling = session.slots, session.ratio > 1
        found: dict[bytes, Any] = {
            b"tracking-active": int(self.is_active),
            b"sample-ratio": session.ratio,
            b"selected-slots": _ranges(own_slots() if slots is None else sorted(slots)),
        }
        for metric, kind, unit in ((CPU, b"", b"-us"), (NET, b"net-bytes-", b"")):
            if slots is not None:
                if sampling:
                    found[kind + b"sampled-commands-selected-slots" + unit] = session.sampled[metric]
                found[kind + b"all-commands-selected-slots" + unit] = session.selected[metric]
            found[kind + b"all-commands-all-slots" + unit] = session.all[metric]
        found[b"collection-start-time-unix-ms"] = session.started
        found[b"collection-duration-ms"] = session.milliseconds(now)
        if CPU in session.tallies:
            for name, new, old in zip((b"user", b"sys"), cpu_times(), session.cpu_times, strict=True):
                found[b"total-cpu-time-%b-ms" % name] = int((new - old) * 1000)
        if NET in session.tallies:
            found[b"total-net-bytes"] = session.tallies[NET].total
        for metric, name in ((CPU, b"by-cpu-time-us"), (NET, b"by-net-bytes")):
            if metric in session.tallies:
                found[name] = [each for pair in session.tallies[metric].heaviest(session.count) for each in pair]
        return [found]


def cpu_times() -> tuple[float, float]:
    """The time of the processor that this process has taken, for itself and in the system (s)."""
    try:
        import resource
    except ImportError:
        return 0.0, 0.0
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


def _ranges(slots: list[int]) -> list[list[int]]:
    """Sorted slots as ranges: first and last slot, or a single one."""
    if len(slots) == SLOTS:
        return [[0, SLOTS - 1]]
    found: list[list[int]] = []
    for slot in slots:
        if found and found[-1][-1] == slot - 1:
            found[-1] = [found[-1][0], slot]
        else:
            found.append([slot])
    return found
