"""A server in a thread of this process, with its own reactor."""

from __future__ import annotations

import atexit
import threading
import warnings
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure

from twisted_redis.library.runner import Runner
from twisted_redis.library.service import RedisService
from twisted_redis.net.reactors import new_reactor
from twisted_redis.net.twisted_internals import close_reactor

__all__ = ["ThreadServer"]

# Twisted keeps this file open in case that descriptors run out, and nothing public closes it.
atexit.register(warnings.filterwarnings, "ignore", "unclosed file .*'/dev/null'", ResourceWarning)

#: How long to wait for the end of the thread (s).
_END_WITHIN = 30.0


class ThreadServer(Runner):
    """A server in its own thread."""

    where = "in a thread"

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self._started = threading.Event()
        self._problem: BaseException | None = None
        self._reactor: Any = None
        self._service = RedisService(**arguments)
        self._thread = threading.Thread(target=self._run, name="redis-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._problem is not None:
            self._thread.join()
            close_reactor(self._reactor)
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
        self.place = service.place
        self._started.set()

    def _failed(self, failure: Failure) -> None:
        self._problem = failure.value
        self._reactor.stop()

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if threading.current_thread() is self._thread:
            return self._service.do(name, arguments)
        return blockingCallFromThread(self._reactor, self._service.do, name, arguments)

    def _end(self) -> None:
        self._reactor.callFromThread(self._leave)
        self._thread.join(_END_WITHIN)
        if not self._thread.is_alive():
            # The thread cannot do that itself, since the call above may still be about to wake its reactor.
            close_reactor(self._reactor)

    def _leave(self) -> None:
        self._service.stopService().addBoth(lambda _: self._reactor.stop())
