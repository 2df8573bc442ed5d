"""A server for a program without Twisted: a reactor of its own in a thread, or a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure

from twisted_redis.library.commands import Commands
from twisted_redis.library.controls import Face
from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.process import ChildServer
from twisted_redis.library.service import RedisService
from twisted_redis.library.values import Argument

__all__ = ["RunningServer", "SyncClient", "running_server"]

#: How long the end of the thread is waited for (s).
_END_WITHIN = 30.0


def new_reactor() -> ReactorBase:
    """A reactor that nobody else knows: the global one is left to whoever wants it."""
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        from twisted.internet.selectreactor import SelectReactor

        return SelectReactor()
    return EPollReactor()


class _Thread:
    """A server in a thread of its own."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._started = threading.Event()
        self._problem: BaseException | None = None
        self._reactor: Any = None
        self._stopped = False
        self.place: dict[str, Any] = {}
        self._service = RedisService(**arguments)
        self._thread = threading.Thread(target=self._run, name="redis-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._problem is not None:
            self._thread.join()
            _close(self._reactor)
            raise self._problem

    def _run(self) -> None:
        reactor = self._reactor = new_reactor()
        try:
            self._service.use_reactor(reactor)
            reactor.callWhenRunning(self._begin)
            reactor.run(installSignalHandlers=False)
        except BaseException as problem:
            self._problem = problem
        finally:
            self._started.set()

    def _begin(self) -> None:
        maybeDeferred(self._start).addCallbacks(self._ready, self._failed)

    def _start(self) -> Deferred[RedisService]:
        self._service.startService()
        return self._service.whenReady()

    def _ready(self, service: RedisService) -> None:
        self.place = service.place()
        self._started.set()

    def _failed(self, failure: Failure) -> None:
        self._problem = failure.value
        self._reactor.stop()

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Has the server do something; waits for the result."""
        if self._stopped:
            raise ServerStopped("the server has stopped")
        if threading.current_thread() is self._thread:
            return self._service.do(name, arguments)
        return blockingCallFromThread(self._reactor, self._service.do, name, arguments)

    def stop(self) -> None:
        """Stops the server, and ends the thread."""
        if self._stopped:
            return
        self._stopped = True
        self._reactor.callFromThread(self._end)
        self._thread.join(_END_WITHIN)
        if not self._thread.is_alive():
            # Not by the thread itself: the call above might still be about to wake its reactor.
            _close(self._reactor)

    def _end(self) -> None:
        self._service.stopService().addBoth(lambda _: self._reactor.stop())


def _close(reactor: Any) -> None:
    """Gives back what a reactor holds after its end: nothing in Twisted does, as processes end with theirs."""
    reactor.removeAll()
    for reader in list(getattr(reactor, "_internalReaders", ())):
        reader.connectionLost(None)
    poller = getattr(reactor, "_poller", None)
    if poller is not None:
        poller.close()


class RunningServer(Face):
    """A server that runs beside this thread.  All methods may be called from any thread, and wait for their result."""

    def __init__(self, runner: _Thread | ChildServer) -> None:
        self._runner = runner
        #: Where it is: what clients take, and the parts of it.
        self.url: str = runner.place["url"]
        self.host: str = runner.place["host"]
        self.port: int = runner.place["port"]

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self._runner.ask(name, arguments)

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command without a socket; the reply as a Python value.  Raises ReplyError."""
        return self._runner.ask("execute", arguments)

    def client(self) -> SyncClient:
        """A new client without a socket: the commands that programs use most, as methods with types."""
        return SyncClient(self._runner)

    def stop(self) -> None:
        """Stops the server: nothing of it is left when this returns."""
        self._runner.stop()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class SyncClient(Commands):
    """A client of a server that runs beside this thread, with a database, transactions and a name of its own.

    Calls that block, block this thread; of a server in a process, where there is one question at a time, they block all
    threads that ask it something.
    """

    def __init__(self, runner: _Thread | ChildServer) -> None:
        self._runner = runner
        self._number: int = runner.ask("open", ())

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; the reply as a Python value.  Raises ReplyError, and ServerStopped without a server."""
        return self._runner.ask("call", (self._number, *arguments))

    def close(self) -> None:
        """Leaves the server."""
        try:
            self._runner.ask("close", (self._number,))
        except ServerStopped:
            pass

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def blpop(self, *keys: Argument, timeout: float = 0) -> list[bytes] | None:
        """BLPOP: [key, element], or None after ``timeout`` seconds (0: never)."""
        found: list[bytes] | None = self.execute("BLPOP", *keys, timeout)
        return found

    def brpop(self, *keys: Argument, timeout: float = 0) -> list[bytes] | None:
        """BRPOP: as ``blpop``, from the tail."""
        found: list[bytes] | None = self.execute("BRPOP", *keys, timeout)
        return found


def start_server(
    *, process: bool = False, endpoints: Iterable[str] | None = None, modules: Iterable[Any] = (), **directives: Any
) -> RunningServer:
    """As ``running_server``, for those who stop it themselves."""
    arguments = dict(directives, endpoints=endpoints, modules=tuple(modules))
    return RunningServer(ChildServer(arguments) if process else _Thread(arguments))


@contextmanager
def running_server(
    *, process: bool = False, endpoints: Iterable[str] | None = None, modules: Iterable[Any] = (), **directives: Any
) -> Iterator[RunningServer]:
    """A server for the time of a ``with`` block, in a thread with a reactor of its own, or in a child process.

    It listens, and its data are loaded, when the block begins; ``directives``, ``endpoints`` and ``modules`` are those
    of RedisService, so that it takes a free port at 127.0.0.1 unless told otherwise.  The thread shares this process'
    interpreter lock; a process does not.
    """
    server = start_server(process=process, endpoints=endpoints, modules=modules, **directives)
    try:
        yield server
    finally:
        server.stop()
