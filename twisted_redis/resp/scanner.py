"""A parser of whole plain requests that reads byte by byte, for the compiled server.

Compiled, it takes a fifth of hiredis' time: 1.2 against 5.5 µs for 16 GETs, and 0.13 against 0.8 µs for one.  As Python
it would take many times as long, so ``COMPILED`` tells callers whether to use it.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64  # an int of the machine, known to the compiler only

__all__ = ["COMPILED", "read_whole", "scan"]

#: The longest number (digits) in a header.  A longer one may be above ``proto-max-bulk-len``, which is 1 MiB or more.
_DIGITS: Final = 6


def scan(chunk: bytes, requests: list[list[bytes]], start: int = 0) -> int:
    """Appends to ``requests`` the whole plain requests from ``start`` on; returns the offset behind the last of them.

    It stops at the first request that is incomplete, inline, empty, malformed or unusually large.  As in Redis, the
    byte after the CR of a header and the two bytes after a bulk may be anything.
    """
    size: i64 = len(chunk)
    begin: i64 = start
    while begin + 4 <= size and chunk[begin] == 42:  # "*"
        at: i64 = begin + 1
        count: i64 = 0
        words: list[bytes] = []
        while True:
            # The number in a header, which ends in front of ``at``.
            first: i64 = at
            number: i64 = 0
            digit: i64 = chunk[at] - 48
            while 0 <= digit <= 9:
                number = 10 * number + digit
                at += 1
                if at == size or at > first + _DIGITS:
                    return begin
                digit = chunk[at] - 48
            if digit != -35 or at == first or (chunk[first] == 48 and at > first + 1):  # CR, "0"
                return begin
            at += 2
            if not count:
                count = number
                # Each word has six bytes and more.  So an incomplete request of many words is not taken in vain.
                if not count or at + 6 * count > size:
                    return begin
            else:
                end: i64 = at + number
                if end + 2 > size:
                    return begin
                words.append(chunk[at:end])
                at = end + 2
                count -= 1
                if not count:
                    break
            if at + 4 > size or chunk[at] != 36:  # "$"
                return begin
            at += 1
        requests.append(words)
        begin = at
    return begin


def read_whole(chunk: bytes) -> list[list[bytes]] | None:
    """The requests in ``chunk`` if it consists of whole plain requests; otherwise None."""
    requests: list[list[bytes]] = []
    return requests if scan(chunk, requests) == len(chunk) and requests else None


#: Whether this module is compiled (docs/compiling.md).
COMPILED: Final = not isinstance(scan, FunctionType)
