"""Writing at once.

Twisted's ``transport.write`` waits for the next turn of the reactor, which costs a poll and two changes of its
interest set for each reply.  A sender made here first tries the socket itself when nothing is queued, and leaves to the
transport what the socket did not take.  It reads ``dataBuffer`` and ``_tempDataBuffer``, private names of Twisted; only
this module does, and a test holds it against the supported versions.  TLS does the same one floor below
(``net/secure.py``); other wrapped transports go around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import tcp

__all__ = ["pending_output", "sender"]

Send = Callable[[bytes], None]


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
