"""The values of arrays as numbers.

Redis keeps a value as a number if the number's text is the value again.  That shows in dumps, and in sums: such a
decimal is a double, while the others are read as long doubles.
"""

from __future__ import annotations

import re
from struct import Struct

from twisted_redis.datatypes.strings import integer_value
from twisted_redis.resp.grisu import grisu_text

__all__ = ["double_text", "inline_double", "inline_integer"]

_decimal = re.compile(rb"-?(?:[0-9]+\.[0-9]*|\.[0-9]+)\Z").match
_double = Struct("<d")
_bits = Struct("<Q")

_MOST = 2**61 - 1
_LONGEST = 60


def inline_integer(text: bytes) -> int | None:
    """Returns the integer of 62 bits that ``text`` spells, or None."""
    value = integer_value(text)
    return value if value is not None and -_MOST - 1 <= value <= _MOST else None


def inline_double(text: bytes) -> float | None:
    """Returns the double as which Redis keeps ``text``, or None.  The lowest two bits of such a double are zero."""
    if len(text) > _LONGEST or not _decimal(text):
        return None
    (bits,) = _bits.unpack(_double.pack(float(text)))
    (value,) = _double.unpack(_bits.pack(bits & ~3))
    shown = grisu_text(value)
    return value if text in (shown, shown + b".0") else None


def double_text(value: float) -> bytes:
    """Returns the text of a double in an array, which differs from that of an integer."""
    shown = grisu_text(value)
    return shown if b"." in shown or b"e" in shown or value - value != 0.0 else shown + b".0"
