"""redis-py's asynchronous client, connected to a server in the thread of its event loop."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import deque
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any, cast

import redis.asyncio
from redis.asyncio.connection import Connection

from twisted_redis.fake.options import CONNECTION_REFUSED, FakeClient, FakeConnectionFacts, connection_arguments
from twisted_redis.fake.pipes import Pipe, Refused

if TYPE_CHECKING:
    from twisted_redis.fake.server import FakeServer

__all__ = ["FakeAsyncRedis", "FakeAsyncRedisConnection"]


class LoopPipe(Pipe):
    """A pipe whose other end is in an event loop: a reader, and this object as the writer.

    Replies come with the next turn of the loop, as those from a socket do.  So tasks take turns in the same way.
    """

    def __init__(self, server: FakeServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server)
        self._loop = loop
        self._thread = threading.get_ident()
        self._alarm = server.alarm_of(loop, Alarm)
        self.reader = asyncio.StreamReader(loop=loop)
        self.reader.set_transport(self)  # type: ignore[arg-type]
        #: The bytes that the reader has not got yet, and whether it wants nothing for now.
        self._chunks: deque[bytes] = deque()
        self._paused = False
        self._coming = False

    def begin(self) -> None:
        """The connection stands: from now on the loop does what is due for the server."""
        with self.server.lock:
            self._alarm.pipes.add(self)
            if self.server.timers.due < self._alarm.when:
                self._alarm.set()

    def is_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether ``loop`` is the loop of the reader."""
        return loop is self._loop

    # the server's side

    def write(self, data: bytes) -> None:
        """Keeps bytes for the reader, which gets them with the next turn of its loop."""
        self._chunks.append(data)
        self._deliver_soon()
        if len(data) > 1024 or len(self._chunks) > 16:
            self.check_room()

    def unread(self) -> int:
        """The number of bytes that the reader has not got."""
        return sum(map(len, self._chunks))

    def ended(self) -> None:
        """Tells the reader of the end."""
        self._alarm.pipes.discard(self)
        if self._chunks or threading.get_ident() != self._thread or self._loop.is_closed():
            self._deliver_soon()
        else:
            self.reader.feed_eof()

    def _deliver_soon(self) -> None:
        if self._coming:
            return
        self._coming = True
        try:
            if threading.get_ident() == self._thread:
                self._loop.call_soon(self._deliver)
            else:
                self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop has ended, and its tasks with it.
            self._chunks.clear()
            self.server.timers.callLater(0, self.leave)

    def _deliver(self) -> None:
        """Hands everything to the reader; called by the loop."""
        with self.server.lock:
            self._coming = False
            while self._chunks and not self._paused:
                self.reader.feed_data(self._chunks.popleft())
            if not self.open and not self._chunks:
                self.reader.feed_eof()
            elif self._is_full:
                self.check_room()
                self.server.work()

    # the reader's side: a transport

    def pause_reading(self) -> None:
        """The reader holds enough."""
        self._paused = True

    def resume_reading(self) -> None:
        """The reader wants more."""
        self._paused = False
        self._deliver()

    def is_closing(self) -> bool:
        """Whether nothing can be written."""
        return not self.open

    # the client's side: a writer

    @property
    def transport(self) -> LoopPipe:
        """The transport, which is this object too."""
        return self

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Returns the facts that a socket could tell: only ``peername`` is known."""
        if name == "peername":
            return self.server.address.host, self.server.address.port
        return default

    def writelines(self, chunks: Iterable[Any]) -> None:
        """Has the server execute what the chunks contain."""
        data = b"".join(chunks)
        server = self.server
        with server.lock:
            server.enter()
            if not self.open:
                raise BrokenPipeError(errno.EPIPE, "Broken pipe")
            before, server.busy = server.busy, True
            try:
                self.connection.received(data)
            finally:
                server.busy = before
            if server.engine.interruption is not None:
                server.pass_on()
            server.work()
            if server.timers.due < self._alarm.when:
                self._alarm.set()

    async def drain(self) -> None:
        """Returns at once: everything that was written is executed."""

    async def wait_closed(self) -> None:
        """Returns at once: closing takes no time."""

    def leave(self) -> None:
        """The client has closed the connection."""
        self._alarm.pipes.discard(self)
        super().leave()


class Alarm:
    """Has an event loop do what is due for a server while pipes of that loop are open."""

    def __init__(self, server: FakeServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.pipes: set[LoopPipe] = set()
        self._handle: asyncio.TimerHandle | None = None
        #: The time (s) of the server for which the alarm is set.
        self.when = inf

    def set(self) -> None:
        """Sets the alarm for the next call that is due; called in the thread of the loop, with the server's lock."""
        if self._handle is not None:
            self._handle.cancel()
        wait = self._server.timers.until_next()
        if wait is None or not self.pipes:
            self._handle, self.when = None, inf
        else:
            self.when = self._server.timers.due
            self._handle = self._loop.call_later(wait, self._ring)

    def _ring(self) -> None:
        self._handle = None
        with self._server.lock:
            self._server.work()
            self.set()


class FakeAsyncRedisConnection(FakeConnectionFacts, Connection):
    """A connection to a FakeServer.  It takes the arguments of redis-py's, and ``server``, ``version``..."""

    def __init__(self, **kwargs: Any) -> None:
        self.server, arguments = connection_arguments(type(self), kwargs)
        super().__init__(**arguments)

    def __del__(self, _warnings: Any = None) -> None:
        # There is nothing that a forgotten connection would keep open, so this gives no warning as redis-py's does.
        writer, self._writer = getattr(self, "_writer", None), None
        self._reader = None
        if writer is not None:
            writer.close()

    async def _connect(self) -> None:
        pipe = LoopPipe(self.server, asyncio.get_running_loop())
        try:
            self.server.connect(pipe)
        except Refused:
            raise redis.ConnectionError(CONNECTION_REFUSED) from None
        pipe.begin()
        self._reader = pipe.reader
        self._writer = cast(asyncio.StreamWriter, pipe)

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands, in the running event loop.

        A program may use a client in several loops, one after another: its connections are made anew in each.
        """
        pipe = cast("LoopPipe | None", self._writer)
        if pipe is None or self._reader is None:
            return False
        if pipe.is_of(asyncio.get_running_loop()):
            return True
        pipe.close()
        self._reader = self._writer = None
        return False

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Sends a request.  A pipe never makes its writer wait, so the usual case needs no time-out."""
        pipe = cast("LoopPipe | None", self._writer)
        simple = not self.health_check_interval and not isinstance(command, str | bytes)
        if simple and self.is_connected and pipe is not None and pipe.open:
            pipe.writelines(command)
        else:
            await super().send_packed_command(command, check_health)


class FakeAsyncRedis(FakeClient, redis.asyncio.Redis):  # type: ignore[misc]
    """``redis.asyncio.Redis``, connected to a ``FakeServer``; it takes the arguments of ``FakeRedis``.

    Clients of any number of event loops and threads may share a server.
    """

    fake_connection_class = FakeAsyncRedisConnection
    fake_pool_class = redis.asyncio.ConnectionPool
