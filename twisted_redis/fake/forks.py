"""Servers in a process that forks: the child gets a copy of each, and the copies work.

A fork waits until no other thread executes a command, so no copy is half-done.  The child has only the thread that has
forked.  So it gets new locks, and the clients for which other threads or event loops were waiting leave its copies:
otherwise they would take elements from lists for nobody.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Protocol

__all__ = ["Forks"]

#: The time (s) that a fork waits for a command of another thread.  Two threads that fork within commands would wait for
#: each other.
_PATIENCE = 10.0


class _Server(Protocol):
    """The part of a server that a fork needs."""

    lock: Any

    def forked(self) -> None:
        """Called in the child."""


class Forks:
    """The servers that forks have to care for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: weakref.WeakSet[_Server] = weakref.WeakSet()
        self._held: list[_Server] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def add(self, server: _Server) -> None:
        """Cares for ``server`` from now on."""
        with self._lock:
            self._servers.add(server)

    def _before(self) -> None:
        self._lock.acquire()
        self._held = [server for server in self._servers if server.lock.acquire(timeout=_PATIENCE)]

    def _in_parent(self) -> None:
        held, self._held = self._held, []
        for server in held:
            server.lock.release()
        self._lock.release()

    def _in_child(self) -> None:
        self._held = []
        self._lock = threading.Lock()
        for server in self._servers:
            server.forked()
