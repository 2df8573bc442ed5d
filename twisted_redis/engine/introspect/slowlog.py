"""The slow log: the last calls that took longer than ``slowlog-log-slower-than``."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.engine.declare.flags import SKIP_SLOWLOG
from twisted_redis.engine.introspect.redaction import redacted

if TYPE_CHECKING:
    from twisted_redis.config import Config
    from twisted_redis.engine.clock import TimeSource
    from twisted_redis.engine.declare.table import Command

__all__ = ["SlowCall", "SlowLog"]

#: The most arguments of a request that are kept, and the most bytes of each argument.
MAX_ARGUMENTS = 32
MAX_BYTES = 128


class SlowCall(NamedTuple):
    """An entry: its number, wall time (s), duration (us), request, and the address and name of the client."""

    number: int
    time: int
    microseconds: int
    argv: list[bytes]
    address: bytes
    name: bytes


class SlowLog:
    """The slow calls of a server, newest first; the numbering continues after a reset."""

    def __init__(self, config: Config, time: TimeSource) -> None:
        self._config = config
        self._time = time
        self.calls: deque[SlowCall] = deque()
        self._next = 0

    @property
    def threshold_ns(self) -> int | None:
        """The duration from which calls are kept; None if no calls are kept."""
        config = self._config
        microseconds = config.slowlog_log_slower_than
        return None if microseconds < 0 or not config.slowlog_max_len else microseconds * 1000

    def note(self, command: Command, argv: list[bytes], nanoseconds: int, address: str, name: bytes) -> None:
        """Keeps a call if it is slow enough; ``address`` and ``name`` are those of its client."""
        threshold = self.threshold_ns
        if threshold is None or nanoseconds < threshold or command.flags & SKIP_SLOWLOG:
            return
        self.calls.appendleft(
            SlowCall(
                self._next,
                int(self._time.wall()),
                nanoseconds // 1000,
                [*map(_shortened, _trimmed(redacted(self._config, command, argv)))],
                address.encode(),
                name,
            )
        )
        self._next += 1
        self.trim()

    def trim(self) -> None:
        """Drops the oldest calls beyond ``slowlog-max-len``; 0 keeps the existing calls."""
        limit = self._config.slowlog_max_len
        while limit and len(self.calls) > limit:
            self.calls.pop()


def _trimmed(argv: list[bytes]) -> list[bytes]:
    if len(argv) <= MAX_ARGUMENTS:
        return argv
    kept = argv[: MAX_ARGUMENTS - 1]
    return [*kept, b"... (%d more arguments)" % (len(argv) - len(kept))]


def _shortened(argument: bytes) -> bytes:
    if len(argument) <= MAX_BYTES:
        return argument
    return b"%b... (%d more bytes)" % (argument[:MAX_BYTES], len(argument) - MAX_BYTES)
