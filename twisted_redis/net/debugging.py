"""Conversations with clients that debug scripts, over the clients' own sockets.

A session waits for its user, and no part of the event loop may run within a script.  So the sockets are read and
written by hand here, and the process waits.  A forked session does that in a child with a copy of the data: the child
owns the socket from then on, and this process closes its own descriptor without a word to the peer.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import ISSLTransport

from twisted_redis.engine.clients import DENY_BLOCKING
from twisted_redis.engine.errors import CommandError, CountedError
from twisted_redis.engine.mishaps import report
from twisted_redis.net.channels import SocketChannel
from twisted_redis.net.connection import Connection
from twisted_redis.net.eager import plain_below
from twisted_redis.persistence.children import be_child, fork
from twisted_redis.resp.types import NO_REPLY, ErrorReply, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.ports.debugging import Session, User

__all__ = ["DebugConversations"]


class DebugConversations:
    """The sessions of ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: The children in which sessions run.
        self._children: set[int] = set()

    def check(self, client: User, is_forked: bool) -> None:
        """Raises CommandError if the client has no socket, or if there is no fork."""
        _channel_of(client)
        if is_forked and not hasattr(os, "fork"):
            raise CommandError("ERR this system has no fork: use SCRIPT DEBUG SYNC")

    def hold(self, client: User, session: Session) -> Reply:
        """Runs ``session`` in this process; the connection is closed after its result."""
        channel = _channel_of(client)
        self._engine.log("notice", "Redis synchronous debugging eval session started")
        try:
            return session(channel)
        finally:
            channel.socket.setblocking(False)
            self._engine.log("notice", "Redis synchronous debugging eval session ended")
            client.close()

    def fork(self, client: User, session: Session) -> Reply:
        """Runs ``session`` in a child process; this process forgets the client."""
        engine = self._engine
        channel = _channel_of(client)
        if client.gates & DENY_BLOCKING:
            raise CommandError("ERR a script in a transaction can only be debugged with SCRIPT DEBUG SYNC")
        try:
            pid = fork(engine)
        except OSError as error:
            text = f"ERR Fork() failed: can't run EVAL in debugging mode: {error.strerror}"
            raise CommandError(text) from None
        if pid == 0:
            be_child(engine, {channel.socket.fileno()}, lambda: self._serve(client, session, channel))
        self._children.add(pid)
        link: Any = client.link
        link.hand_over()
        return NO_REPLY

    def _serve(self, client: User, session: Session, channel: SocketChannel) -> bool:
        """Runs ``session`` in the child."""
        engine = self._engine
        engine.log("notice", "Redis forked for debugging eval")
        # No file and no replica may learn of the changes of this process.
        engine.effects.mute()
        try:
            reply = session(channel)
        except CountedError as error:
            reply = error.reply
        except CommandError as error:
            reply = ErrorReply(error.text)
        except Exception:
            report(engine, "Bug in a debugging session")
            reply = ErrorReply(b"ERR internal error")
        channel.send(b"".join(client.out) + client.encode(reply))
        engine.log("notice", "Lua debugging session child exiting")
        return True

    def poll(self, now: float) -> None:
        """Notices the ends of children; part of the periodic work."""
        for pid in list(self._children):
            try:
                ended = os.waitpid(pid, os.WNOHANG)[0]
            except ChildProcessError:
                ended = pid  # other code has waited for it
            if ended:
                self._children.discard(pid)

    def kill(self) -> None:
        """Ends all sessions that run in children, because the server ends."""
        for pid in self._children:
            self._engine.log("notice", f"Killing debugging session {pid}")
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        self._children.clear()


def _channel_of(client: User) -> SocketChannel:
    link = client.link
    if isinstance(link, Connection):
        transport = link.transport
        plain = plain_below(transport)
        if plain is transport is not None:
            return SocketChannel(plain.socket)
        if plain is not None and ISSLTransport.providedBy(transport):
            from twisted_redis.net.tls_channel import TlsChannel  # needs pyOpenSSL

            return TlsChannel(plain.socket, transport.getHandle())
    raise CommandError("ERR the debugger of scripts needs a connection over a socket")
