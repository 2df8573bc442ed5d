"""The debugging port: conversations with the clients that debug scripts, over their own sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.links import Link
from twisted_redis.resp.types import Reply

__all__ = ["Channel", "Conversations", "NoConversations", "Session", "User"]


class User(Protocol):
    """The client that debugs a script, as far as a conversation uses it."""

    link: Link
    gates: int
    out: list[bytes]
    encode: Callable[[Any], bytes]

    def close(self) -> None:
        """Closes the connection once the replies are written."""


class Channel(Protocol):
    """The socket of a client.  Its calls wait, and meanwhile the whole process does."""

    def send(self, data: bytes) -> None:
        """Sends ``data``; does nothing if the client is gone."""

    def receive(self) -> bytes:
        """Returns what comes next from the client; empty if it is gone."""


Session = Callable[[Channel], Reply]
"""Runs a script under the debugger and returns its result; raises CommandError."""


class Conversations(Protocol):
    """Has sessions talk with their clients.  A session ends the connection of its client."""

    def check(self, client: User, is_forked: bool) -> None:
        """Raises CommandError if a session with ``client`` is not possible."""

    def hold(self, client: User, session: Session) -> Reply:
        """Runs ``session`` in this process, which serves nobody else meanwhile; returns its result."""

    def fork(self, client: User, session: Session) -> Reply:
        """Runs ``session`` in a child process, which also sends its result."""


class NoConversations:
    """There are no sockets."""

    def check(self, client: User, is_forked: bool) -> None:
        """Refuses every session."""
        raise CommandError("ERR the debugger of scripts needs a connection over a socket")

    def hold(self, client: User, session: Session) -> Reply:
        """Refuses every session."""
        raise CommandError("ERR the debugger of scripts needs a connection over a socket")

    fork = hold
