"""Writing and closing at once.

Twisted's ``transport.write`` waits for the next turn of the reactor, which costs a poll and two changes of its
interest set for each reply.  A sender made here first tries the socket itself when nothing is queued, and leaves to the
transport what the socket did not take.  It reads ``dataBuffer`` and ``_tempDataBuffer``, private names of Twisted; only
this module does, and a test holds it against the supported versions.  TLS does the same one floor below
(``net/secure.py``); other wrapped transports go around it.

``transport.loseConnection`` waits for a turn of the reactor too, and meanwhile the peer takes the connection for a good
one: a pool hands it out again, and the next request is lost.  ``finish`` closes in the same turn.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

__all__ = ["end_output", "finish", "pending_output", "sender"]

Send = Callable[[bytes], None]

_DONE = Failure(ConnectionDone())
#: Linux alone has these.
_MORE: int = getattr(socket, "MSG_MORE", 0)
_CORK: int | None = getattr(socket, "TCP_CORK", None)


def is_plain(transport: Any) -> bool:
    """Whether ``transport`` is a bare socket connection of Twisted's own, without TLS."""
    return isinstance(transport, tcp.Connection) and not getattr(transport, "TLS", False)


def sender(transport: Any) -> Send:
    """The fastest way to write to ``transport``."""
    if not is_plain(transport):
        return transport.write  # type: ignore[no-any-return]
    send_now = transport.socket.send
    write_later = transport.write

    def send(data: bytes) -> None:
        if transport.dataBuffer or transport._tempDataBuffer or transport.disconnecting or not transport.connected:
            write_later(data)
            return
        try:
            sent = send_now(data)
        except OSError:
            # Not now, or never again: the transport finds out which when it tries.
            write_later(data)
            return
        if sent != len(data):
            write_later(data[sent:])

    return send


def pending_output(transport: Any) -> int:
    """Bytes written to ``transport`` that the socket has not taken yet; 0 where it does not tell."""
    if isinstance(transport, tcp.Connection):
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    tell = getattr(transport, "pending_output", None)  # TLS over one of those
    return tell() if tell is not None else 0


def finish(transport: Any, last: bytes = b"") -> None:
    """Writes ``last`` and closes ``transport`` once everything is written: before this returns if the socket takes it.

    The end goes out in one packet with the last bytes where the system can do that.  The transport's producer must be
    unregistered already, and none of its protocol's code may need it afterwards.
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
    """Sends ``data`` together with the end that follows; what the socket did not take."""
    if not data:
        return data
    try:
        return data[sock.send(data, _MORE) :]
    except OSError:
        return data  # the transport finds out why


def _hold_back(transport: Any) -> None:
    """Has the system keep back a packet that is not full until the connection ends."""
    sock = getattr(transport, "socket", None)
    if _CORK is not None and isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, _CORK, 1)


def end_output(transport: Any) -> None:
    """Tells the peer at once that nothing more comes, of a ``transport`` that the reactor is about to close.

    For those who cannot have it closed under them; what is still to be written goes first, and then this does nothing.
    """
    if is_plain(transport) and transport.connected and not pending_output(transport):
        try:
            transport.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster
