"""Calls from one command to another, and commands that wait for something other than keys.

``call`` runs a command from within another one, as a script does.  The changes that it makes are propagated as its own.

A command's function may be ``async def`` or return a ``Deferred``.  Its client then waits, and other clients go on.
Nothing locks the data during the wait, and neither a replica nor the loading of a file could run the command again.  So
such a command writes only by ``call``, and each call is its own unit.  Transactions and scripts are a single unit, so
they refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred

from twisted_redis.datatypes.packed import LIVE_CLASS
from twisted_redis.engine import gates
from twisted_redis.engine.blocking import Block
from twisted_redis.engine.clients import DENY_BLOCKING, MASTER
from twisted_redis.engine.declare.flags import BLOCKING, NO_MULTI, NOSCRIPT, READONLY, WRITE
from twisted_redis.engine.errors import CommandError, CountedError
from twisted_redis.engine.extensions.replies import checked, checked_seconds, checked_value
from twisted_redis.engine.ports.cluster import Reason, Redirected
from twisted_redis.engine.units import NESTED
from twisted_redis.resp.types import ErrorReply, NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command, Spec
    from twisted_redis.engine.engine import Engine

__all__ = ["WAITING_FLAGS", "Caller", "call", "nested", "of_module", "sleep", "without_checks"]

#: The flags of every command declared as ``async def``: transactions and scripts refuse it.
WAITING_FLAGS = BLOCKING | NOSCRIPT | NO_MULTI

#: The number of leading arguments that are checked for stored values; keys are among them.
_CHECKED_ARGUMENTS = 4

_RULE = "a command that waits may write only by call()"


def call(ctx: Client, *words: bytes | str | int | float) -> Reply:
    """Runs a command for ``ctx`` and returns its reply; raises CommandError if the reply is an error.

    The arguments may be bytes, str, int or float.  A command that would block replies as it does in a transaction.  The
    permissions of the user are not checked again: the permission for the calling command is enough.
    """
    if not words:
        raise TypeError("call() takes a client and the name of a command")
    engine = ctx.engine
    argv = [_argument(word) for word in words]
    denied_before = ctx.gates & DENY_BLOCKING
    with nested(engine):
        ctx.gates |= DENY_BLOCKING
        try:
            command = gates.resolve(engine, argv)
            gates.check_arity(command, argv)
            if command.flags & WRITE:
                caller = engine.modules.caller
                if caller is not None and caller.flags & READONLY:
                    raise CommandError(
                        f"ERR the command '{caller.name}' is declared READONLY and cannot call '{command.name}', which "
                        "writes"
                    )
                for check in engine.commands.denials.in_order:
                    check(ctx, command, argv)
            if engine.gates & gates.IS_CLUSTER and not ctx.gates & MASTER:
                _check_slot(ctx, command, argv)
            reply = engine.call(ctx, command, argv)
        finally:
            if not denied_before:
                ctx.gates &= ~DENY_BLOCKING
    if reply.__class__ is ErrorReply:
        raise CountedError(reply)
    return reply


def _check_slot(ctx: Client, command: Command, argv: list[bytes]) -> None:
    """Raises CommandError if this node of a cluster does not serve a command that a module calls."""
    try:
        ctx.engine.cluster.redirect(ctx, command, argv)
    except Redirected as error:
        if error.reason is Reason.DOWN_READ_ONLY:
            text = f"Can not execute a write command '{command.name}' while the cluster is down and readonly"
        elif error.reason is Reason.DOWN:
            text = f"Can not execute a command '{command.name}' while the cluster is down"
        else:
            text = "Attempted to access a non local key in a cluster node"
        raise CommandError(f"ERR {text}") from None


@contextmanager
def nested(engine: Engine) -> Iterator[None]:
    """Runs a command within another one, or between its steps; raises RuntimeError within an event hook."""
    if engine.modules.telling:
        raise RuntimeError(
            "an event hook runs in the middle of a command and cannot run another one: schedule that for later"
        )
    dirty = engine.effects.dirty
    with engine.unit(NESTED):
        try:
            yield
        finally:
            engine.modules.dirty_by_calls += engine.effects.dirty - dirty


def sleep(ctx: Client, seconds: float) -> Deferred[None]:
    """Returns a Deferred that fires after ``seconds`` by the server's clock; raises ValueError for an invalid time."""
    checked_seconds(seconds, "the time of sleep()")
    fired: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = ctx.engine.time.call_later(seconds, lambda: fired.callback(None))
    return fired


def _argument(word: bytes | str | int | float) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, bool) or not isinstance(word, str | int | float):
        raise TypeError(f"call() takes bytes, str, int and float as words of a command, not {word!r}")
    return (repr(word) if isinstance(word, float) else str(word)).encode()


class Caller(NamedTuple):
    """A command of a module: its name in lower case and its flags."""

    name: str
    flags: int


def of_module(function: Callable[..., Any], name: str, flags: int) -> Callable[..., Any]:
    """Wraps the function of a module's command for the engine, and checks that it keeps to its declaration.

    If the function awaits something or returns a Deferred, the wrapper returns a ``Block``.
    """
    caller = Caller(name.lower(), flags)
    if iscoroutinefunction(function):

        @wraps(function)
        def begin(ctx: Client, *arguments: bytes) -> Reply:
            return _wait(ctx, Deferred.fromCoroutine(_steps(ctx.engine, function(ctx, *arguments), caller)))

    else:

        @wraps(function)
        def begin(ctx: Client, *arguments: bytes) -> Reply:
            engine = ctx.engine
            modules = engine.modules
            before = _changes(engine)
            dirty = engine.effects.dirty
            data = ctx.db.data
            stored = [data.get(word) for word in arguments[:_CHECKED_ARGUMENTS]]
            outer, modules.caller = modules.caller, caller
            try:
                reply = function(ctx, *arguments)
            finally:
                modules.caller = outer
            if engine.effects.dirty == dirty:
                for word, value in zip(arguments, stored, strict=False):
                    if data.get(word, value) is not value and value.__class__ not in LIVE_CLASS:
                        raise RuntimeError(
                            f"the command '{caller.name}' has stored a value at {word!r} without reporting it: "
                            "call ctx.changed(key, event) afterwards"
                        )
            if flags & READONLY and _changes(engine) != before:
                raise RuntimeError(f"the command '{caller.name}' is declared READONLY but has changed a key")
            if isinstance(reply, Coroutine):
                # It comes from a wrapper around an ``async def``, which does not look like one.
                reply = Deferred.fromCoroutine(_steps(engine, reply, caller))
            if isinstance(reply, Deferred):
                if _changes(engine) != before:
                    raise RuntimeError(_RULE)
                return _wait(ctx, reply)
            return checked(reply)

    return begin


def without_checks(spec: Spec) -> Spec:
    """Returns the declaration of a module's command with its own function, unless the command may wait."""
    function = spec.function
    inner = getattr(function, "__wrapped__", None)
    return spec if inner is None or iscoroutinefunction(inner) else replace(spec, function=inner)


def _changes(engine: Engine) -> int:
    """Returns the number of changes made by commands other than those that ``call`` ran."""
    return engine.effects.dirty - engine.modules.dirty_by_calls


def _steps(engine: Engine, coroutine: Coroutine[Any, Any, Any], caller: Caller) -> Generator[Any, Any, Any]:
    """Drives a coroutine.  Each step is a turn, and only the calls in it may change data."""
    value: Any = None
    error: BaseException | None = None
    modules = engine.modules
    while True:
        engine.turns.begin()
        outer, modules.caller = modules.caller, caller
        before = _changes(engine)
        try:
            awaited = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as end:
            return checked_value(end.value)
        finally:
            modules.caller = outer
            changed = _changes(engine) != before
            if changed:
                engine.effects.forget_command()
            engine.turns.end()
            if changed:
                coroutine.close()
                raise RuntimeError(_RULE)
        try:
            value = yield awaited
            error = None
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as caught:
            error = caught


def _wait(ctx: Client, deferred: Deferred[Any]) -> Reply:
    """Returns the result of ``deferred`` if it has fired, otherwise a ``Block`` that waits for it."""
    arrived: list[tuple[Reply, Any]] = []
    result: Deferred[Reply] = Deferred(lambda _: deferred.cancel())
    waits = False

    def arrive(reply: Reply) -> Reply:
        if waits:
            result.callback(reply)
        else:
            arrived.append((reply, None))
        # The command may have given the same Deferred to other clients, which get the same result.
        return reply

    def fail(failure: Any) -> None:
        if waits:
            result.errback(failure)
        else:
            arrived.append((None, failure))

    deferred.addCallback(checked_value)
    deferred.addCallbacks(arrive, fail)
    if arrived:
        reply, failure = arrived[0]
        if failure is not None:
            failure.raiseException()
        return reply
    if ctx.deny_blocking:
        deferred.cancel()
        raise CommandError("ERR This command waits, which is not allowed in a transaction or a script")
    waits = True
    return Block((), "", 0, NullArray, result=result)
