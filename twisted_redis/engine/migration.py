"""MIGRATE: the keys of this server while another one takes them.

Redis stands still until the other server has answered.  Here everybody goes on, but for those who want to write to a
key on its way: their requests wait, so that a key is never changed in one place after it was copied to the other.
Connections are the business of a room above, the ``Migrator``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from twisted_redis.engine.blocking import retry
from twisted_redis.engine.clients import postpone
from twisted_redis.engine.declare.command_keys import keys_of
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import Denial, Postponed
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.units import SWEEP
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["MIGRATED", "Migrations", "Migrator", "Move", "Order", "Outcome", "failed"]

#: The ``Block.group`` for which MIGRATE waits.
MIGRATED = "migrated"


@dataclass
class Order:
    """The work of one MIGRATE: encoded RESTORE calls to a database of another server.

    ``login`` is an encoded AUTH or empty; ``timeout`` (s) is for each step of the conversation.
    """

    host: str
    port: int
    database: int
    timeout: float
    login: bytes
    restores: list[bytes]


@dataclass
class Outcome:
    """The end of an order: whether each RESTORE was confirmed, and the text of an error (empty if there is none)."""

    confirmed: list[bool]
    error: bytes = b""


class Migrator(Protocol):
    """Carries out orders: the port to other servers."""

    def carry(self, order: Order, done: Callable[[Outcome], None]) -> None:
        """Begins; calls ``done`` later, never before it returns."""

    def carry_now(self, order: Order) -> Outcome:
        """Carries out the order while the whole server waits, as transactions and scripts need it."""


def failed(doing: str) -> bytes:
    """The text of the error for a conversation that broke off while connecting, writing or reading (``doing``)."""
    to = "the client" if doing == "connecting" else "target instance"
    return f"IOERR error or timeout {doing} to {to}".encode()


@dataclass(eq=False)
class Move:
    """One MIGRATE: the keys of ``db`` with the values that were sent."""

    client: Client
    db: Database
    keys: list[bytes]
    values: list[Any]
    copying: bool
    was_replica: bool
    #: Keys that were changed meanwhile by somebody that could not be held back.
    changed: set[bytes] = field(default_factory=set)
    reply: Reply = None

    def answer(self) -> Reply:
        """Returns the reply, or raises it if it is a CommandError."""
        if isinstance(self.reply, CommandError):
            raise self.reply
        return self.reply


class Migrations:
    """The keys that are on their way to other servers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.migrator: Migrator | None = None
        self._held: dict[tuple[Database, bytes], Move] = {}
        self._waiting = False

    @property
    def busy(self) -> bool:
        """Whether keys are on their way, whose values must stay the same objects until then."""
        return bool(self._held)

    def perform(self, move: Move, order: Order) -> Reply:
        """Moves keys while the server waits, within the call of a command whose effect is the removal."""
        outcome = self._migrator().carry_now(order)
        removed = self._finish(move, outcome)
        if removed:
            move.client.propagate_as([b"DEL", *removed])
        return move.answer()

    def begin(self, move: Move, order: Order) -> None:
        """Begins to move keys; at the end, the waiting calls of ``MIGRATED`` run again."""
        migrator = self._migrator()
        if not move.copying:
            self._hold(move)
        migrator.carry(order, lambda outcome: self._done(move, outcome))

    def _migrator(self) -> Migrator:
        if self.migrator is None:
            # Without a service there are no connections to other servers.
            raise CommandError(failed("connecting"))
        return self.migrator

    # the end

    def _done(self, move: Move, outcome: Outcome) -> None:
        engine = self._engine
        with engine.in_turn:
            if not move.copying:
                self._release(move)
            with engine.unit(SWEEP):
                removed = self._finish(move, outcome)
                if removed:
                    engine.effects.propagate(move.db, [b"DEL", *removed])
                    engine.effects.wrote(move.client)
            # The client may be gone, or may have another reply already (CLIENT UNBLOCK).
            retry(engine, MIGRATED)

    def _finish(self, move: Move, outcome: Outcome) -> list[bytes]:
        """Removes the confirmed keys and decides on the reply; returns the removed keys."""
        engine, db = self._engine, move.db
        removed: dict[bytes, None] = {}
        kept: list[bytes] = []
        # The keys of a replica belong to its master, and this server may have become a replica meanwhile.
        if not move.copying and engine.replication.is_replica == move.was_replica:
            for key, value, confirmed in zip(move.keys, move.values, outcome.confirmed, strict=True):
                if not confirmed or key in removed:
                    continue
                if db.data.get(key) is not value or key in move.changed:
                    if key in db.data:
                        kept.append(key)
                    continue
                engine.lazyfree.remove(db, key, engine.config.lazyfree_lazy_server_del)
                engine.effects.dirty += 1
                if engine.effects.observed:
                    engine.effects.observe(db, key, "del")
                removed[key] = None
        if outcome.error:
            move.reply = CommandError(outcome.error)
        elif kept:
            move.reply = CommandError(b"ERR '%b' was changed while it was migrated, and is kept here, too" % kept[0])
        else:
            move.reply = OK
        return list(removed)

    # holding

    def _hold(self, move: Move) -> None:
        engine = self._engine
        if not self._held:
            engine.effects.observers.append(self._observe)
            engine.effects.refresh()
            engine.commands.deny(Denial.MIGRATING, self._check)
        for key in move.keys:
            self._held[(move.db, key)] = move

    def _release(self, move: Move) -> None:
        engine = self._engine
        for key in move.keys:
            self._held.pop((move.db, key), None)
        if not self._held:
            engine.effects.observers.remove(self._observe)
            engine.effects.refresh()
            engine.commands.deny(Denial.MIGRATING, None)
        if self._waiting:
            self._waiting = False
            engine.pauses.resume_postponed()

    def _check(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Has a request wait if it may change a key that is on its way."""
        if command.name == "exec" and client.queue is not None:
            held = any(self._wants(client, *queued) for queued in client.queue)
        else:
            held = self._wants(client, command, argv)
        # If a request cannot be held back, ``_observe`` notices its changes.
        if held and not client.deny_blocking and not isinstance(client.link, NullLink):
            self._waiting = True
            postpone(client)
            raise Postponed

    def _wants(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        if command.flags & READONLY:
            return False
        return any((client.db, argv[place]) in self._held for place, _ in keys_of(command, argv) or ())

    def _observe(self, db: Database, key: bytes, by_command: bool = False) -> None:
        move = self._held.get((db, key))
        if move is not None:
            move.changed.add(key)
