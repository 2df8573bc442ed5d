"""Strict conversions of arguments.  Python's ``int`` and ``float`` accept much that Redis refuses."""

from __future__ import annotations

import re
import time
from math import inf

from twisted_redis.engine.errors import CommandError, NotFloat, NotInteger, OutOfRange

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "UINT64_MAX",
    "bound_or_none",
    "client_name",
    "db_index",
    "float_number",
    "float_or_none",
    "integer",
    "integer_in",
    "integer_or_none",
    "positive",
    "timeout",
    "unsigned_or_none",
]

UINT64_MAX = 2**64 - 1
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

_float = re.compile(rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?)\Z", re.IGNORECASE).match
_hex_float = re.compile(rb"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?\Z").match

_lenient_unsigned = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]{1,1000})\Z").match


def integer_or_none(text: bytes) -> int | None:
    """``text`` as a signed 64-bit integer in its one canonical form (no sign +, zeros, spaces), or None."""
    if text.isdigit():
        if text[0] == 48 and len(text) > 1:
            return None
    elif not (text[:1] == b"-" and text[1:].isdigit() and text[1] != 48):
        return None
    if len(text) > 18:
        if len(text) > 20:
            return None
        value = int(text)
        return value if INT64_MIN <= value <= INT64_MAX else None
    return int(text)


def unsigned_or_none(text: bytes) -> int | None:
    """``text`` as an unsigned 64-bit integer, or None.

    Redis leaves all but canonical numbers to strtoull in C.  That reads up to a zero byte, accepts spaces and a sign
    before the digits, and takes the complement of a negative number.
    """
    value = integer_or_none(text)
    if value is not None:
        return value if value >= 0 else None
    found = _lenient_unsigned(text.partition(b"\0")[0])
    if found is None:
        return None
    value = int(found[2])
    if value > UINT64_MAX:
        return None
    return -value & UINT64_MAX if found[1] == b"-" else value


def integer(text: bytes, error: str | None = None) -> int:
    """``text`` as a signed 64-bit integer; raises ``error`` or Redis' usual text."""
    value = integer_or_none(text)
    if value is None:
        raise CommandError(error) if error else NotInteger()
    return value


def integer_in(text: bytes, low: int, high: int, error: str | None = None) -> int:
    """An integer between ``low`` and ``high``; raises ``error``, or Redis' usual texts."""
    value = integer_or_none(text)
    if value is None:
        raise CommandError(error) if error else NotInteger()
    if not low <= value <= high:
        raise (
            CommandError(error)
            if error
            else OutOfRange(f"ERR value is out of range, value must between {low} and {high}")
        )
    return value


def positive(text: bytes, error: str | None = None) -> int:
    """An integer of at least 0, as counts are."""
    value = integer_or_none(text)
    if value is None:
        raise CommandError(error) if error else OutOfRange("ERR value is out of range, must be positive")
    if value < 0:
        raise CommandError(error) if error else OutOfRange("ERR value is out of range, must be positive")
    return value


def float_or_none(text: bytes) -> float | None:
    """``text`` as strtod reads it (decimal, hexadecimal, inf), without surrounding spaces and without nan; or None.

    A number that is too large or too small for a double is refused, unless Redis' fast path reads it, which takes at
    most 19 digits and a power of ten between -342 and 308.  Then the value is infinite or zero.
    """
    if text.isdigit() and len(text) < 300:
        return float(text)
    if _float(text):
        value = float(text)
        if (value and value - value == 0.0) or _is_in_fast_path(text):
            return value
        digits = text.lower().partition(b"e")[0]
    elif _hex_float(text):
        try:
            value = float.fromhex(text.decode())
        except OverflowError:
            return None
        digits = text.lower().partition(b"x")[2].partition(b"p")[0]
    else:
        return None
    # Only a named infinity is one, and only zeros make a zero: anything else has overflowed or underflowed.
    if value - value != 0.0:
        return value if b"i" in digits else None
    return None if not value and digits.strip(b"+-.0") else value


def _is_in_fast_path(text: bytes) -> bool:
    """Returns True for a decimal number that Redis converts without strtod, and so without a check of its size."""
    digits, _, power = text.lower().partition(b"e")
    whole, _, fraction = digits.lstrip(b"+-").partition(b".")
    if b"i" in digits or len((whole + fraction).lstrip(b"0")) > 19:
        return False
    return len(power) < 10 and -342 <= int(power or b"0") - len(fraction) <= 308


def bound_or_none(text: bytes) -> float | None:
    """``text`` as strtod reads it in a C string, as a bound of scores, or None if anything follows the number.

    Spaces may precede the number.  An empty text is 0, and a number beyond the doubles is infinite or zero.
    """
    text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    text = text.lstrip(b" \t\n\v\f\r")
    if _float(text):
        return float(text)
    if not _hex_float(text):
        return None
    try:
        return float.fromhex(text.decode())
    except OverflowError:
        return -inf if text.startswith(b"-") else inf


def float_number(text: bytes, error: str | None = None) -> float:
    """``text`` as a double; raises ``error`` or Redis' usual text."""
    value = float_or_none(text)
    if value is None:
        raise CommandError(error) if error else NotFloat()
    return value


def timeout(text: bytes) -> float:
    """The time-out of a blocking command in seconds, as a decimal; 0 means for ever."""
    value = float_or_none(text)
    if value is None and _float(text) and len(text) < 1000:
        # Redis reads a long double here, which has a larger range.
        value = float(text)
    if value is None:
        raise CommandError("ERR timeout is not a float or out of range")
    if value * 1000 > INT64_MAX - time.time() * 1000:
        raise CommandError("ERR timeout is out of range")
    # Redis rounds up to milliseconds first: a fraction of one below zero is zero.
    if value * 1000 <= -1:
        raise CommandError("ERR timeout is negative")
    return max(value, 0.0)


def db_index(text: bytes, databases: int, error: str = "ERR value is not an integer or out of range") -> int:
    """The number of a database below ``databases``."""
    value = integer_or_none(text)
    if value is None:
        raise CommandError(error)
    if not 0 <= value < databases:
        raise CommandError("ERR DB index is out of range")
    return value


def client_name(name: bytes) -> bytes:
    """A name for CLIENT SETNAME: printable ASCII without spaces, since CLIENT LIST is split at them."""
    # Redis reads a C string, and so does not look beyond a zero byte.
    if any(not 33 <= byte <= 126 for byte in name.partition(b"\0")[0]):
        raise CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
    return name
