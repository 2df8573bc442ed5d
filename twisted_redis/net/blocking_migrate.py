"""MIGRATE within a transaction or a script: this server stands still until the other one has answered.

No other client may run in between, so the reactor cannot drive the connection.  The functions here drive it by hand,
with the same protocol classes.
"""

from __future__ import annotations

import selectors
import socket
import time
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted_redis.engine.migration import Order, Outcome
    from twisted_redis.net.migrating import MigrateConnection

__all__ = ["converse"]

#: Bytes to read at once.
CHUNK = 64 * 1024


def converse(peer: MigrateConnection, protocol: Any, connection: socket.socket, order: Order) -> tuple[Outcome, bool]:
    """Carries out ``order`` over ``connection``; returns its outcome, and whether a new connection is worth a try.

    ``protocol`` is the outermost layer of the connection: TLS around ``peer``, or ``peer`` itself.
    """
    found: list[tuple[Outcome, bool]] = []
    transport = _ManualTransport(connection)
    protocol.makeConnection(transport)
    way: Any = peer.transport
    peer.begin(order, lambda outcome, again: found.append((outcome, again)))
    deadline = time.monotonic() + order.timeout
    sending = True
    while not found:
        if sending and not transport.out:
            chunk = peer.next_chunk()
            way.write(chunk)
            sending = bool(chunk)
            deadline = time.monotonic() + order.timeout
        answered = peer.answered
        transport.step(protocol, deadline - time.monotonic())
        if found:
            break
        if transport.ended:
            protocol.connectionLost(Failure(error.ConnectionLost()))
        elif peer.answered > answered:
            deadline = time.monotonic() + order.timeout
        elif time.monotonic() >= deadline:
            peer.give_up()
    return found[0]


class _ManualTransport:
    """A transport for a socket that is driven by hand, as far as the protocols here need one."""

    disconnecting = False

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self.out = bytearray()
        self.ended = False

    def write(self, data: bytes) -> None:
        """Queues ``data`` for the next steps."""
        self.out += data

    def step(self, protocol: Any, seconds: float) -> None:
        """Waits up to ``seconds`` until the socket is ready, then sends and receives; sets ``ended`` at an end."""
        if self.ended or seconds <= 0:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, EVENT_READ | (EVENT_WRITE if self.out else 0))
            events = selector.select(seconds)
        try:
            for _, event in events:
                if event & EVENT_WRITE:
                    del self.out[: self._socket.send(self.out)]
                if event & EVENT_READ:
                    data = self._socket.recv(CHUNK)
                    if not data:
                        self.ended = True
                        return
                    protocol.dataReceived(data)
        except OSError:
            self.ended = True

    def loseConnection(self) -> None:
        """Marks the conversation as over."""
        self.ended = True

    abortConnection = loseConnection
