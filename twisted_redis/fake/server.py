"""A server in the thread of its clients."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_redis.fake.folders import Folder
from twisted_redis.fake.forks import Forks
from twisted_redis.fake.pipes import Pipe, Refused
from twisted_redis.fake.timers import Timers
from twisted_redis.library.face import WaitingFace
from twisted_redis.library.service import RedisService
from twisted_redis.library.values import Argument

if TYPE_CHECKING:
    from twisted_redis.library.places import Place

__all__ = ["FakeServer"]

#: Valkey is what became of this version of Redis, and says so to clients that ask for the version of Redis.
_BEFORE_VALKEY = "7.2.4"
#: The time (s) for which a long script lets others in at a time.
_PAUSE = 0.0005

logging.getLogger("twisted_redis.fake").addHandler(logging.NullHandler())


class FakeServer(WaitingFace):
    """A server without sockets and threads, for the clients of this process.

    A call of a client is executed in the client's own thread.  ``lock`` lets one of them in at a time.  A client that
    waits releases it, is woken by the others, and meanwhile does what is due for the server.

    ``version`` (``"7.2"``, ``(7, 2)`` or 7) is the release of Redis whose commands the server has; the default is the
    newest one.  ``server_type="valkey"`` stands for Redis 7.2.4, from which Valkey comes.

    It neither loads nor saves files by itself.  What SAVE or an append-only file write goes to a temporary folder,
    unless ``dir`` names one.

    ``directives`` are those of ``RedisService``; ``config`` is a dict of more of them, as fakeredis takes it.  With
    ``clock``, a ``twisted.internet.task.Clock``, time passes only when that clock is advanced.

    The methods of ``WaitingFace`` move time, inject faults and handle data, as those of ``running_server`` do.
    """

    #: Servers by the address that clients have given.
    _named: ClassVar[dict[str, FakeServer]] = {}
    #: Nodes of clusters by their addresses.
    _nodes: ClassVar[weakref.WeakValueDictionary[str, FakeServer]] = weakref.WeakValueDictionary()
    _forks: ClassVar[Forks] = Forks()

    def __init__(
        self,
        version: Any = None,
        server_type: str = "redis",
        config: dict[Any, Any] | None = None,
        *,
        clock: Any = None,
        modules: Iterable[Any] = (),
        logger: logging.Logger | str = "twisted_redis.fake",
        address: tuple[str, int] | None = None,
        **directives: Any,
    ) -> None:
        self.lock: Any = threading.RLock()
        #: Whether a call of a client is being executed; what must not come in between waits.
        self.busy = False
        self.timers = Timers(clock, self._on_clock, self._let_others_in)
        #: The address of the server, which is made up.
        self.address = IPv4Address("TCP", *(address or ("127.0.0.1", 6379)))
        self._ports = count(49152)
        self._connected = True
        #: Pipes for which a thread waits.
        self.waiting: set[Pipe] = set()
        #: The alarms that wake the event loops of asynchronous clients.
        self._alarms: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        #: Pipes that were closed while the server could not be told.
        self._leaving: deque[Pipe] = deque()
        directives.update((_text(name).replace("-", "_"), _text(value)) for name, value in (config or {}).items())
        if directives.get("aclfile"):
            directives["aclfile"] = os.path.abspath(directives["aclfile"])
        with self.lock:
            self._service = RedisService(
                endpoints=(),
                modules=modules,
                reactor=self.timers,
                logger=logger,
                version=_version(version, server_type),
                **directives,
            )
            self._service.use_folder(Folder().path)
            self._service.startService()
            self.engine = self._service.engine
            self._wait_for(self._service.whenReady())
        self._forks.add(self)
        if address is not None:
            self._nodes[f"{address[0]}:{address[1]}"] = self

    @classmethod
    def at(cls, address: str, **options: Any) -> FakeServer:
        """The server of this process at ``address``; a new one, made with ``options``, if there is none yet."""
        server = cls._named.get(address)
        if server is None:
            server = cls._named.setdefault(address, cls(**options))
        return server

    @classmethod
    def node_at(cls, address: str) -> FakeServer | None:
        """The node of a cluster of this process at ``address``."""
        return cls._nodes.get(address)

    def join(self, tables: str) -> None:
        """Makes this server a node of a cluster with these tables (``cluster/forming.py``)."""
        self._ask("join_cluster", tables, None)

    def __repr__(self) -> str:
        return f"<FakeServer {'connected' if self._connected else 'not connected'}>"

    # what a test may do

    @property
    def connected(self) -> bool:
        """Whether clients reach the server.  If it is set to False, their calls raise ``redis.ConnectionError``."""
        return self._connected

    @connected.setter
    def connected(self, value: bool) -> None:
        self._connected = bool(value)
        if not value:
            self.drop_connections()

    @property
    def place(self) -> Place:
        """The place of a server that listens nowhere: ``url`` raises RuntimeError."""
        return self._service.place

    def stop(self) -> None:
        """Ends the server: its data are gone, and calls raise ServerStopped.  A server need not be stopped."""
        with self.lock:
            self.enter()
            self._connected = False
            self._wait_for(self._service.stopService())

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self._do(name, arguments)

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; returns the reply as a Python value.  Raises ReplyError."""
        return self._do("execute", arguments)

    def _do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        with self.lock:
            self.enter()
            before, self.busy = self.busy, True
            try:
                result = self._service.do(name, arguments)
            finally:
                self.busy = before
            self.work()
            return self._wait_for(result) if isinstance(result, Deferred) else result

    def _wait_for(self, wanted: Deferred[Any]) -> Any:
        """The result of a Deferred; meanwhile others come in."""
        news = threading.Condition(self.lock)
        results: list[Any] = []

        def done(result: Any) -> None:
            results.append(result)
            with self.lock:
                news.notify_all()

        wanted.addBoth(done)
        while not results:
            self.work()
            wait = self.timers.until_next()
            if not results and wait != 0:
                news.wait(wait)
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
        return result

    # what connections call

    def next_port(self) -> int:
        """A number that no client has had before as its port."""
        return next(self._ports)

    def connect(self, pipe: Pipe) -> None:
        """Accepts a connection; raises Refused if the server takes none."""
        with self.lock:
            self.enter()
            protocol = self._service.accept(pipe) if self._connected and self._service.running else None
            if protocol is None:
                raise Refused
            pipe.connection = protocol.connection
            before, self.busy = self.busy, True
            try:
                protocol.makeConnection(pipe)  # type: ignore[no-untyped-call]
            finally:
                self.busy = before

    def leave(self, pipe: Pipe) -> None:
        """The client of ``pipe`` has closed it.  The server learns that now, or before it does anything else.

        The garbage collector may call this anywhere, also while this thread executes a command.
        """
        if self.lock.acquire(blocking=False):
            try:
                if not self.busy:
                    self.busy = True
                    try:
                        pipe.leave()
                    finally:
                        self.busy = False
                    return
            finally:
                self.lock.release()
        self._leaving.append(pipe)

    def alarm_of(self, loop: Any, make: Callable[[FakeServer, Any], Any]) -> Any:
        """Returns the alarm of the event loop ``loop``, which ``make`` creates when it is first needed."""
        alarm = self._alarms.get(loop)
        if alarm is None:
            alarm = self._alarms[loop] = make(self, loop)
        return alarm

    def pass_on(self) -> None:
        """Raises what has interrupted the program within a command: Ctrl-C, or the time limit of a test."""
        engine = self.engine
        interruption, engine.interruption = engine.interruption, None
        if interruption is not None:
            raise interruption

    def is_due(self) -> bool:
        """Whether there is work that does not come from a client."""
        timers = self.timers
        return bool(timers.soon or self._leaving) or timers.due <= timers.seconds()

    def enter(self) -> None:
        """Does what is due before a client's call; call with the lock."""
        timers = self.timers
        if timers.soon or self._leaving or timers.due <= timers.seconds():
            self.work()

    def work(self) -> None:
        """Does what is due; call with the lock."""
        if self.busy:
            return
        self.busy = True
        try:
            while self._leaving:
                self._leaving.popleft().leave()
            self.timers.run()
        finally:
            self.busy = False

    def forked(self) -> None:
        """Called in a process that was forked from the one of this server."""
        self.lock = threading.RLock()
        if self.busy:
            return  # a command has forked, and goes on in both processes
        with self.lock:
            for pipe in [*self.waiting, *(pipe for alarm in self._alarms.values() for pipe in alarm.pipes)]:
                pipe.leave()
            self.waiting.clear()
            self._alarms.clear()

    def _let_others_in(self) -> None:
        """Lets other threads execute commands while a script takes long."""
        before, self.busy = self.busy, False
        self.lock.release()
        try:
            time.sleep(_PAUSE)  # a lock that is free for a moment only would go to this thread again
        finally:
            self.lock.acquire()
            self.busy = before

    def _on_clock(self) -> None:
        """The clock of the test has reached the time of a call."""
        with self.lock:
            self.work()


def _version(version: Any, server_type: str) -> Any:
    """The release of Redis that a server of a type and version is; None for the newest one."""
    if server_type not in ("redis", "valkey"):
        raise ValueError(f"server_type is 'redis' or 'valkey', not {server_type!r}")
    return _BEFORE_VALKEY if server_type == "valkey" else version


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
