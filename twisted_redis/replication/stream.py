"""The replication stream of a master: effects as commands, with SELECT and MULTI/EXEC where they are needed.

Effects are kept as they come and encoded together: at the end of a turn, or when somebody asks how long the stream is.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.engine.engine import Effect, Engine
from twisted_redis.engine.propagation import AofOnly
from twisted_redis.replication.backlog import Backlog
from twisted_redis.resp.accelerated import pack_bulks

__all__ = ["MOST_OFFSET", "Stream"]

MOST_OFFSET = 1 << 62
"""An offset beyond that is no one's: the stream would soon need more than 64 bits."""


MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"
_THREE = b"*3" + 3 * b"\r\n$%d\r\n%b" + b"\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"
GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"


class Stream:
    """A sink of effects; ``backlog`` has the bytes, where anybody may want them.

    ``broken`` is called when the stream lacks something.
    """

    def __init__(self, engine: Engine, broken: Callable[[], object]) -> None:
        self._engine = engine
        self._broken = broken
        self._units: list[list[Effect]] = []
        self.backlog: Backlog | None = None
        self._offset = 0
        #: The database that the stream has selected, -1 if that is not known.
        self.selected = -1
        #: When something was written (monotonic).
        self.written_at = engine.time.monotonic()

    def feed(self, effects: list[Effect]) -> None:
        """Takes the effects of one unit of execution."""
        self._units.append(effects)

    def missed(self) -> None:
        """Effects are lost to the stream: what replicas have is no longer what we have."""
        self._broken()

    @property
    def offset(self) -> int:
        """The number of the last byte."""
        if self._units:
            self.encode()
        return self.end

    @property
    def end(self) -> int:
        """The number of the last byte that is encoded."""
        return self.backlog.end if self.backlog is not None else self._offset

    def move(self, offset: int) -> None:
        """Goes on behind another ``offset``; the backlog, which belongs to another history then, is dropped."""
        self._units = []
        self.backlog = None
        self._offset = offset

    def open_backlog(self) -> None:
        """Keeps the bytes of the stream from now on."""
        self.backlog = Backlog(self.offset, self._engine.config.repl_backlog_size)

    def close_backlog(self) -> None:
        """Forgets the bytes of the stream."""
        self._offset = self.offset
        self.backlog = None

    def encode(self) -> None:
        """Puts what has been fed into the stream."""
        units = self._units
        if not units:
            return
        writers = self._engine.effects.writers
        if self.backlog is None:
            # Nobody reads it, but offsets tell what is on disk.
            self._offset += sum(map(len, units))
            units.clear()
        else:
            parts: list[bytes] = []
            add = parts.append
            selected = self.selected
            for unit in units:
                if len(unit) == 1 and unit[0][0] == selected:
                    argv = unit[0][1]
                    # Spelled out for the calls there are most of: it takes a third of the time.
                    if argv.__class__ is list and len(argv) == 3:
                        name, key, value = argv
                        add(_THREE % (len(name), name, len(key), key, len(value), value))
                        continue
                if len(unit) != 1 or unit[0][1].__class__ is AofOnly:
                    unit = [effect for effect in unit if effect[1].__class__ is not AofOnly]
                    if not unit:
                        continue
                several = len(unit) > 1
                if several:
                    add(MULTI)
                for index, argv in unit:
                    if index != selected:
                        number = b"%d" % index
                        add(b"*2\r\n$6\r\nSELECT\r\n$%d\r\n%b\r\n" % (len(number), number))
                        selected = index
                    add(pack_bulks(tuple(argv)))
                if several:
                    add(EXEC)
            self.write(b"".join(parts))
            self.selected = selected
            units.clear()
        if writers:
            offset = self.backlog.end if self.backlog is not None else self._offset
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
