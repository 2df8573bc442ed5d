"""Executing the commands of a source: the snapshot of its slots, and its writes since then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.engine.clients import MASTER, Client
from twisted_redis.engine.declare.table import Command
from twisted_redis.engine.units import MASTER as MASTER_UNIT
from twisted_redis.resp.accelerated import make_reader, pack_bulks
from twisted_redis.resp.parser import Limits, make_parser
from twisted_redis.resp.types import ErrorReply

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.links import Link

__all__ = ["IMPORTING", "Applier"]

#: The mark of the client in ``Client.extra``.
IMPORTING = "slot import"


class Applier:
    """Executes commands with the rights of a master.  Their effects go to the replicas and the file of this node."""

    def __init__(self, engine: Engine, link: Link) -> None:
        self._engine = engine
        self.client = client = Client(engine, link)
        client.gates |= MASTER
        client.extra[IMPORTING] = True
        engine.clients[client.id] = client
        self._parser = make_parser(Limits(1 << 62), make_reader())
        self._known: dict[bytes, Command] = {}
        #: Bytes of the commands that were executed.
        self.offset = 0
        self._closed = False

    def close(self) -> None:
        """Forgets the client."""
        self._closed = True
        self._engine.disconnect(self.client)

    def receive(self, data: bytes, messages: Callable[[list[bytes]], None]) -> None:
        """Executes the complete commands; ``messages`` gets those that nodes send each other (CLUSTER SYNCSLOTS).

        Raises ValueError if no source would send these bytes.
        """
        engine = self._engine
        self.client.interacted = engine.time.monotonic()
        state = engine.state
        hidden = state.hide_expired
        with engine.unit(MASTER_UNIT):
            # The source alone decides when a key goes: it may give a longer life to one whose time has just passed.
            state.hide_expired = True
            try:
                self._execute_all(self._parser.receive(data), messages)
            finally:
                state.hide_expired = hidden
        if self._parser.error is not None:
            raise ValueError(self._parser.error)

    def _execute_all(self, requests: list[list[bytes]], messages: Callable[[list[bytes]], None]) -> None:
        for argv in requests:
            if self._closed:
                return
            if len(argv) > 2 and argv[0].upper() == b"CLUSTER":
                messages(argv[2:])
            else:
                self._execute(argv)
            self.offset += len(pack_bulks(tuple(argv)))

    def _execute(self, argv: list[bytes]) -> None:
        engine = self._engine
        client = self.client
        command = self._known.get(argv[0]) or engine.commands.find(argv)
        if command is None or not command.min_args <= len(argv) <= command.max_args:
            self._report(argv[0], b"ERR unknown command or wrong number of arguments")
            return
        if command.skip == 1 and command.subcommands is None:
            self._known[argv[0]] = command
        client.last_command = command
        client.commands += 1
        reply = engine.call(client, command, argv)
        client.out.clear()
        if reply.__class__ is ErrorReply:
            self._report(argv[0], reply)

    def _report(self, name: bytes, error: bytes) -> None:
        """Logs a command that has failed: the data of the two nodes may differ."""
        shown = error[:4096].decode("latin-1")
        self._engine.log(
            "warning",
            f"== CRITICAL == This destination is sending an error to its source: '-{shown}' after processing the "
            f"command '{name.decode('latin-1').lower()}'",
        )
        self._engine.stats.unexpected_errors += 1
