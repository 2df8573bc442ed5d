"""The common part of servers that run beside the calling thread, in a thread or in a child process."""

from __future__ import annotations

import atexit
import os
from typing import Any

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.places import Place

__all__ = ["Runner"]


class Runner:
    """A server beside this thread, asked and stopped from any thread of the process that has started it.

    A subclass sets ``place`` and says how to exchange and how to end.
    """

    #: Where the server runs, in words.
    where = ""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._stopped = False
        self.place = Place()

    @property
    def stopped(self) -> bool:
        """Whether this process has stopped it."""
        return self._stopped

    @property
    def is_elsewhere(self) -> bool:
        """Whether this process was forked from the one that has started the server."""
        return os.getpid() != self._owner

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Has the server do something; waits for the result.

        Raises ServerStopped after the end, and in a process that was forked meanwhile: there is neither the
        thread of the server nor a pipe that it could use alone.
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
        """Stops the server; nothing of it is left then.  A forked process leaves it to the one that has started it."""
        if self._stopped or self.is_elsewhere:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self._end()

    def stop_at_exit(self) -> None:
        """Has it stopped in order when this process ends, if nobody has done that before."""
        atexit.register(self.stop)

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError
