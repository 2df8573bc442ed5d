"""The HTTP connections: few, short, and with one request each.

The page must not keep the server from its clients.  So a connection ends after its response, and no pipeline has to be
worked through.  It also ends after a time, even within a request.  The number of connections is limited, and requests
have no body.
"""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

__all__ = ["CONNECTIONS", "WITHIN", "Channel"]

#: The number of connections at once; further ones are closed.
CONNECTIONS = 16
#: The time within which the request must have come and the response been taken (s).
WITHIN = 10.0

_NO_BODY = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Channel(HTTPChannel):
    """A connection with one HTTP request; ``factory.channels`` holds the open ones."""

    factory: Any
    callLater: Any
    _end: Any = None
    _refused = False

    def connectionMade(self) -> None:
        """Starts the time limit."""
        self.factory.channels.add(self)
        self._end = self.callLater(WITHIN, self._cut)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def _cut(self) -> None:
        self._end = None
        transport: Any = self.transport
        transport.abortConnection()

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Returns False: no connection is for a second request."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def allHeadersReceived(self) -> None:
        """Refuses a request with a body before any of the body is kept."""
        if self.length == 0:
            super().allHeadersReceived()  # type: ignore[no-untyped-call]
            return
        self._refused = True
        transport: Any = self.transport
        transport.write(_NO_BODY)
        self.loseConnection()  # type: ignore[no-untyped-call]

    def rawDataReceived(self, data: bytes) -> None:
        """Drops the body of a request."""
        if not self._refused:
            super().rawDataReceived(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Makes room for another connection."""
        self.factory.channels.discard(self)
        if self._end is not None:
            self._end.cancel()
            self._end = None
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
