"""The persistence port: snapshots, and the end of the server, which may save one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted_redis.engine.errors import CommandError
from twisted_redis.resp.types import NO_REPLY, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.ports.process import Process

__all__ = ["NoPersistence", "Persistence"]

_NO_SNAPSHOTS = "ERR This server does not save snapshots"


class Persistence(Protocol):
    """Snapshots of the data, and the end of the server."""

    @property
    def last_save(self) -> int:
        """The Unix time (s) of the last snapshot, or of the start."""

    @property
    def async_loading(self) -> bool:
        """True while a snapshot of the master is loaded and the old data are served."""

    def save(self) -> bool:
        """Writes a snapshot to its file now; False, with the reason in the log, if that fails."""

    def save_in_background(self, schedule: bool) -> str:
        """BGSAVE: has a child write a snapshot; returns the status text, CommandError if it cannot begin."""

    def reload(self, *, save: bool, flush: bool, merge: bool) -> None:
        """DEBUG RELOAD: loads the snapshot from its file; CommandError if that fails."""

    def flushed(self) -> None:
        """FLUSHALL has emptied all databases."""

    def shut_down(self, client: Client, options: frozenset[str]) -> Reply:
        """SHUTDOWN with its options (``SAVE``, ``NOSAVE``, ``NOW``, ``FORCE``, ``ABORT``)."""

    def collapse(self, reason: str) -> None:
        """Ends a server that cannot go on because of ``reason``, with an exit code of 1."""


class NoPersistence:
    """Nothing is saved; SHUTDOWN ends the process at once.  ``now`` is the Unix time (s) of the start."""

    async_loading = False

    def __init__(self, process: Process, log: Callable[[str, str], None], now: int) -> None:
        self._process = process
        self._log = log
        self.last_save = now

    def save(self) -> bool:
        """CommandError."""
        raise CommandError(_NO_SNAPSHOTS)

    def save_in_background(self, schedule: bool) -> str:
        """CommandError."""
        raise CommandError(_NO_SNAPSHOTS)

    def reload(self, *, save: bool, flush: bool, merge: bool) -> None:
        """CommandError."""
        raise CommandError(_NO_SNAPSHOTS)

    def flushed(self) -> None:
        """No file has to follow."""

    def shut_down(self, client: Client, options: frozenset[str]) -> Reply:
        """Ends the process; it never takes long, so there is nothing to abort."""
        if "ABORT" in options:
            raise CommandError("ERR No shutdown in progress.")
        self._process.exit()
        return NO_REPLY

    def collapse(self, reason: str) -> None:
        """Logs ``reason`` and ends the process."""
        self._log("warning", f"{reason}. Exiting...")
        self._process.exit(1)
