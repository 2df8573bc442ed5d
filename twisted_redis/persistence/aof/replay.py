"""Executes the commands of a file in the server process, without gates, sinks and replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from twisted_redis.engine.clients import DENY_BLOCKING, MASTER, Client
from twisted_redis.engine.errors import CommandError, CountedError
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.units import REPLAY
from twisted_redis.persistence.aof.frames import Frames, Malformed, scan
from twisted_redis.persistence.loading import SLICE_NS, Loading, Steps
from twisted_redis.persistence.saving import delay
from twisted_redis.resp.types import ErrorReply

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.resp.types import Reply

__all__ = ["Replay", "ReplayError", "Unfinished"]

CHUNK = 1 << 17
"""The number of bytes of one read."""

AT_ONCE = frozenset(("exec", "multi", "watch"))
"""Commands that a transaction does not queue: EXEC, and those that fail within it."""

DELAYED_SLICE = 64
"""The number of commands between two checks of the clock, with ``key-load-delay``."""


class ReplayError(Exception):
    """A file cannot be executed. The text of the exception is a line for the log."""


class Unfinished(Exception):
    """A file ends within a command, a transaction or an annotation, or with something else that is no command.

    ``place`` is the end of its complete part.
    """

    def __init__(
        self, place: int, *, in_transaction: bool = False, in_note: bool = False, corrupt: bool = False
    ) -> None:
        super().__init__(place)
        self.place = place
        self.in_transaction = in_transaction
        self.in_note = in_note
        self.corrupt = corrupt


class Replay:
    """Executes the file ``name``, which is open as ``file``, from the offset ``place`` on."""

    def __init__(self, engine: Engine, name: str, file: BinaryIO, place: int = 0) -> None:
        self._engine = engine
        self._name = name
        self._file = file
        self._frames = Frames(place)
        # As with the commands of a master, keys and fields exist until a command deletes them, even after their expiry.
        self._client = client = Client(engine, NullLink())
        client.gates |= MASTER | DENY_BLOCKING
        self._known: dict[bytes, Command] = {}
        #: The offset of the chunk, and the number of the command in it, with which the last transaction began.
        self._multi_at = (place, 0)

    def steps(self, loading: Loading, start: int) -> Steps:
        """Executes the file in slices. ``start`` is the number of bytes that were loaded before this file.

        Raises ``ReplayError`` or ``Unfinished``.
        """
        engine = self._engine
        frames = self._frames
        clock = engine.clock_ns
        interval = engine.config.loading_process_events_interval_bytes
        eager = interval < CHUNK
        chunk = min(CHUNK, interval)
        self._file.seek(frames.place)
        deadline = clock() + SLICE_NS
        while True:
            data = self._file.read(max(chunk, frames.missing))
            try:
                commands = frames.feed(data)
            except Malformed as error:
                in_transaction = self._client.queue is not None
                place = self._before_multi() if in_transaction else error.place
                raise Unfinished(place, in_transaction=in_transaction, corrupt=True) from None
            if not data and not commands:
                break
            key_delay = engine.config.key_load_delay
            if key_delay:
                for at in range(0, len(commands), DELAYED_SLICE):
                    for argv in commands[at : at + DELAYED_SLICE]:
                        self._carry_out([argv], at)
                        if engine.config.key_load_delay:
                            delay(engine.config.key_load_delay)
                    yield
            else:
                self._carry_out(commands)
            loading.advance(start + frames.place)
            if eager or clock() > deadline:
                yield
                deadline = clock() + SLICE_NS
        if self._client.queue is not None:
            raise Unfinished(self._before_multi(), in_transaction=True)
        if frames.incomplete:
            raise Unfinished(frames.place, in_note=frames.in_note)

    def _carry_out(self, commands: list[list[bytes]], first: int = 0) -> None:
        engine = self._engine
        client = self._client
        known = self._known
        try:
            # All commands of a chunk are one unit, so that the clock is read only once.
            with engine.unit(REPLAY):
                for number, argv in enumerate(commands, first):
                    command = known.get(argv[0]) or self._find(argv)
                    name = command.name
                    if client.queue is not None:
                        if name not in AT_ONCE:
                            client.queue.append((command, argv))
                            continue
                    elif name == "multi":
                        self._multi_at = (self._frames.chunk_place, number)
                    try:
                        reply = command.function(client, *argv[command.skip :])
                    except CommandError as error:
                        # It also failed when the client called it.
                        self._failed(name, error.reply if isinstance(error, CountedError) else error.text)
                    else:
                        if name == "exec" and reply.__class__ is list:
                            for each in reply:
                                if each.__class__ is ErrorReply:
                                    self._failed(name, each)
        except ReplayError:
            raise
        except BaseException as error:
            if isinstance(error, TypeError) and not command.min_args <= len(argv) <= command.max_args:
                raise self._malformed() from None
            engine.log("failure", f"Bug in the command {command.name}")
            raise ReplayError(f"The command '{command.name}' of the append only file {self._name} failed") from error

    def _failed(self, name: str, reply: Reply) -> None:
        """Logs that a command has failed, because the file may be damaged."""
        engine = self._engine
        text = bytes(reply)[:4096].decode("latin-1") if isinstance(reply, bytes) else ""
        text = text[4:] if text.startswith("ERR ") else "-" + text
        engine.log(
            "warning",
            f"== CRITICAL == This server is sending an error to its AOF-loading-client: '{text}' after processing the "
            f"command '{name}'",
        )
        engine.stats.unexpected_errors += 1
        if engine.config.propagation_error_behavior == "panic":
            raise ReplayError(
                f"This server panicked sending an error to its AOF-loading-client after processing the command '{name}'"
            )

    def _malformed(self) -> ReplayError:
        return ReplayError(
            f"Bad file format reading the append only file {self._name}: make a backup of your AOF file, then use "
            "./redis-check-aof --fix <filename.manifest>"
        )

    def _find(self, argv: list[bytes]) -> Command:
        engine = self._engine
        command = engine.commands.find(argv)
        if command is None:
            raise ReplayError(
                f"Unknown command '{argv[0].decode('latin-1')}' reading the append only file {self._name}"
            )
        if command.subcommands is None and command.skip == 1:
            self._known[argv[0]] = command
        return command

    def _before_multi(self) -> int:
        """Returns the offset of the MULTI without an EXEC."""
        chunk, number = self._multi_at
        self._file.seek(chunk)
        data = self._file.read(self._frames.place - chunk)
        return chunk + scan(data, limit=number).end if number else chunk
