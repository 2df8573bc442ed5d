"""A channel with TLS.  Importing this module needs pyOpenSSL."""

from __future__ import annotations

import socket
from typing import Any

from OpenSSL import SSL

from twisted_redis.net.channels import CHUNK, SocketChannel

__all__ = ["TlsChannel"]

#: The encrypted bytes that are taken from OpenSSL at once.
_RECORDS = 1 << 15


class TlsChannel(SocketChannel):
    """A ``SocketChannel`` with TLS; ``tls`` is the connection of pyOpenSSL, which works in memory."""

    def __init__(self, connection: socket.socket, tls: Any) -> None:
        super().__init__(connection)
        self._tls = tls

    def send(self, data: bytes) -> None:
        """Sends ``data`` encrypted."""
        try:
            self._tls.sendall(data)
        except SSL.Error:
            return
        while True:
            try:
                encrypted = self._tls.bio_read(_RECORDS)
            except SSL.WantReadError:
                return
            super().send(encrypted)

    def receive(self) -> bytes:
        """Waits for bytes; returns none if the peer is gone, or has ended TLS."""
        while True:
            try:
                decrypted: bytes = self._tls.recv(CHUNK)
            except SSL.WantReadError:
                encrypted = super().receive()
                if not encrypted:
                    return b""
                self._tls.bio_write(encrypted)
            except SSL.Error:
                return b""
            else:
                return decrypted
