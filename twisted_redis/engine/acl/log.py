"""The log of refusals (ACL LOG), newest first, and their counts (INFO)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

__all__ = ["AclLog", "Entry"]

#: Refusals of the same kind share an entry if it was updated within this time (ms) ...
MERGE_WINDOW = 60_000
#: ... and is among this many newest entries.
MERGE_CANDIDATES = 10

REASONS = ("auth", "command", "key", "channel", "tls-cert")


class Entry:
    """The refusals of one kind.  Times are wall times (ms)."""

    __slots__ = ("client_info", "context", "count", "created", "id", "object", "reason", "updated", "username")

    def __init__(self, number: int, reason: str, context: str, what: bytes, username: bytes, now: int) -> None:
        self.id = number
        self.count = 1
        self.reason = reason
        self.context = context
        self.object = what
        self.username = username
        self.created = now
        self.updated = now
        self.client_info = b""

    def matches(self, reason: str, context: str, what: bytes, username: bytes, now: int) -> bool:
        """True if a refusal belongs to this entry."""
        return (
            self.reason == reason
            and self.context == context
            and abs(now - self.updated) <= MERGE_WINDOW
            and self.object == what
            and self.username == username
        )


class AclLog:
    """The entries of the log and the counts of refusals."""

    __slots__ = ("_entries", "_next_id", "counts")

    def __init__(self) -> None:
        self._entries: list[Entry] = []  # oldest first
        self._next_id = 0
        self.counts = dict.fromkeys(REASONS, 0)

    def __len__(self) -> int:
        return len(self._entries)

    def newest(self, count: int) -> Iterator[Entry]:
        """Returns at most ``count`` entries, newest first."""
        return islice(reversed(self._entries), max(0, count))

    def clear(self) -> None:
        """Deletes the entries; their numbering continues."""
        self._entries.clear()

    def reset_counts(self) -> None:
        """Resets the counts that INFO shows."""
        self.counts = dict.fromkeys(REASONS, 0)

    def add(
        self, reason: str, context: str, what: bytes, username: bytes, client_info: bytes, now: int, limit: int
    ) -> None:
        """Adds a refusal, and keeps at most ``limit`` entries.

        ``reason`` is one of REASONS; ``context`` is ``toplevel``, ``multi`` or ``lua``.
        """
        self.counts[reason] += 1
        entries = self._entries
        if not limit:
            entries.clear()
            return
        entry = next(
            (each for each in self.newest(MERGE_CANDIDATES) if each.matches(reason, context, what, username, now)), None
        )
        if entry is None:
            entry = Entry(self._next_id, reason, context, what, username, now)
            self._next_id += 1
        else:
            entry.count += 1
            entry.updated = now
            entries.remove(entry)
        entry.client_info = client_info
        entries.append(entry)
        if len(entries) > limit:
            del entries[: len(entries) - limit]
