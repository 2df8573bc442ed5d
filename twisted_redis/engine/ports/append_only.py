"""The port of the append-only file."""

from __future__ import annotations

from typing import Protocol

from twisted_redis.engine.errors import CommandError

__all__ = ["AppendOnly", "NoAppendOnly"]

_NO_FILE = "ERR This server has no append-only file"


class AppendOnly(Protocol):
    """The append-only file; the part is there while the file is turned off, too."""

    #: Microseconds by which each write is delayed (DEBUG AOF-FLUSH-SLEEP).
    flush_sleep_us: int

    @property
    def busy(self) -> bool:
        """True if the periodic work has something to do for it."""

    def rewrite_by_user(self) -> str:
        """BGREWRITEAOF: starts or schedules a rewrite; returns the status text, CommandError if it cannot begin."""

    def reload(self) -> None:
        """DEBUG LOADAOF: replaces the data with those of the files; CommandError if that fails."""


class NoAppendOnly:
    """No append-only file, and no way to turn one on."""

    busy = False

    def __init__(self) -> None:
        self.flush_sleep_us = 0

    def rewrite_by_user(self) -> str:
        """CommandError."""
        raise CommandError(_NO_FILE)

    def reload(self) -> None:
        """CommandError."""
        raise CommandError(_NO_FILE)
