"""What a string value is: its encoding as Redis names it, and the integers Redis keeps unboxed.

A string value is plain ``bytes``, or a ``bytearray`` once a command has written into it (APPEND, SETRANGE,
SETBIT); the latter is what Redis calls "raw" and stays so whatever it holds.  ``Text`` is the rare third: it spells
an integer and is not kept as one.
"""

from __future__ import annotations

import re

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

EMBSTR_LIMIT = 44
"""Longest string (bytes) that Redis stores in one allocation with its header."""

SHARED_INTEGERS = 10000
"""Integers from 0 up to this one (exclusive) are objects that all keys of Redis share."""

StringValue = bytes | bytearray


class Text(bytes):
    """A short string that OBJECT ENCODING calls ``embstr`` though it looks like an integer.

    INCRBYFLOAT leaves such a value: Redis never tries to keep its result as an integer.  It stands only as the value of
    a key; whoever reads it through a database gets plain ``bytes``.
    """

    __slots__ = ()


_integer_shaped = re.compile(rb"(?:0|-?[1-9][0-9]{0,18})\Z").match


def integer_value(data: StringValue) -> int | None:
    """Returns the signed 64-bit integer that data spells in its only canonical form, or None.

    No sign but a minus, no leading zeros, no spaces, not ``-0``.
    """
    if _integer_shaped(data):
        value = int(data)
        if INT64_MIN <= value <= INT64_MAX:
            return value
    return None


def is_integer_encoded(data: bytes) -> bool:
    """Tells whether Redis stores data as an integer."""
    return integer_value(data) is not None


def encoding(value: StringValue) -> str:
    """Returns what OBJECT ENCODING answers for a string: ``int``, ``embstr`` or ``raw``."""
    if isinstance(value, bytearray):
        return "raw"
    if isinstance(value, Text):
        return "embstr"
    if integer_value(value) is not None:
        return "int"
    return "embstr" if len(value) <= EMBSTR_LIMIT else "raw"


def as_bytes(value: StringValue) -> bytes:
    """Returns value as bytes that later writes do not change."""
    return value if type(value) is bytes else bytes(value)
