"""The common part of servers that run in another thread or in a child process."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import Any

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.places import Place

__all__ = ["Runner"]


class Runner:
    """A server in another thread or process; any thread of the process that started it may call and stop it.

    A subclass sets ``place``, and defines how to exchange a request, how to end and how to be killed.
    """

    #: A phrase that says where the server runs.
    where = ""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._stopped = False
        self.place = Place()

    @property
    def stopped(self) -> bool:
        """Whether this process has stopped the server."""
        return self._stopped

    @property
    def is_elsewhere(self) -> bool:
        """Whether this process was forked from the one that started the server."""
        return os.getpid() != self._owner

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Calls a method of the server; waits for the result.

        Raises ServerStopped after the end, and in a forked process, which has neither the thread of the server nor a
        pipe of its own.
        """
        if self.is_elsewhere:
            raise ServerStopped(
                f"the server belongs to process {self._owner}, from which this one was forked: "
                "connect to its URL with a client of this process' own"
            )
        if self._stopped:
            raise ServerStopped("the server has stopped")
        return self._exchange(name, arguments)

    def stop(self) -> None:
        """Stops the server completely.  In a forked process this does nothing to the server."""
        self._finish(self._end)

    def kill(self) -> None:
        """Ends the server as ``kill -9`` does, without saving; in a forked process this does nothing to the server."""
        self._finish(self._kill)

    def _finish(self, end: Callable[[], None]) -> None:
        if self._stopped or self.is_elsewhere:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        end()

    def stop_at_exit(self) -> None:
        """Makes sure that the server is stopped in order when this process ends."""
        atexit.register(self.stop)

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError

    def _kill(self) -> None:
        raise NotImplementedError
