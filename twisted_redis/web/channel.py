"""The connections of the page: few, short, and one request each.

The page must not keep the server from its clients.  So a connection is over after its answer, which leaves no pipeline
to work through, and after a time whatever was sent of a request; there are not many of them, and none has a body.
"""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

__all__ = ["CONNECTIONS", "WITHIN", "Channel"]

#: Connections at once; whoever comes then is closed.
CONNECTIONS = 16
#: The time (s) in which a request must have come and its answer been taken.
WITHIN = 10.0

_NO_BODY = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Channel(HTTPChannel):
    """One request of HTTP; ``factory.channels`` has those that are open."""

    factory: Any
    callLater: Any
    _end: Any = None
    _refused = False

    def connectionMade(self) -> None:
        """Begins to count the time."""
        self.factory.channels.add(self)
        self._end = self.callLater(WITHIN, self._cut)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def _cut(self) -> None:
        self._end = None
        transport: Any = self.transport
        transport.abortConnection()

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """No connection is for a second request."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def allHeadersReceived(self) -> None:
        """Refuses a request that announces a body, before any of it is kept."""
        if self.length == 0:
            super().allHeadersReceived()  # type: ignore[no-untyped-call]
            return
        self._refused = True
        transport: Any = self.transport
        transport.write(_NO_BODY)
        self.loseConnection()  # type: ignore[no-untyped-call]

    def rawDataReceived(self, data: bytes) -> None:
        """Takes the body of a request, which nobody reads."""
        if not self._refused:
            super().rawDataReceived(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Makes room for another."""
        self.factory.channels.discard(self)
        if self._end is not None:
            self._end.cancel()
            self._end = None
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
