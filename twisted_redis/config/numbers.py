"""Parses numbers as C does. Each function corresponds to one that Redis uses for its configuration.

They differ from ``int`` and ``float`` and from each other: some accept leading blanks, a plus sign or an empty text,
and some wrap around or saturate if the number exceeds 64 bits.
"""

from __future__ import annotations

import re

from twisted_redis.resp.cstrings import c_string

__all__ = [
    "I64_MAX",
    "I64_MIN",
    "U64_MAX",
    "float_number",
    "memory",
    "saturated",
    "signed_64",
    "strict_integer",
]

I64_MAX = 2**63 - 1
I64_MIN = -(2**63)
U64_MAX = 2**64 - 1

_UNITS = {
    b"": 1,
    b"b": 1,
    b"k": 1000,
    b"kb": 1024,
    b"m": 1000**2,
    b"mb": 1024**2,
    b"g": 1000**3,
    b"gb": 1024**3,
}
_MEMORY_DIGITS_MAX = 127
_INFINITY = float("inf")

_strict = re.compile(rb"0|-?[1-9][0-9]{0,19}").fullmatch
_memory = re.compile(rb"([0-9]*)([a-zA-Z]*)").fullmatch
_decimal = re.compile(rb"[ \t-\r]*([+-]?[0-9]+)").fullmatch
_octal = re.compile(rb"[ \t-\r]*([+-]?[0-7]+)").fullmatch
_float = re.compile(rb"[+-]?(?:inf(?:inity)?|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.IGNORECASE).fullmatch
_nonzero = re.compile(rb"[+-]?[0.]*[1-9]").match
_hexadecimal = re.compile(rb"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?", re.IGNORECASE).fullmatch


def strict_integer(text: bytes) -> int | None:
    """Parses a 64-bit integer without plus sign, blanks or leading zeros. Returns None for anything else."""
    if _strict(text) is None:
        return None
    number = int(text)
    return number if I64_MIN <= number <= I64_MAX else None


def memory(text: bytes) -> int | None:
    """Parses a number of bytes with a unit (``10mb``) as unsigned 64 bits. Returns None if the text is invalid.

    As with Redis, too many digits saturate, the unit may then wrap around, and a text without digits is 0.
    """
    found = _memory(c_string(text))
    if found is None:
        return None
    digits, unit = found.groups()
    factor = _UNITS.get(unit.lower())
    if factor is None or len(digits) > _MEMORY_DIGITS_MAX:
        return None
    return min(int(digits or b"0"), U64_MAX) * factor & U64_MAX


def saturated(text: bytes, octal: bool = False) -> tuple[int, bool] | None:
    """Parses an integer as ``strtoll`` does. Returns it, and False if it did not fit into 64 bits.

    Blanks and a sign may precede the digits. An empty text is 0. A number that does not fit becomes the largest or
    smallest one. Returns None if there are no digits.
    """
    text = c_string(text)
    if not text:
        return 0, True
    found = (_octal if octal else _decimal)(text)
    # More digits than this always saturate, and Python refuses to convert thousands of digits.
    digits = found[1][:400] if found is not None else b""
    if not digits:
        return None
    number = int(digits, 8 if octal else 10)
    if number > I64_MAX:
        return I64_MAX, False
    if number < I64_MIN:
        return I64_MIN, False
    return number, True


def float_number(text: bytes) -> float | None:
    """Parses a decimal or hexadecimal double or ``inf``. Returns None for NaN and for anything else."""
    if _float(text) is not None:
        number = float(text)
        # Out of range: infinity must be spelled out, and zero must have only zeros as digits.
        if (number in (_INFINITY, -_INFINITY) and b"n" not in text.lower()) or (
            number == 0 and _nonzero(text) is not None
        ):
            return None
        return number
    if _hexadecimal(text) is not None:
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return None
    return None


def signed_64(number: int) -> int:
    """Converts 64 unsigned bits to the signed number with the same bits."""
    return number - 2**64 if number > I64_MAX else number
