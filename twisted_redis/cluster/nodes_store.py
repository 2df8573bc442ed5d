"""The file nodes.conf on the disk.  ``nodes_file.py`` knows what is in it."""

from __future__ import annotations

import os
from typing import Protocol

from twisted_redis.config import FatalConfigError
from twisted_redis.persistence.files import FileWriter, open_new, remove_quietly, sync_folder

__all__ = ["Memory", "NodesFile", "Store"]


class Store(Protocol):
    """The place where a node keeps its tables."""

    def open(self) -> str:
        """Returns the text that was written last; empty without one."""

    def write(self, text: str, *, sync: bool) -> None:
        """Replaces the text, which is on the disk afterwards if ``sync``; raises OSError."""

    def close(self) -> None:
        """Lets other nodes use the place."""


class Memory:
    """A place in memory, for a server in a test or in a program that saves nothing.

    A node that is given the same place again continues with its tables; with a new place it begins anew.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text

    def open(self) -> str:
        """Returns the text."""
        return self._text

    def write(self, text: str, *, sync: bool) -> None:
        """Keeps the text."""
        self._text = text

    def close(self) -> None:
        """Does nothing."""


class NodesFile:
    """nodes.conf: at most one node may use it, so a lock on the file lasts as long as the node."""

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._name = name
        self._locked = -1

    def open(self) -> str:
        """Locks the file, which is made if it is not there, and returns its text; raises FatalConfigError."""
        try:
            self._keep(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
            with open(self._path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except BlockingIOError:
            raise FatalConfigError(
                f"Sorry, the cluster configuration file {self._name} is already used by a different Redis Cluster "
                "node. Please make sure that different nodes use different cluster configuration files."
            ) from None
        except OSError as error:
            raise FatalConfigError(f"Can't open {self._name} in order to acquire a lock: {error.strerror}") from error

    def _keep(self, fd: int) -> None:
        """Locks an open file in place of the one that is locked."""
        try:
            _lock(fd)
        except BaseException:
            os.close(fd)
            raise
        self.close()
        self._locked = fd

    def write(self, text: str, *, sync: bool) -> None:
        """Replaces the file, which is on the disk afterwards if ``sync``; raises OSError."""
        temporary = f"{self._path}.tmp-{os.getpid()}"
        fd = open_new(temporary)
        # The new file is locked before it has the name, so that no other node can come between.
        _lock(fd)
        try:
            FileWriter(fd, incremental_sync=False)(text.encode("utf-8", "surrogateescape"))
            if sync:
                os.fsync(fd)
            os.rename(temporary, self._path)
        except BaseException:
            os.close(fd)
            remove_quietly(temporary)
            raise
        self.close()
        self._locked = fd
        if sync:
            sync_folder(self._path)

    def close(self) -> None:
        """Unlocks the file."""
        if self._locked >= 0:
            os.close(self._locked)
            self._locked = -1


def _lock(fd: int) -> None:
    """Locks an open file; raises BlockingIOError if another process has locked it."""
    import fcntl  # Windows does not have it; a server there keeps its tables in memory

    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
