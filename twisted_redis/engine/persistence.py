"""What commands and other rooms may ask of persistence, which stands in a room of its own above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.resp.types import Reply

__all__ = ["Persistence"]


class Persistence(Protocol):
    """Snapshots of the data, and the end of the server, which may want one."""

    def save(self) -> bool:
        """Writes a snapshot to its file now; False, with the reason in the log, if that fails."""

    def save_in_background(self, schedule: bool) -> str:
        """BGSAVE: has a child write a snapshot; the text of the status, CommandError where that cannot be."""

    def reload(self, *, save: bool, flush: bool, merge: bool) -> None:
        """DEBUG RELOAD: loads the snapshot from its file; CommandError if that fails."""

    def flushed(self) -> None:
        """All databases were emptied."""

    def shut_down(self, client: Client, options: frozenset[str]) -> Reply:
        """SHUTDOWN with its options (``SAVE``, ``NOSAVE``, ``NOW``, ``FORCE``, ``ABORT``)."""
