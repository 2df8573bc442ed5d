"""Numbers as C reads them: each function follows one that Redis uses for its configuration.

They differ from ``int`` and ``float`` and from each other: some take leading blanks, a plus sign or an empty
text, some wrap or saturate where the text exceeds 64 bits.
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
    """A 64-bit integer without plus sign, blanks or leading zeros; None for anything else."""
    if _strict(text) is None:
        return None
    number = int(text)
    return number if I64_MIN <= number <= I64_MAX else None


def memory(text: bytes) -> int | None:
    """Bytes, from digits and a unit (``10mb``), as unsigned 64 bits; None if it is none.

    Too many digits saturate and the unit may then wrap around; without digits it is 0: all as in Redis.
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
    """An integer as ``strtoll`` reads it (blanks and sign first, 0 for an empty text), and whether it fitted.

    A number that did not fit has become the greatest or the least one.
    """
    text = c_string(text)
    if not text:
        return 0, True
    found = (_octal if octal else _decimal)(text)
    # More digits than this saturate whatever they are, and Python refuses to convert thousands of them.
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
    """A double, decimal or hexadecimal, ``inf`` included; None for NaN and for anything else."""
    if _float(text) is not None:
        number = float(text)
        # Beyond the range of doubles: only a spelled-out infinity is one, and only zeros are zero.
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
    """The signed reading of 64 unsigned bits."""
    return number - 2**64 if number > I64_MAX else number
