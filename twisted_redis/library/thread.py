"""A server in a thread of this process, with a reactor of its own or with one that several servers share."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from twisted_redis.library.runner import Runner
from twisted_redis.library.service import RedisService
from twisted_redis.net.reactors import new_reactor
from twisted_redis.net.twisted_internals import close_reactor

if TYPE_CHECKING:
    from twisted_redis.cluster.nodes_store import Store

__all__ = ["ReactorThread", "ThreadServer"]

# Twisted keeps this file open in case that descriptors run out, and nothing public closes it.
atexit.register(warnings.filterwarnings, "ignore", "unclosed file .*'/dev/null'", ResourceWarning)

#: How long to wait for the end of a server or of its thread (s).
_END_WITHIN = 30.0


class ReactorThread:
    """A thread in which a reactor runs until ``end``."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._problem: BaseException | None = None
        self.reactor: Any = None
        self._thread = threading.Thread(target=self._run, name="redis-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._problem is not None:
            self._thread.join()
            if self.reactor is not None:
                close_reactor(self.reactor)
            raise self._problem

    def _run(self) -> None:
        try:
            reactor = self.reactor = new_reactor()
            reactor.callWhenRunning(self._started.set)
            reactor.run(installSignalHandlers=False)
        except BaseException as problem:
            self._problem = problem
        finally:
            self._started.set()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function in the thread, and waits for its result; within the thread, returns it as it is."""
        if threading.current_thread() is self._thread:
            return function(*arguments)
        return blockingCallFromThread(self.reactor, function, *arguments)

    def run_turns(self, work: Iterator[None]) -> None:
        """Runs a generator in the thread, with a turn of the reactor at each ``yield``; waits for its end."""

        def go_on(done: Deferred[None]) -> None:
            try:
                next(work)
            except StopIteration:
                done.callback(None)
            except BaseException:
                done.errback()
            else:
                self.reactor.callLater(0, go_on, done)

        def begin() -> Deferred[None]:
            done: Deferred[None] = Deferred()
            go_on(done)
            return done

        self.call(begin)

    def finish(self, function: Callable[[], Deferred[Any]]) -> None:
        """Calls a function in the thread, and waits for a limited time until its Deferred fires."""
        done = threading.Event()
        self.reactor.callFromThread(lambda: function().addBoth(lambda _: done.set()))
        done.wait(_END_WITHIN)

    def end(self) -> None:
        """Stops the reactor and ends the thread."""
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(_END_WITHIN)
        if not self._thread.is_alive():
            # The thread cannot do that itself, since the call above may still be about to wake its reactor.
            close_reactor(self.reactor)


class ThreadServer(Runner):
    """A server in a thread: in its own, or in ``thread``, which others share.

    A node of a cluster keeps its tables in ``nodes_store``.
    """

    where = "in a thread"

    def __init__(
        self, arguments: dict[str, Any], thread: ReactorThread | None = None, nodes_store: Store | None = None
    ) -> None:
        super().__init__()
        self._service = RedisService(**arguments)
        if nodes_store is not None:
            self._service.use_nodes_store(nodes_store)
        self._is_shared = thread is not None
        self._thread = thread or ReactorThread()
        self._service.use_reactor(self._thread.reactor)
        try:
            self._thread.call(self._start)
        except BaseException:
            if not self._is_shared:
                self._thread.end()
            raise
        self.place = self._service.place

    def _start(self) -> Deferred[RedisService]:
        self._service.startService()
        return self._service.whenReady()

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return self._thread.call(self._service.do, name, arguments)

    def _end(self) -> None:
        self._leave(self._service.stopService)

    def _kill(self) -> None:
        self._leave(self._service.kill)

    def _leave(self, end: Callable[[], Deferred[Any]]) -> None:
        self._thread.finish(end)
        if not self._is_shared:
            self._thread.end()
