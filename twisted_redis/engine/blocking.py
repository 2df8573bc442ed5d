"""Blocking as a value: a command that has to wait returns a ``Block``.

The engine keeps a ``Waiter`` for it, in the order of arrival at each of its keys.  When a key becomes ready the same
function runs again; what it answers then is the reply, unless it is a ``Block`` again.  A ``Deferred`` carries the
reply to whoever called; cancelling it takes the waiter out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from twisted_redis.datatypes.table import type_name
from twisted_redis.engine.clients import NO_TOUCH, SUBSCRIBED
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import IS_PAUSED, is_paused, readmit
from twisted_redis.engine.mishaps import abandon_unit, crashed, report
from twisted_redis.resp.types import NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = [
    "Block",
    "Waiter",
    "Waiting",
    "block",
    "end_with_error",
    "retry",
    "serve_later",
    "serve_ready",
    "signal_database",
    "unblock_all",
]


class Block:
    """The return value of a command that has to wait.

    ``keys``: what it waits for; ``kind``: the type a key must have to wake it (``list``, ``zset``, ``stream``);
    ``timeout`` in seconds, 0 for ever; ``on_timeout``: the reply then, a value or a function without arguments;
    ``state`` is handed back as ``ctx.blocked_state`` when the function runs again; ``wake_on_delete``: wake also when
    the key vanishes or changes its type; ``group`` names what it waits for beside keys: ``retry`` runs the function
    again.  ``look_in``: after so many seconds the keys count as ready, though nothing has changed them.  ``result``: a
    Deferred that gives the reply, in place of keys; it is cancelled when the client gives up.
    """

    __slots__ = ("group", "keys", "kind", "look_in", "on_timeout", "result", "state", "timeout", "wake_on_delete")

    def __init__(
        self,
        keys: tuple[bytes, ...] | list[bytes],
        kind: str,
        timeout: float,
        on_timeout: Any = NullArray,
        state: Any = None,
        wake_on_delete: bool = False,
        group: str = "",
        result: Deferred[Reply] | None = None,
        look_in: float | None = None,
    ) -> None:
        self.keys = keys
        self.kind = kind
        self.timeout = timeout
        self.on_timeout = on_timeout
        self.state = state
        self.wake_on_delete = wake_on_delete
        self.group = group
        self.result = result
        self.look_in = look_in

    def timeout_reply(self) -> Reply:
        """The reply when the time is over or waiting is not allowed."""
        answer = self.on_timeout
        return answer() if callable(answer) else answer


class Waiter:
    """A waiting call.  ``deferred`` fires with its reply."""

    __slots__ = ("argv", "block", "client", "command", "db", "deferred", "keys", "look", "started", "timer")

    def __init__(self, client: Client, command: Command, argv: list[bytes], block: Block) -> None:
        self.client = client
        self.command = command
        self.argv = argv
        self.block = block
        self.db: Database = client.db
        #: The keys without duplicates, in the order given.
        self.keys: tuple[bytes, ...] = tuple(dict.fromkeys(block.keys))
        self.timer: Any = None
        self.look: Any = None
        self.started = client.engine.time.monotonic()
        self.deferred: Deferred[Reply] = Deferred(lambda _: self.withdraw())

    def withdraw(self) -> None:
        """Removes the waiter without a reply."""
        if self.client.blocked is not self:
            return
        self.client.blocked = None
        self.client.asking = False
        engine = self.client.engine
        engine.waiting.count -= 1
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self.look_later(None)
        if self.block.group:
            del engine.waiting.groups[self.block.group][self]
        waiting = self.db.waiting
        for key in self.keys:
            queue = waiting.get(key)
            if queue is not None:
                queue.pop(self, None)
                if not queue:
                    del waiting[key]
        self.client.effects.refresh()
        if self.block.result is not None:
            try:
                self.block.result.cancel()
            except BaseException:
                report(engine, f"What the command {self.command.name} waits for could not be cancelled")

    def look_later(self, seconds: float | None) -> None:
        """Has the keys count as ready in ``seconds``, or never (None)."""
        if self.look is not None and self.look.active():
            self.look.cancel()
        self.look = None if seconds is None else self.client.engine.time.call_later(seconds, self._look)

    def _look(self) -> None:
        # All calls that wait for these keys look, so that the first one that came is the first one served.
        engine = self.client.engine
        with engine.in_turn:
            for key in self.keys:
                engine.effects.ready[(self.db, key)] = None
            engine.effects.pending = True

    def finish(self, reply: Reply) -> None:
        """Ends the waiting with ``reply``."""
        self.withdraw()
        self.deferred.callback(reply)

    def take_result(self, failure: Any, reply: Reply = None) -> None:
        """Ends the waiting with the result of ``block.result`` or its failure, unless the client has given up."""
        if self.client.blocked is not self:
            return
        engine = self.client.engine
        with engine.in_turn:
            self._count()
            if failure is not None:
                try:
                    failure.raiseException()
                except CommandError as error:
                    reply = engine.failed(self.command, error, self.argv)
                except BaseException:
                    reply = crashed(engine, self.command)
            self.finish(reply)

    def give_up(self) -> None:
        """Ends the waiting with the reply for a time-out."""
        self._count()
        try:
            reply = self.block.timeout_reply()
        except BaseException:
            reply = crashed(self.client.engine, self.command)
        self.finish(reply)

    def fail(self, text: bytes) -> None:
        """Ends the waiting with an error; the call counts as failed."""
        self._count()
        self.command.failed += 1
        self.finish(self.client.engine.error(text))

    def _count(self) -> None:
        """Counts the call as one that took no time, since nothing runs at its end."""
        self.command.samples.append(0)
        engine = self.client.engine
        if engine.slow_ns < 0:
            engine.slow(self.client, self.command, self.argv, 0)

    def time_out(self) -> None:
        """Ends the waiting because its time is over."""
        with self.client.engine.in_turn:
            self.give_up()


class Waiting:
    """The waiting calls of an engine.  The keys they wait for are in ``Database.waiting``."""

    __slots__ = ("count", "groups", "ready_later", "serving")

    def __init__(self) -> None:
        #: The number of calls that wait.
        self.count = 0
        #: Calls that wait for something other than keys, by ``Block.group``.
        self.groups: dict[str, dict[Waiter, None]] = {}
        #: Ready keys of calls that a pause holds back.
        self.ready_later: dict[tuple[Database, bytes], None] = {}
        #: Whether waiting calls are being run now.
        self.serving = False


def block(engine: Engine, client: Client, command: Command, argv: list[bytes], wanted: Block) -> Waiter:
    """Has ``client`` wait as ``wanted`` says."""
    waiter = Waiter(client, command, argv, wanted)
    client.blocked = waiter
    engine.waiting.count += 1
    waiting = waiter.db.waiting
    for key in waiter.keys:
        queue = waiting.get(key)
        if queue is None:
            waiting[key] = {waiter: None}
        else:
            queue[waiter] = None
    if wanted.group:
        engine.waiting.groups.setdefault(wanted.group, {})[waiter] = None
    if wanted.timeout:
        waiter.timer = engine.time.call_later(wanted.timeout, waiter.time_out)
    if wanted.look_in is not None:
        waiter.look_later(wanted.look_in)
    engine.effects.refresh()
    if wanted.result is not None:
        wanted.result.addCallbacks(lambda reply: waiter.take_result(None, reply), waiter.take_result)
    return waiter


def serve_ready(engine: Engine) -> None:
    """Runs the calls that wait for keys that have become ready, in the order in which they were made.

    Serving one may make another key ready (BLMOVE): such keys come in a next round, as in Redis.
    """
    if engine.waiting.serving:
        # A round is running: if the new key were served now, its client would overtake those that wait already.
        return
    engine.waiting.serving = True
    try:
        while engine.effects.ready:
            ready = engine.effects.ready
            engine.effects.ready = {}
            for db, key in ready:
                _serve_key(engine, db, key)
    finally:
        engine.waiting.serving = False


def _serve_key(engine: Engine, db: Database, key: bytes) -> None:
    for waiter in list(db.waiting.get(key, ())):
        # An earlier call may have closed or unblocked this client.
        if waiter.client.blocked is waiter and _is_ready(db, key, waiter.block):
            if engine.gates & IS_PAUSED and is_paused(engine, waiter.client, waiter.command):
                engine.waiting.ready_later[(db, key)] = None
            else:
                serve(engine, waiter)


def _is_ready(db: Database, key: bytes, wanted: Block) -> bool:
    # An expired key counts as missing, but this look must not remove it.
    value = db.data.get(key) if (when := db.expiry(key)) is None or when > db.state.now else None
    return wanted.wake_on_delete or (value is not None and wanted.kind.encode() == type_name(value))


def serve(engine: Engine, waiter: Waiter) -> None:
    """Runs a waiting call again.  A failure costs its client an error, and costs the other clients nothing."""
    try:
        _rerun(engine, waiter)
    except Exception:
        reply = crashed(engine, waiter.command)
        abandon_unit(engine, waiter.client, waiter.command, waiter.argv)
        if waiter.client.blocked is waiter:
            waiter.finish(reply)


def _rerun(engine: Engine, waiter: Waiter) -> None:
    client = waiter.client
    if not waiter.block.group:
        try:
            readmit(engine, client, waiter.command, waiter.argv)
        except CommandError as error:
            waiter.command.rejected += 1
            waiter.finish(engine.error(error.text))
            return
    state = engine.state
    before, touching = engine.current, state.touching
    client.blocked_state = waiter.block.state
    engine.current = client if client.tracking is not None or client.gates & SUBSCRIBED else None
    state.touching = not client.gates & NO_TOUCH
    try:
        reply = engine.call(client, waiter.command, waiter.argv)
    finally:
        client.blocked_state = None
        engine.current = before
        state.touching = touching
    if reply.__class__ is not Block:
        waiter.finish(reply)
        return
    if reply.state is not None:
        waiter.block.state = reply.state
    if reply.look_in is not None:
        waiter.look_later(reply.look_in)
    client.release_pushes()  # there is no reply that they could follow


def serve_later(engine: Engine) -> None:
    """Serves, at the end of the turn, the calls that a pause held back while their keys became ready."""
    if engine.waiting.ready_later:
        engine.effects.pending = bool(engine.turns.depth)  # the running command may have ended the pause
        with engine.in_turn:
            engine.effects.ready.update(engine.waiting.ready_later)
            engine.waiting.ready_later = {}


def retry(engine: Engine, group: str) -> None:
    """Runs the waiting calls of ``group`` again; call within a turn."""
    for waiter in list(engine.waiting.groups.get(group, ())):
        if waiter.client.blocked is waiter:
            serve(engine, waiter)


def signal_database(engine: Engine, db: Database) -> None:
    """Marks every key that calls wait for as ready, after the contents of a database were exchanged or removed."""
    for key in db.waiting:
        engine.effects.ready[(db, key)] = None
        engine.effects.pending = True


def unblock(client: Client, error: bool) -> bool:
    """Ends the waiting of ``client`` by a time-out or an error (CLIENT UNBLOCK); returns whether it waited."""
    waiter = client.blocked
    if waiter is None:
        return False
    if error:
        end_with_error(waiter, b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
    else:
        waiter.give_up()
    return True


def end_with_error(waiter: Waiter, text: bytes) -> None:
    """Ends a waiting call with an error; it counts as failed.  Call within a turn."""
    waiter.fail(text)


def unblock_all(engine: Engine, text: bytes) -> None:
    """Ends every waiting with an error and closes the clients, because the server has changed its role."""
    with engine.in_turn:
        for client in list(engine.clients.values()):
            waiter = client.blocked
            if waiter is not None:
                end_with_error(waiter, text)
                client.close()
