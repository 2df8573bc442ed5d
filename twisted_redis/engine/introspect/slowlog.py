"""The slow log: the last calls that took longer than ``slowlog-log-slower-than``."""

from __future__ import annotations

import marshal
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.engine.declare.flags import SKIP_SLOWLOG
from twisted_redis.engine.figures import SlowTotals
from twisted_redis.engine.introspect.redaction import redacted

if TYPE_CHECKING:
    from twisted_redis.config import Config
    from twisted_redis.engine.clock import TimeSource
    from twisted_redis.engine.declare.table import Command

__all__ = ["SlowCall", "SlowLog"]


class SlowCall(NamedTuple):
    """An entry: its number, wall time (s), duration (us), request, and the address and name of the client."""

    number: int
    time: int
    microseconds: int
    argv: list[bytes]
    address: bytes
    name: bytes


class SlowLog:
    """The slow calls of a server, newest first; the numbering continues after a reset.

    A call is kept as one object, which is allocated anew with ``renew``: a hundred arguments that stay for days, each
    among the data of its time, would keep the memory around them from being given back.
    """

    def __init__(self, config: Config, time: TimeSource) -> None:
        self._config = config
        self._time = time
        self._calls: deque[bytes] = deque()
        self._next = 0
        self.totals = SlowTotals()

    @property
    def threshold_ns(self) -> int | None:
        """The duration from which calls are kept; None if no calls are kept."""
        config = self._config
        microseconds = config.slowlog_log_slower_than
        return None if microseconds < 0 or not config.slowlog_max_len else microseconds * 1000

    def note(self, command: Command, argv: list[bytes], nanoseconds: int, address: str, name: bytes) -> None:
        """Keeps and counts a call if it is slow enough; ``address`` and ``name`` are those of its client."""
        threshold = self.threshold_ns
        if threshold is None or nanoseconds < threshold or command.flags & SKIP_SLOWLOG:
            return
        microseconds = nanoseconds // 1000
        for totals in (self.totals, command.slow):
            totals.note(microseconds)
        shown = self._cut(redacted(self._config, command, argv))
        call = self._next, int(self._time.wall()), microseconds, shown, address.encode(), name
        self._calls.appendleft(marshal.dumps(call))
        self._next += 1
        self.trim()

    def trim(self) -> None:
        """Drops the oldest calls beyond ``slowlog-max-len``; 0 keeps the existing calls."""
        limit = self._config.slowlog_max_len
        while limit and len(self._calls) > limit:
            self._calls.pop()

    def __len__(self) -> int:
        """The number of calls that are kept."""
        return len(self._calls)

    def calls(self, most: int | None = None) -> Iterator[SlowCall]:
        """Yields the calls, at most ``most`` of them."""
        for call in islice(self._calls, None if most is None else min(most, len(self._calls))):
            yield SlowCall(*marshal.loads(call))

    def clear(self) -> None:
        """Forgets all calls."""
        self._calls.clear()

    def renew(self) -> None:
        """Allocates the calls anew."""
        self._calls = deque([bytes(memoryview(call)) for call in self._calls])

    def _cut(self, argv: list[bytes]) -> list[bytes]:
        """The request within ``slowlog-entry-max-argc`` and ``slowlog-entry-max-string-len``."""
        most, longest = self._config.slowlog_entry_max_argc, self._config.slowlog_entry_max_string_len
        kept = argv if len(argv) <= most else argv[: most - 1]
        shown = [
            argument
            if len(argument) <= longest
            else b"%b... (%d more bytes)" % (argument[:longest], len(argument) - longest)
            for argument in kept
        ]
        if kept is not argv:
            shown.append(b"... (%d more arguments)" % (len(argv) - len(kept)))
        return shown
