"""Sockets of clients that are read and written by hand, while the event loop stands still."""

from __future__ import annotations

import socket

__all__ = ["CHUNK", "SocketChannel"]

#: The bytes that are read at once.
CHUNK = 1024
#: The time (s) that a peer has to take what is sent to it.
_SEND_WITHIN = 5.0


class SocketChannel:
    """The socket of a client, read and written by hand."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, data: bytes) -> None:
        """Sends ``data``; a peer that is gone is noticed when it is read from."""
        self.socket.settimeout(_SEND_WITHIN)
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def receive(self) -> bytes:
        """Waits for bytes; returns none if the peer is gone."""
        self.socket.settimeout(None)
        try:
            return self.socket.recv(CHUNK)
        except OSError:
            return b""
