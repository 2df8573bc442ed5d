"""Connections in memory: what a client sends is executed at once, and the replies wait until the client reads them.

A ``Pipe`` is the transport of the server's ``Connection``.  ``SocketPipe`` has the methods of a socket for a client
that reads in its own thread.  The other end for asyncio is in ``asynchronous.py``.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from twisted_redis.library.blocked import real_time

if TYPE_CHECKING:
    from twisted_redis.fake.server import FakeServer
    from twisted_redis.net.connection import Connection

__all__ = ["Pipe", "Refused", "SocketPipe"]

_DONE = Failure(ConnectionDone())
#: The bytes of replies that count as taken although the client has not read them: a socket would hold so many, too.
ROOM = 1 << 18


class Refused(Exception):
    """The server takes no connections."""


class Pipe:
    """The transport of one connection of ``server``.  Its methods are called with the server's lock."""

    disconnecting = False
    #: The connection that executes what the client sends.
    connection: Connection

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        #: Whether both sides can still use the connection.
        self.open = True
        self._address = IPv4Address("TCP", "127.0.0.1", server.next_port())
        self._producer: Any = None
        self._is_full = False

    # the server's side: a transport

    def getPeer(self) -> IPv4Address:
        """The address of the client, which is made up."""
        return self._address

    def getHost(self) -> IPv4Address:
        """The address of the server, which is made up."""
        return self.server.address

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Takes the connection that is told when the client does not read."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forgets the producer."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Does nothing: the connection keeps what comes meanwhile."""

    def resumeProducing(self) -> None:
        """Does nothing, like ``pauseProducing``."""

    def write(self, data: bytes) -> None:
        """Hands bytes to the client."""
        raise NotImplementedError

    def unread(self) -> int:
        """The number of bytes that the client has not read."""
        raise NotImplementedError

    def ended(self) -> None:
        """Tells the client that no more will come."""
        raise NotImplementedError

    def pending_output(self) -> int:
        """Bytes that the client has not read, beyond those that a socket would hold."""
        return max(0, self.unread() - ROOM) if self.open else 0

    def check_room(self) -> None:
        """Tells the connection that the client has stopped to read, or reads again."""
        full = self.unread() > ROOM
        if full != self._is_full and self._producer is not None:
            self._is_full = full
            if full:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def loseConnection(self) -> None:
        """Ends the connection; the client can still read what was written."""
        if self.open:
            self.open = False
            self.ended()
            self.server.timers.callLater(0, self.connection.lost, _DONE)

    abortConnection = loseConnection

    # the client's side

    def leave(self) -> None:
        """The client has closed the connection."""
        if self.open:
            self.open = False
            self.connection.lost(_DONE)

    def close(self) -> None:
        """Closes the connection from the client's side; may be called without the lock, from anywhere."""
        if self.open:
            self.server.leave(self)


class SocketPipe(Pipe):
    """A pipe whose other end has the methods of a socket."""

    def __init__(self, server: FakeServer) -> None:
        super().__init__(server)
        self._chunks: deque[bytes] = deque()
        self._timeout: float | None = None
        #: Notified when there is something to read; None while no thread waits.
        self._news: threading.Condition | None = None

    # the server's side

    def write(self, data: bytes) -> None:
        """Keeps bytes for the client, and wakes it."""
        self._chunks.append(data)
        if self._news is not None:
            self._news.notify_all()
        if len(data) > ROOM or len(self._chunks) > 16:
            self.check_room()

    def unread(self) -> int:
        """The number of bytes that the client has not read."""
        return sum(map(len, self._chunks))

    def ended(self) -> None:
        """Wakes the client."""
        if self._news is not None:
            self._news.notify_all()

    # the client's side: a socket

    def sendall(self, data: Any) -> None:
        """Has the server execute ``data``."""
        server = self.server
        with server.lock:
            server.enter()
            before, server.busy = server.busy, True
            try:
                if not self.open:
                    raise BrokenPipeError(errno.EPIPE, "Broken pipe")
                self.connection.received(data if data.__class__ is bytes else bytes(data))
                if server.timers.soon:
                    server.timers.run()
            finally:
                server.busy = before
            if server.engine.interruption is not None:
                server.pass_on()

    def recv(self, size: int = 0, flags: int = 0) -> bytes:
        """The next bytes from the server, ``size`` at most (0: any number); b"" at the end of the connection.

        Raises TimeoutError or BlockingIOError as a socket does.
        """
        with self.server.lock:
            if not self._chunks and not self._wait(self._timeout):
                return b""
            data = self._chunks.popleft()
            if size and len(data) > size:
                self._chunks.appendleft(data[size:])
                data = data[:size]
            if self._is_full:
                self.check_room()
            return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Reads into ``buffer``; returns the number of bytes."""
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readable(self, timeout: float | None) -> bool:
        """Whether there is something to read, or the end, within ``timeout`` seconds (None: whenever)."""
        if self._chunks:
            return True
        if self.open and timeout == 0 and not self.server.is_due():
            return False
        with self.server.lock:
            try:
                self._wait(timeout)
            except (TimeoutError, BlockingIOError):
                return False
            return True

    def _wait(self, timeout: float | None) -> bool:
        """Waits for something to read; False at the end of the connection.  Does what is due for the server meanwhile.

        Raises TimeoutError after ``timeout`` seconds, and BlockingIOError if that is 0 and there is nothing.
        """
        server = self.server
        if server.busy:
            raise RuntimeError("a command cannot wait for a reply of its own server")
        deadline = None if timeout is None else real_time() + timeout
        before, self._news = self._news, None
        try:
            while True:
                server.work()
                if self._chunks:
                    return True
                if not self.open:
                    return False
                wait = server.timers.until_next()
                if deadline is not None:
                    left = deadline - real_time()
                    if left <= 0:
                        if timeout == 0:
                            raise BlockingIOError(errno.EWOULDBLOCK, "there is nothing to read")
                        raise TimeoutError("timed out")
                    wait = left if wait is None else min(wait, left)
                if wait != 0:
                    if self._news is None:
                        # Made anew for each wait, because a forked process has another lock.
                        self._news = threading.Condition(server.lock)
                        server.waiting.add(self)
                    self._news.wait(wait)
        finally:
            self._news = before
            server.waiting.discard(self)

    @property
    def at_end(self) -> bool:
        """Whether the connection has ended and everything is read."""
        return not self._chunks and not self.open

    def settimeout(self, timeout: float | None) -> None:
        """Sets how long ``recv`` waits (s); None for ever."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """The time that ``recv`` waits (s)."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Has ``recv`` wait for ever, or not at all."""
        self._timeout = None if flag else 0

    def shutdown(self, how: int) -> None:
        """Closes the connection."""
        self.close()

    def getpeername(self) -> tuple[str, int]:
        """The address of the server."""
        return self.server.address.host, self.server.address.port

    def getsockname(self) -> tuple[str, int]:
        """The address of the client."""
        return self._address.host, self._address.port
