"""Key specifications: the places of a command's keys among its arguments, and the use that it makes of them.

A specification says where the search begins (at an index, or after a keyword) and how to find keys from there (a
range, or a count followed by that many keys).  Its flags say how the key is accessed (``RW RO OW RM``) and what
happens to its value (``ACCESS UPDATE INSERT DELETE``).  COMMAND GETKEYS, ACL checks and cluster redirects use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twisted_redis.engine.parse import integer_or_none
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Pairs, SetReply, Simple

__all__ = [
    "KeySpec",
    "after_keyword",
    "counted_keys",
    "first_key",
    "key_at",
    "key_range",
    "keyspec_flag_names",
    "unknown_keys",
]

RO = 1 << 0
RW = 1 << 1
OW = 1 << 2
RM = 1 << 3
ACCESS = 1 << 4
UPDATE = 1 << 5
INSERT = 1 << 6
DELETE = 1 << 7
NOT_KEY = 1 << 8
INCOMPLETE = 1 << 9
VARIABLE_FLAGS = 1 << 10

KEYSPEC_FLAG_NAMES: dict[int, str] = {
    RO: "RO",
    RW: "RW",
    OW: "OW",
    RM: "RM",
    ACCESS: "access",
    UPDATE: "update",
    INSERT: "insert",
    DELETE: "delete",
    NOT_KEY: "not_key",
    INCOMPLETE: "incomplete",
    VARIABLE_FLAGS: "variable_flags",
}


def keyspec_flag_names(flags: int) -> list[str]:
    """Returns the names of the bits in ``flags``."""
    return [name for bit, name in KEYSPEC_FLAG_NAMES.items() if flags & bit]


@dataclass(frozen=True)
class KeySpec:
    """One key specification.

    If ``keyword`` is None, the search begins at ``index`` (the command's name is at 0).  Otherwise it begins after the
    keyword.  The keyword is searched from ``index`` on, or backwards from the end if ``index`` is negative.

    If ``counted`` is true, the number of keys is ``count_at`` places after the begin, and the first key is ``first``
    places after it.  Otherwise the keys run from the begin to ``last`` in steps of ``step``; ``last`` is relative to
    the begin, or to the end if it is negative.  A ``limit`` of 2 restricts the range to the first half of the
    arguments.  If ``every`` is true, the keyword may occur several times, each time before one key.
    """

    flags: int
    index: int = 1
    keyword: str | None = None
    last: int = 0
    step: int = 1
    limit: int = 0
    counted: bool = False
    count_at: int = 0
    first: int = 1
    unknown: bool = False
    every: bool = False
    notes: str | None = None

    def positions(self, argv: list[bytes]) -> Iterator[int] | None:
        """Returns the places of the keys in ``argv``; None if the arguments do not fit, where Redis gives up, too."""
        if self.unknown:
            return None
        argc = len(argv)
        if self.keyword is None:
            begin = self.index
        else:
            wanted = self.keyword.encode().upper()
            if self.index >= 0:
                places = range(self.index, argc - 1)
            else:
                places = range(argc + self.index, 0, -1)
            if self.every:
                return iter([place + 1 for place in places if keyword(argv[place]) == wanted])
            for place in places:
                if keyword(argv[place]) == wanted:
                    begin = place + 1
                    break
            else:
                return iter(())
        if begin >= argc:
            return None
        if self.counted:
            place = begin + self.count_at
            count = integer_or_none(argv[place]) if place < argc else None
            if count is None or count < 0:
                return None
            start = begin + self.first
            stop = start + (count - 1) * self.step
        else:
            start = begin
            if self.last >= 0:
                stop = begin + self.last
            elif not self.limit:
                stop = argc + self.last
            else:
                stop = begin + (argc - begin) // self.limit + self.last
        if start < 1 or stop >= argc or stop < start:
            return None
        return iter(range(start, stop + 1, self.step))

    def describe(self) -> Pairs:
        """Returns the specification as COMMAND INFO shows it."""
        shown = Pairs()
        if self.notes:
            shown += [b"notes", self.notes.encode()]
        if self.unknown:
            begin: list[Any] = [b"type", b"unknown", b"spec", Pairs()]
            find: list[Any] = [b"type", b"unknown", b"spec", Pairs()]
        else:
            if self.keyword is None:
                begin = [b"type", b"index", b"spec", Pairs([b"index", self.index])]
            else:
                begin = [
                    b"type",
                    b"keyword",
                    b"spec",
                    Pairs([b"keyword", self.keyword.encode(), b"startfrom", self.index]),
                ]
            if self.counted:
                spec = Pairs([b"keynumidx", self.count_at, b"firstkey", self.first, b"keystep", self.step])
                find = [b"type", b"keynum", b"spec", spec]
            else:
                spec = Pairs([b"lastkey", self.last, b"keystep", self.step, b"limit", self.limit])
                find = [b"type", b"range", b"spec", spec]
        shown += [
            b"flags",
            SetReply([Simple(name.encode()) for name in keyspec_flag_names(self.flags)]),
            b"begin_search",
            Pairs(begin),
            b"find_keys",
            Pairs(find),
        ]
        return shown


def first_key(flags: int, notes: str | None = None) -> tuple[KeySpec, ...]:
    """Declares one key, right after the command's name."""
    return (KeySpec(flags, notes=notes),)


def key_at(index: int, flags: int, notes: str | None = None) -> tuple[KeySpec, ...]:
    """Declares one key at ``index``."""
    return (KeySpec(flags, index=index, notes=notes),)


def key_range(flags: int, index: int = 1, last: int = -1, step: int = 1, limit: int = 0) -> tuple[KeySpec, ...]:
    """Declares keys from ``index`` to ``last`` (relative to ``index``; to the end if negative) in steps of ``step``."""
    return (KeySpec(flags, index=index, last=last, step=step, limit=limit),)


def counted_keys(
    flags: int, index: int = 1, first: int = 1, step: int = 1, notes: str | None = None
) -> tuple[KeySpec, ...]:
    """Declares a count at ``index``, followed by that many keys."""
    return (KeySpec(flags, index=index, counted=True, first=first, step=step, notes=notes),)


def after_keyword(
    keyword: str,
    flags: int,
    start: int,
    last: int = -1,
    step: int = 1,
    limit: int = 0,
    notes: str | None = None,
    every: bool = False,
) -> tuple[KeySpec, ...]:
    """Declares keys after a keyword, searched from argument ``start`` on; ``every``: one key after each keyword."""
    return (KeySpec(flags, index=start, keyword=keyword, last=last, step=step, limit=limit, notes=notes, every=every),)


def unknown_keys(flags: int, notes: str | None = None) -> tuple[KeySpec, ...]:
    """Declares keys that no specification can describe; the command has a ``getkeys`` function instead."""
    return (KeySpec(flags, unknown=True, notes=notes),)
