"""Taking connections within the hub.

Twisted's port takes them in an event of the reactor, with a context for the log and a buffer for what it may have to
log, and a second event reads the first request.  An ``Acceptor`` stands in for the port in the hub, where a first
request is read in the turn of its connection.  The port stays what it is in everything else, and takes the connections
where something is wrong (too many open files).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted_redis.net.hub import Hub

__all__ = ["Acceptor"]

_log = Logger()


class Acceptor:
    """A listening ``port`` of Twisted, for TCP, whose connections go to ``hub``."""

    def __init__(self, port: Any, hub: Hub) -> None:
        self._port = port
        self._hub = hub
        self._number = 0
        port.stopReading()
        hub.listen(self)

    # what is needed of a port

    @property
    def socket(self) -> Any:
        """The listening socket."""
        return self._port.socket

    def getHost(self) -> Any:
        """The address listened at."""
        return self._port.getHost()

    def stopListening(self) -> Any:
        """Closes the port; a Deferred where that takes time."""
        self._hub.listen_no_more(self)
        return self._port.stopListening()

    # what the hub needs

    def fileno(self) -> int:
        """The descriptor of the listening socket."""
        return int(self._port.fileno())

    def connectionLost(self, reason: Failure) -> None:
        """The hub is closed."""
        self._port.connectionLost(reason)

    def accept(self, most: int) -> None:
        """Takes connections that wait, so many at most."""
        port = self._port
        for _ in range(most):
            try:
                sock, address = port.socket.accept()
            except BlockingIOError:
                return
            except OSError:
                port.doRead()
                return
            self._welcome(sock, address)

    def _welcome(self, sock: Any, address: tuple[Any, ...]) -> None:
        port = self._port
        transport: Any = None
        try:
            protocol = port.factory.buildProtocol(None)
            if protocol is None:
                sock.close()
                return
            self._number += 1
            transport = port.transport(sock, protocol, address, port, self._number, self._hub)
            protocol.makeConnection(transport)
        except Exception:
            _log.failure("A connection could not be taken")
            if transport is None:
                sock.close()
            else:
                transport.connectionLost(Failure())
