"""The cursors and options of SCAN, SSCAN, HSCAN and ZSCAN."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.resp.cstrings import keyword

__all__ = ["ScanOptions", "cursor", "options"]

_UINT64 = 2**64
_number = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)\Z").match
_negative = re.compile(rb"-[1-9][0-9]*\Z").match


class ScanOptions(NamedTuple):
    """``wanted`` is the number of elements to visit; ``matches`` tests each for the pattern, None accepts all."""

    wanted: int
    matches: Callable[[bytes], bool] | None
    no_values: bool


def cursor(text: bytes) -> int:
    """Parses a cursor: an unsigned 64-bit integer, with the prefixes that C's strtoull accepts.

    As in C, the text ends at a zero byte.
    """
    text = text.partition(b"\0")[0]
    found = _number(text)
    if found is None or _negative(text) or abs(value := int(found[1])) >= _UINT64:
        raise CommandError("ERR invalid cursor")
    return value % _UINT64


def options(given: tuple[bytes, ...], values: bool = False) -> ScanOptions:
    """Parses ``[MATCH pattern] [COUNT count]``, and ``[NOVALUES]`` if the collection has ``values``."""
    count = 10
    matches = None
    no_values = False
    rest = iter(given)
    for word in rest:
        name = keyword(word)
        if name == b"NOVALUES":
            if not values:
                raise CommandError("ERR NOVALUES option can only be used in HSCAN")
            no_values = True
            continue
        argument = next(rest, None)
        if name == b"COUNT" and argument is not None:
            count = integer(argument)
            if count < 1:
                raise SyntaxError_
        elif name == b"MATCH" and argument is not None:
            matches = None if argument == b"*" else compile_glob(argument)
        else:
            raise SyntaxError_
    return ScanOptions(count, matches, no_values)
