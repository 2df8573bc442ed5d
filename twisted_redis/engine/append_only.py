"""What commands and other rooms may ask of the append-only file, which stands in a room of its own above them."""

from __future__ import annotations

from typing import Protocol

__all__ = ["AppendOnly"]


class AppendOnly(Protocol):
    """The append-only file of a server; it is there even while it is turned off."""

    #: Microseconds for which each write is delayed (DEBUG AOF-FLUSH-SLEEP).
    flush_sleep_us: int

    @property
    def enabled(self) -> bool:
        """Whether writes go to a file, or will once the first base is there."""

    @property
    def busy(self) -> bool:
        """Whether the periodic work has something to do for it."""

    def rewrite_by_user(self) -> str:
        """BGREWRITEAOF: starts a rewrite, or has it started later; the status, CommandError if that cannot be."""

    def reload(self) -> None:
        """DEBUG LOADAOF: replaces the data by what the files say; CommandError if that fails."""

    def stop(self) -> None:
        """Turns it off: what is written stays where it is."""

    def start_again(self) -> None:
        """Turns it on, after ``stop``, with a rewrite; the server ends if that fails."""

    def may_exit(self, force: bool) -> bool:
        """The server ends: brings everything to disk; False if data would be lost (and ``force`` does not say so)."""

    def exit(self) -> None:
        """The server ends now: notes in the manifest where."""
