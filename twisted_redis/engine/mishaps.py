"""Unexpected exceptions: the client gets one error, and the log gets the traceback.

Each function is called while the exception is being handled.  None of them raises, so that the engine can go on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from twisted_redis.engine import gates
from twisted_redis.engine.clients import CLOSING
from twisted_redis.engine.errors import WrongArity
from twisted_redis.engine.transactions import discard
from twisted_redis.resp.types import ErrorReply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["abandon_unit", "broken", "crashed", "report", "undelivered"]


def report(engine: Engine, text: str) -> None:
    """Logs the exception that is being handled with its traceback, if there is memory left to do so.

    An exception that is not about the command, such as a KeyboardInterrupt, becomes ``engine.interruption``.
    """
    problem = sys.exc_info()[1]
    if not isinstance(problem, Exception):
        engine.interruption = problem
    try:
        engine.log("failure", text)
    except MemoryError:
        pass


def crashed(engine: Engine, command: Command, argv: list[bytes] | None = None) -> ErrorReply:
    """Returns the reply for the exception that is being handled: a bug, or memory that has run out.

    The client gets an error, and the server goes on.  A bug goes to the log with its traceback.  ``argv`` is the
    request if the function of the command may not have taken its arguments.
    """
    command.failed += 1
    late = command.spec.late_arity
    if late is not None and argv is not None and not late[0] <= len(argv) <= late[1]:
        # The call has raised TypeError before the function began.
        return engine.error(WrongArity(command.name).text)
    if isinstance(sys.exc_info()[1], MemoryError):
        text = f"out of memory: '{command.name}' was interrupted, and what it had changed by then stays changed"
        try:
            engine.log("warning", text.capitalize())
        except MemoryError:
            pass
        return engine.error(b"OOM " + text.encode())
    report(engine, f"Bug in the command {command.name}")
    reply = engine.error(b"ERR internal error")
    reply.cause = sys.exc_info()[1]
    return reply


def broken(engine: Engine, client: Client, argv: list[bytes], answered: bool) -> Command:
    """Clears up after an exception outside of a command's function; returns the command.

    The client gets one error, unless its request was ``answered`` by then, so that replies stay in step with
    requests.  Nothing of the request stays behind in the engine.
    """
    command = engine.commands.find(argv) or gates.NOT_EXECUTED
    reply = crashed(engine, command)
    try:
        abandon_unit(engine, client, command, argv)
        if client.blocked is not None:
            client.blocked.withdraw()
        if client.queue is not None:
            if command.name == "exec":
                discard(client)
            else:
                client.dirty_exec = True
        if not answered:
            engine.answer(client, reply)
    except Exception:
        # A reply is missing, and the client would take the next one for it.
        report(engine, f"The client {client.id} could not be answered")
        client.out.clear()
        client.gates |= CLOSING
    return command


def abandon_unit(engine: Engine, client: Client, command: Command, argv: list[bytes]) -> None:
    """Hands out the changes of an interrupted command, and forgets that it was running."""
    try:
        if engine.effects.pending:
            engine.effects.after(client, command, argv)
        elif not engine.effects.depth:
            engine.effects.end_unit()
    except Exception:
        report(engine, f"The effects of the command {command.name} could not be handed out")
    engine.effects.forget_command()


def undelivered(failure: Any, engine: Engine, client: Client) -> None:
    """Closes a client whose reply is lost: it would wait for ever."""
    engine.log("warning", f"Closing the client {client.id}, which could not be answered: {failure.value!r}")
    client.out.clear()
    client.gates |= CLOSING
    client.link.abort()
