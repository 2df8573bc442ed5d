"""The replication stream of a master.

The stream keeps effects as they come and encodes them together: at the end of a turn, or when its length is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted_redis.engine.effect_encoder import EffectEncoder
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.propagation import AOF, REPLICAS, Unit
from twisted_redis.replication.backlog import Backlog

__all__ = ["MOST_OFFSET", "Stream"]

MOST_OFFSET = 1 << 62
"""No server accepts an offset beyond this one: the stream would soon need more than 64 bits."""


PING = b"*1\r\n$4\r\nPING\r\n"
GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"


class Stream:
    """A sink of effects; ``backlog`` has the bytes, where anybody may want them.

    ``broken`` is called when the stream lacks something.
    """

    def __init__(self, engine: Engine, broken: Callable[[], object]) -> None:
        self._engine = engine
        self._broken = broken
        self._units: list[Unit] = []
        #: Takes the effects of units of execution.
        self.feed: Callable[[Sequence[Unit]], None] = self._units.extend
        self._encoder = EffectEncoder(REPLICAS)
        self.backlog: Backlog | None = None
        self._offset = 0
        #: When something was written (monotonic).
        self.written_at = engine.time.monotonic()

    @property
    def audience(self) -> int:
        """``REPLICAS``; ``AOF`` without a backlog, since the stream then only counts the commands of the file."""
        return AOF if self.backlog is None else REPLICAS

    @property
    def selected(self) -> int:
        """The number of the database that the stream has selected, -1 if it is unknown."""
        return self._encoder.selected

    def missed(self) -> None:
        """Effects are lost to the stream, so the data of replicas differ from now on."""
        self._broken()

    @property
    def offset(self) -> int:
        """The offset of the last byte, after encoding all effects."""
        self.encode()
        return self.end

    @property
    def end(self) -> int:
        """The offset of the last encoded byte."""
        return self.backlog.end if self.backlog is not None else self._offset

    def move(self, offset: int) -> None:
        """Continues behind another ``offset``, and drops the backlog, which belongs to another history."""
        self._engine.effects.deliver()
        self._units.clear()
        self.backlog = None
        self._offset = offset

    def open_backlog(self) -> None:
        """Keeps the bytes of the stream from now on."""
        self.backlog = Backlog(self.offset, self._engine.config.repl_backlog_size)

    def close_backlog(self) -> None:
        """Drops the bytes of the stream."""
        self._offset = self.offset
        self.backlog = None

    def forget_database(self) -> None:
        """Has SELECT written before the next effect, so that a reader may begin there."""
        self._encoder.selected = -1

    def encode(self) -> None:
        """Encodes the effects so far, and puts them into the stream."""
        self._engine.effects.deliver()
        units = self._units
        if not units:
            return
        backlog = self.backlog
        if backlog is None:
            self._offset += self._encoder.count(units)
        else:
            self.write(self._encoder.encode(units))
        units.clear()
        writers = self._engine.effects.writers
        if writers:
            offset = self._offset if backlog is None else backlog.end
            for client in writers:
                client.written_offset = offset
            writers.clear()

    def write(self, data: bytes) -> None:
        """Puts ``data``, a command, into the stream as it is; where nobody reads it, it counts as one like others."""
        backlog = self.backlog
        if backlog is not None:
            backlog.append(data)
            self.written_at = self._engine.time.monotonic()
        else:
            self._offset += 1
