"""Writing and closing at once.

Twisted's ``transport.write`` waits for the next turn of the reactor.  Each reply would cost a poll and two changes of
the reactor's interest set.  A sender made here tries the socket first when nothing is queued, and leaves to the
transport what the socket did not take.  TLS does the same one layer below: it writes to an ``EagerTransport``
(``net/secure.py``).  For other wrapped transports the sender is their own ``write``.

``transport.loseConnection`` waits for a turn of the reactor, too.  Until then the peer takes the connection for a good
one: a pool hands it out again, and the next request is lost.  ``finish`` closes in the same turn.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from twisted_redis.net.twisted_internals import eager_write, unsent_bytes

__all__ = ["EagerTransport", "Send", "end_output", "finish", "pending_output", "plain_below", "release", "sender"]

Send = Callable[[bytes], None]

_DONE = Failure(ConnectionDone())
#: Only Linux has these two.
_MORE: int = getattr(socket, "MSG_MORE", 0)
_CORK: int | None = getattr(socket, "TCP_CORK", None)


def is_plain(transport: Any) -> bool:
    """Whether ``transport`` is a socket connection of Twisted's own, without TLS."""
    return isinstance(transport, tcp.Connection) and not getattr(transport, "TLS", False)


def sender(transport: Any) -> Send:
    """The fastest way to write to ``transport``."""
    return eager_write(transport) if is_plain(transport) else transport.write


class EagerTransport:
    """``transport`` with a ``write`` that tries the socket at once; everything else is the transport's own."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.write = sender(transport)
        directlyProvides(self, providedBy(transport))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def pending_output(self) -> int:
        """Bytes written that the socket has not taken yet."""
        return pending_output(self.transport)


def pending_output(transport: Any) -> int:
    """Bytes written to ``transport`` that the socket has not taken yet; 0 where it does not tell."""
    if isinstance(transport, tcp.Connection):
        return unsent_bytes(transport)
    tell = getattr(transport, "pending_output", None)  # TLS over one of those
    return tell() if tell is not None else 0


def finish(transport: Any, last: bytes = b"") -> None:
    """Writes ``last`` and closes ``transport`` when everything is written; before this returns if the socket takes it.

    Where the system can do that, the last bytes and the end of the connection leave in one packet.  The transport's
    producer must be unregistered already.  The protocol may be told of its end (``connectionLost``) within this call.
    """
    if not is_plain(transport):
        if last:
            _hold_back(transport)
            transport.write(last)
        transport.loseConnection()
    elif transport.connected and not transport.disconnecting and not pending_output(transport):
        left = _send_last(transport.socket, last)
        if left:
            transport.write(left)
            transport.loseConnection()
        else:
            transport.connectionLost(_DONE)
    else:
        transport.write(last)
        transport.loseConnection()


def _send_last(sock: socket.socket, data: bytes) -> bytes:
    """Sends ``data`` in one packet with the end that follows; returns the bytes that the socket did not take."""
    if not data:
        return data
    try:
        return data[sock.send(data, _MORE) :]
    except OSError:
        return data  # the transport finds out why


def _hold_back(transport: Any) -> None:
    """Has the system hold a packet that is not full until the connection ends."""
    sock = getattr(transport, "socket", None)
    if _CORK is not None and isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, _CORK, 1)


def plain_below(transport: Any) -> Any:
    """The plain connection under ``transport``, which may be TLS; None if there is none."""
    while transport is not None and not isinstance(transport, tcp.Connection):
        transport = getattr(transport, "transport", None)
    return transport if is_plain(transport) else None


def release(plain: Any) -> None:
    """Parts a ``plain`` connection from its socket, of which another process has a copy.

    The peer would be told if the connection closed its socket by itself, or if TLS above it did.  So it gets one end
    of a pair of sockets instead, whose other end is closed.
    """
    plain.stopReading()
    plain.stopWriting()
    ours, other = socket.socketpair()
    with ours, other:
        os.dup2(ours.fileno(), plain.socket.fileno(), inheritable=False)
    plain.socket.setblocking(False)


def end_output(transport: Any) -> None:
    """Tells the peer at once that nothing more will come, of a ``transport`` that the reactor is about to close.

    This is for callers that still need the transport, and so cannot close it now.  While bytes wait to be written it
    does nothing: they must go first.
    """
    if is_plain(transport) and transport.connected and not pending_output(transport):
        try:
            transport.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster
