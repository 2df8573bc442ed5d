"""String values: the encoding that Redis reports, and the strings that it stores as integers.

A string value is plain ``bytes``, or a ``bytearray`` after a command has written into it (APPEND, SETRANGE, SETBIT).
A ``bytearray`` has the encoding "raw" whatever its content.  ``Text`` is a rare third form: it spells an integer, but
Redis does not store it as one.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_redis.datatypes import sizes

SMALL_INTEGERS: Final = [b"%d" % number for number in range(10_000)]
"""The texts of the integers from 0 up to 9999.

Values that are read from a file, that come from a master or that are the result of INCR are these objects, so that
they take no memory of their own.  A value that SET stores is the object that the request brought: a look-up here would
cost each SET more than it saves most of them.
"""

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

EMBSTR_LIMIT = 41
"""The greatest length (bytes) of key and string that Redis stores in one allocation with their headers."""

StringValue = bytes | bytearray


class Text(bytes):
    """A short string with the encoding ``embstr`` although it spells an integer.

    INCRBYFLOAT stores such a value, because Redis never tries to store its result as an integer.  Only databases hold
    it; their methods return it as plain ``bytes``.
    """

    __slots__ = ()


_integer_shaped = re.compile(rb"(?:0|-?[1-9][0-9]{0,18})\Z").match


def integer_value(data: StringValue) -> int | None:
    """Returns the signed 64-bit integer that ``data`` spells in canonical form, or None.

    The canonical form has no plus sign, no leading zeros and no spaces, and is not ``-0``.
    """
    if _integer_shaped(data):
        value = int(data)
        if INT64_MIN <= value <= INT64_MAX:
            return value
    return None


def is_integer_encoded(data: bytes) -> bool:
    """Returns whether Redis stores ``data`` as an integer."""
    return integer_value(data) is not None


_CLASSES = frozenset((bytes, bytearray, Text))


def is_string(value: object) -> bool:
    """Returns whether ``value``, which may be None, is a string; packed collections are bytes, but no strings."""
    return value.__class__ in _CLASSES


def encoding(value: StringValue, key: bytes = b"") -> str:
    """Returns the reply of OBJECT ENCODING for a string at ``key``: ``int``, ``embstr`` or ``raw``."""
    if isinstance(value, bytearray):
        return "raw"
    if not isinstance(value, Text) and integer_value(value) is not None:
        return "int"
    return "embstr" if len(key) + len(value) <= EMBSTR_LIMIT else "raw"


def own_size(value: bytes) -> int:
    """Returns the size (bytes) of a string, which is 0 if it is an object that others share."""
    length = len(value)
    if length < 5 and value.isdigit() and SMALL_INTEGERS[int(value)] is value:
        return 0
    return sizes.of_bytes(length)


def as_bytes(value: StringValue) -> bytes:
    """Returns ``value`` as bytes that later writes cannot change."""
    return value if type(value) is bytes else bytes(value)
