"""Applying the stream of a master: runs every command and counts every byte.

The offset of a replica is the end of the last command, or of the last whole transaction, that it has run.  After a
broken link it asks for everything behind that offset again.  It passes the bytes on to its own replicas as they came,
so that these share the history of the master.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import CLOSING, MASTER, Client, postpone
from twisted_redis.engine.declare.table import Command
from twisted_redis.engine.gates import IS_MEASURED, IS_PAUSED, UNQUEUED
from twisted_redis.engine.links import Link
from twisted_redis.engine.units import MASTER as MASTER_UNIT
from twisted_redis.resp.accelerated import RequestReader, make_reader, pack_bulks
from twisted_redis.resp.parser import Limits, RequestParser
from twisted_redis.resp.types import ErrorReply

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["Applier", "FramingParser"]


#: Commands that need the exact offset, or after which it does not move for a while.
_EXACT = frozenset((b"MULTI", b"REPLCONF"))


class FramingParser(RequestParser):
    """The pure parser, which notes where requests end and leaves complete requests of plain bytes to hiredis.

    ``boundary`` is the end of the last request that ``receive`` has returned, in bytes received.  An inline request is
    an error, because no master sends one; empty lines are ignored.
    """

    __slots__ = ("_chunk", "_chunk_end", "_ends", "_reader", "boundary", "received")

    def __init__(self, reader: RequestReader | None = None) -> None:
        super().__init__(Limits(1 << 62))
        self._reader = reader
        self.received = 0
        self.boundary = 0
        self._ends: list[int] = []
        self._chunk: list[list[bytes]] = []
        self._chunk_end = 0

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        """Takes ``data`` and returns the requests that are complete."""
        self.received += len(data)
        self._ends = []
        self._chunk = []
        reader = self._reader
        if reader is None or limit >= 0:
            return self._take_slowly(data, limit)
        requests: list[list[bytes]] = []
        if not self.idle:
            requests = self._take_slowly(data, 1)
            if not requests or self.error is not None:
                return requests
            data = self._buffer[self._offset :]
            self._buffer = b""
            self._offset = 0
        # The beginning of the last request may be found within a value.  The reader finds no complete requests before
        # it in that case, and the pure parser takes over.
        cut = data.rfind(b"\r\n*") + 2
        if cut > 1:
            found = reader.read(data[:cut])
            if found is not None:
                self._chunk = found
                data = data[cut:]
                self._chunk_end = self.boundary = self.received - len(data)
                requests += found
        return requests + self._take_slowly(data, -1)

    def _take_slowly(self, data: bytes, limit: int) -> list[list[bytes]]:
        before = len(self._ends)
        found = super().receive(data, limit)
        if len(self._ends) > before:
            self.boundary = self._ends[-1]
        return found

    def ends(self) -> list[int]:
        """The end of each request that ``receive`` has just returned, in bytes received."""
        chunk = self._chunk
        if not chunk:
            return self._ends
        # Masters use the shortest spelling of each length, so the lengths tell where each request ended.
        ends = [0] * len(chunk)
        at = self._chunk_end
        for index in range(len(chunk) - 1, -1, -1):
            ends[index] = at
            at -= len(pack_bulks(tuple(chunk[index])))
        first = [end for end in self._ends if end <= at]
        return first + ends + [end for end in self._ends if end > self._chunk_end]

    def _take(self) -> list[bytes]:
        self._ends.append(self.received - len(self._buffer) + self._offset)
        return super()._take()

    def _inline(self) -> list[bytes] | None:
        request = super()._inline()
        return self._fail("Master using the inline protocol. Desync?") if request else request


class Applier:
    """Applies a stream that continues at ``offset`` (bytes) with the database ``database`` selected."""

    def __init__(self, replication: Replication, link: Link, offset: int, database: int) -> None:
        self._replication = replication
        engine = self._engine = replication.engine
        self.client = client = Client(engine, link)
        client.gates |= MASTER
        client.db = engine.databases[database]
        engine.clients[client.id] = client
        self._parser = FramingParser(make_reader())
        #: The offset in the stream of the parser's first byte.
        self._base = offset
        #: The offsets of the last applied and of the last received byte.
        self.offset = offset
        self._raw: list[bytes] = []
        self._held: list[bytes] = []
        self._known: dict[bytes, Command] = {}

    @property
    def read_offset(self) -> int:
        """The offset of the last received byte."""
        return self._base + self._parser.received + sum(map(len, self._held))

    def close(self) -> None:
        """Ends, and drops what has not been applied."""
        self.client.queue = None
        self._engine.disconnect(self.client)

    def receive(self, data: bytes) -> None:
        """Applies the complete commands; ValueError if no master would send these bytes."""
        engine = self._engine
        self.client.interacted = engine.time.monotonic()
        if self._held or engine.gates & IS_PAUSED:
            self._hold(data)
            return
        with engine.unit(MASTER_UNIT):
            self._apply(data)
        if self._parser.error is not None:
            raise ValueError(self._parser.error)

    def _hold(self, data: bytes) -> None:
        """CLIENT PAUSE postpones the commands of the master, too."""
        self._held.append(data)
        if not self.client.postponed:
            postpone(self.client)

    def resume(self) -> None:
        """Goes on with the postponed commands."""
        held = b"".join(self._held)
        self._held = []
        if held and not self.client.gates & CLOSING:
            self.receive(held)

    def _apply(self, data: bytes) -> None:
        client = self.client
        parser = self._parser
        self._raw.append(data)
        before = self.offset
        requests = parser.receive(data)
        base = self._base
        if client.queue is not None or not _EXACT.isdisjoint([argv[0].upper() for argv in requests]):
            for argv, end in zip(requests, parser.ends(), strict=False):
                self._carry_out(argv)
                if client.queue is None:
                    self.offset = base + end
                if client.gates & CLOSING:
                    # The command has ended the replication, for example by making this server a master.
                    break
        else:
            for argv in requests:
                self._carry_out(argv)
            if client.queue is None:
                self.offset = base + parser.boundary
        client.commands += len(requests)
        self._pass_on(self.offset - before)

    def _carry_out(self, argv: list[bytes]) -> None:
        client = self.client
        command = self._known.get(argv[0]) or self._find(argv)
        if command is None or not command.min_args <= len(argv) <= command.max_args:
            self._failed(argv[0].decode("latin-1"), b"ERR unknown command or wrong number of arguments")
        elif client.queue is not None and command.name not in UNQUEUED:
            client.queue.append((command, argv))
        else:
            client.last_command = command
            engine = self._engine
            reply = engine.call(client, command, argv)
            if engine.gates & IS_MEASURED:
                engine.slot_meter.note_applied(command, argv)
            if reply.__class__ is ErrorReply:
                self._failed(command.name, reply)

    def _find(self, argv: list[bytes]) -> Command | None:
        engine = self._engine
        command = engine.commands.find(argv)
        if command is not None and command.skip == 1 and command.subcommands is None:
            self._known[argv[0]] = command
        return command

    def _pass_on(self, count: int) -> None:
        """Passes the next ``count`` bytes on to the replicas of this server."""
        if not count:
            return
        raw = self._raw[0] if len(self._raw) == 1 else b"".join(self._raw)
        rest = raw[count:]
        self._raw = [rest] if rest else []
        self._replication.stream.write(raw[:count] if rest else raw)

    def _failed(self, name: str, text: bytes) -> None:
        """Reports a command of the master that has failed: the data of the two servers may differ from now on."""
        engine = self._engine
        shown = text[:4096].decode("latin-1")
        engine.log(
            "warning",
            f"== CRITICAL == This replica is sending an error to its master: '-{shown}' after processing the command "
            f"'{name}'",
        )
        engine.stats.unexpected_errors += 1
        config = engine.config
        if config.replica_read_only and config.propagation_error_behavior != "ignore":
            engine.log(
                "warning",
                f"This replica panicked sending an error to its master after processing the command '{name}'",
            )
            engine.process.exit(1)
