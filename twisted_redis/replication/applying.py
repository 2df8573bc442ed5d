"""The stream of a master, carried out: every command in its place, every byte counted.

The place that counts is the end of the last command that was carried out whole, and a transaction is one whole: what
lies behind is asked for again after a broken link.  The bytes are passed on as they came to our own replicas, so that
they share the history of the master.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import CLOSING, MASTER, Client, Link
from twisted_redis.engine.gates import IS_PAUSED, UNQUEUED
from twisted_redis.engine.table import Command
from twisted_redis.resp.parser import Limits, RequestParser
from twisted_redis.resp.types import ErrorReply

if TYPE_CHECKING:
    from twisted_redis.replication.state import State

__all__ = ["Applier", "FramingParser"]


class FramingParser(RequestParser):
    """The pure parser, which notes where requests end: ``ends`` has a place for each that ``receive`` gives.

    Places count all bytes received.  An inline request is an error, as no master sends any; empty lines are let
    pass.
    """

    __slots__ = ("ends", "received")

    def __init__(self) -> None:
        super().__init__(Limits(1 << 62))
        self.ends: list[int] = []
        self.received = 0

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        """Takes ``data`` and returns the requests that are complete."""
        self.received += len(data)
        self.ends = []
        return super().receive(data, limit)

    def _take(self) -> list[bytes]:
        self.ends.append(self.received - len(self._buffer) + self._offset)
        return super()._take()

    def _inline(self) -> list[bytes] | None:
        request = super()._inline()
        return self._fail("Master using the inline protocol. Desync?") if request else request


class Applier:
    """Carries out a stream that continues at ``offset`` (bytes) with the database ``database`` selected."""

    def __init__(self, state: State, link: Link, offset: int, database: int) -> None:
        self._state = state
        engine = self._engine = state.engine
        self.client = client = Client(engine, link)
        client.gates |= MASTER
        client.db = engine.databases[database]
        engine.clients[client.id] = client
        self._parser = FramingParser()
        #: Where the first byte of the parser stands in the stream.
        self._base = offset
        #: The last byte that was carried out, and the last one that was received.
        self.offset = offset
        self._raw: list[bytes] = []
        self._held: list[bytes] = []
        self._known: dict[bytes, Command] = {}

    @property
    def read_offset(self) -> int:
        """The last byte that has come."""
        return self._base + self._parser.received + sum(map(len, self._held))

    def close(self) -> None:
        """Ends: what has not been carried out is forgotten."""
        self.client.queue = None
        self._engine.disconnect(self.client)

    def receive(self, data: bytes) -> None:
        """Carries out what is complete; ValueError where the bytes cannot be a master's."""
        engine = self._engine
        self.client.interacted = engine.time.monotonic()
        if self._held or engine.gates & IS_PAUSED:
            self._hold(data)
            return
        engine.begin_turn()
        try:
            self._apply(data)
        finally:
            engine.end_turn()
        if self._parser.error is not None:
            raise ValueError(self._parser.error)

    def _hold(self, data: bytes) -> None:
        """CLIENT PAUSE holds the master back, too."""
        self._held.append(data)
        client = self.client
        if not client.postponed:
            client.postponed = True
            self._engine.postponed.append(client)

    def resume(self) -> None:
        """Goes on with what was held back."""
        held = b"".join(self._held)
        self._held = []
        if held and not self.client.gates & CLOSING:
            self.receive(held)

    def _apply(self, data: bytes) -> None:
        engine = self._engine
        client = self.client
        keyspace = engine.state
        known = self._known
        clock = engine.clock_ns
        parser = self._parser
        self._raw.append(data)
        before = self.offset
        requests = parser.receive(data)
        base = self._base
        keyspace.obeying = True
        try:
            start = clock()
            for argv, end in zip(requests, parser.ends, strict=False):
                command = known.get(argv[0]) or self._find(argv)
                if command is None or not command.min_args <= len(argv) <= command.max_args:
                    self._failed(argv[0].decode("latin-1"), b"ERR unknown command or wrong number of arguments")
                elif client.queue is not None and command.name not in UNQUEUED:
                    client.queue.append((command, argv))
                else:
                    client.last_command = command
                    reply = engine.call(client, command, argv)
                    if reply.__class__ is ErrorReply:
                        self._failed(command.name, reply)
                    after = clock()
                    command.samples.append(after - start)
                    start = after
                if client.queue is None:
                    self.offset = base + end
                if client.gates & CLOSING:
                    # It has made us a master, or the like: what follows is no longer ours to carry out.
                    break
        finally:
            keyspace.obeying = False
        client.commands += len(requests)
        self._pass_on(self.offset - before)

    def _find(self, argv: list[bytes]) -> Command | None:
        engine = self._engine
        command = engine.find(argv)
        if command is not None and command.skip == 1 and command.subcommands is None:
            self._known[argv[0]] = command
        return command

    def _pass_on(self, count: int) -> None:
        """Hands the first ``count`` bytes that were not handed on yet to our own replicas."""
        if not count:
            return
        raw = self._raw[0] if len(self._raw) == 1 else b"".join(self._raw)
        rest = raw[count:]
        self._raw = [rest] if rest else []
        self._state.stream.write(raw[:count] if rest else raw)

    def _failed(self, name: str, text: bytes) -> None:
        """A command of the master cannot be carried out: the two may have come apart, which must not pass silently."""
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
            engine.exit_code = 1
            engine.shutdown()
