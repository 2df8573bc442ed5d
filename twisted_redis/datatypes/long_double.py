"""The 80-bit floating point numbers of x86, which Redis uses for INCRBYFLOAT and HINCRBYFLOAT.

Python has no such type, and its own floats would give visible differences: 3 + 1.1 would be 4.0999999999999996.  A
finite number is a pair (mantissa, exponent) of integers for mantissa * 2**exponent, with a mantissa of at most 64
bits.  An infinite number is a float.  Rounding is to nearest, ties to even.
"""

from __future__ import annotations

import re

LongDouble = tuple[int, int] | float

_MAX_TEXT = 5 * 1024
"""Redis parses numbers in a buffer of so many bytes, including the final zero; longer texts are no numbers."""

_MANTISSA_BITS = 64
_MIN_EXPONENT = -16445  # the exponent of the last bit of the smallest subnormal number
_MAX_MAGNITUDE = 16384  # every finite number is below 2 to this power

#: The greatest finite number, and the least one.
HIGHEST: LongDouble = ((1 << _MANTISSA_BITS) - 1, _MAX_MAGNITUDE - _MANTISSA_BITS)
LOWEST: LongDouble = (1 - (1 << _MANTISSA_BITS), _MAX_MAGNITUDE - _MANTISSA_BITS)

_DECIMALS = 17

_FAR = 10**8
"""An exponent that no mantissa of 5 KB can bring back into range."""

_CHUNK_DIGITS = 4000
"""The number of digits that are converted at once.  Python refuses to convert longer texts by itself."""

_CHUNK = 10**_CHUNK_DIGITS

_plain = re.compile(rb"([+-]?)(\d{1,15})(?:\.(\d{0,15}))?\Z").match
_decimal = re.compile(rb"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d+))?\Z").match
_hexadecimal = re.compile(rb"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?\Z").match
_infinity = re.compile(rb"([+-]?)inf(?:inity)?\Z", re.IGNORECASE).match


def parse(text: bytes | bytearray) -> LongDouble | None:
    """Reads the whole of ``text`` as strtold in C does; None if it is no number, nan, too large or too small.

    Accepts decimal and hexadecimal notation, and ``inf`` and ``infinity`` for an infinite number.
    """
    found = _plain(text)
    if found:
        sign, whole, fraction = found.groups(b"")
        digits = int(whole + fraction)
        return _rounded(-digits if sign == b"-" else digits, 10 ** len(fraction))
    if len(text) >= _MAX_TEXT:
        return None
    if found := _decimal(text):
        return _parse_decimal(*found.groups(b""))
    if found := _hexadecimal(text):
        return _parse_hexadecimal(*found.groups(b""))
    if found := _infinity(text):
        return float("-inf" if found[1] == b"-" else "inf")
    return None


def add(a: LongDouble, b: LongDouble) -> LongDouble | None:
    """Returns the rounded sum, or None if it is infinite or nan."""
    if isinstance(a, float) or isinstance(b, float):
        return None
    (mantissa_a, exponent_a), (mantissa_b, exponent_b) = a, b
    exponent = min(exponent_a, exponent_b)
    total = (mantissa_a << exponent_a - exponent) + (mantissa_b << exponent_b - exponent)
    result = _rounded(total << exponent, 1) if exponent >= 0 else _rounded(total, 1 << -exponent)
    return None if result is None or isinstance(result, float) else result


def is_less(a: LongDouble, b: LongDouble) -> bool:
    """Returns True if ``a`` is less than ``b``."""
    if isinstance(a, float) or isinstance(b, float):
        return (a if isinstance(a, float) else 0.0) < (b if isinstance(b, float) else 0.0)
    (mantissa_a, exponent_a), (mantissa_b, exponent_b) = a, b
    exponent = min(exponent_a, exponent_b)
    return mantissa_a << exponent_a - exponent < mantissa_b << exponent_b - exponent


def negated(value: LongDouble) -> LongDouble:
    """Returns ``value`` with the other sign."""
    return -value if isinstance(value, float) else (-value[0], value[1])


def to_text(value: LongDouble) -> bytes:
    """Returns ``value`` in plain decimal notation, with up to 17 decimals and no trailing zeros."""
    if isinstance(value, float):
        return b"inf" if value > 0 else b"-inf"
    mantissa, exponent = value
    if exponent >= 0:
        digits = _digits(abs(mantissa) << exponent)
        return b"-" + digits if mantissa < 0 else digits
    scaled = _divide(abs(mantissa) * 10**_DECIMALS, 1 << -exponent)
    if not scaled:
        return b"0"
    digits = _digits(scaled).rjust(_DECIMALS + 1, b"0")
    text = (digits[:-_DECIMALS] + b"." + digits[-_DECIMALS:]).rstrip(b"0").rstrip(b".")
    return b"-" + text if mantissa < 0 else text


def _digits(value: int) -> bytes:
    """The decimal digits of a non-negative integer."""
    if value < _CHUNK:
        return b"%d" % value
    high, low = divmod(value, _CHUNK)
    return _digits(high) + b"%0*d" % (_CHUNK_DIGITS, low)


def _integer(digits: bytes) -> int:
    """The integer with these digits."""
    value = 0
    for start in range(0, len(digits), _CHUNK_DIGITS):
        chunk = digits[start : start + _CHUNK_DIGITS]
        value = value * 10 ** len(chunk) + int(chunk)
    return value


def _parse_decimal(sign: bytes, mantissa: bytes, exponent: bytes) -> LongDouble | None:
    whole, _, fraction = mantissa.partition(b".")
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return 0, 0
    power = _power(exponent) - len(fraction)
    if abs(len(digits) + power) > 5000:  # far out of range: avoids the many digits of 1e999999
        return None
    numerator = _integer(digits)
    if sign == b"-":
        numerator = -numerator
    return _in_range(numerator * 10**power, 1) if power >= 0 else _in_range(numerator, 10**-power)


def _parse_hexadecimal(sign: bytes, whole: bytes, fraction: bytes, exponent: bytes) -> LongDouble | None:
    if not whole and not fraction:
        return None
    mantissa = int(whole + fraction, 16)
    if not mantissa:
        return 0, 0
    shift = _power(exponent) - 4 * len(fraction)
    if abs(shift) > 100_000:
        return None
    mantissa = -mantissa if sign == b"-" else mantissa
    return _in_range(mantissa << shift, 1) if shift >= 0 else _in_range(mantissa, 1 << -shift)


def _power(text: bytes) -> int:
    """The exponent that ``text`` spells, limited to a value that is far out of range."""
    digits = text.lstrip(b"+-0")
    value = _FAR if len(digits) > 8 else int(digits or b"0")
    return -value if text.startswith(b"-") else value


def _in_range(numerator: int, denominator: int) -> LongDouble | None:
    """The number nearest to a fraction other than 0, or None if that is infinity or 0."""
    value = _rounded(numerator, denominator)
    return None if isinstance(value, float) or not value[0] else value


def _rounded(numerator: int, denominator: int) -> LongDouble:
    """The number nearest to numerator / denominator (denominator > 0)."""
    if not numerator:
        return 0, 0
    size = abs(numerator)
    exponent = size.bit_length() - denominator.bit_length() - _MANTISSA_BITS
    if exponent < 0 and denominator == 1:
        return numerator, 0
    if _quotient_bits(size, denominator, exponent) > _MANTISSA_BITS:
        exponent += 1
    exponent = max(exponent, _MIN_EXPONENT)
    mantissa = _divide(size, denominator << exponent) if exponent > 0 else _divide(size << -exponent, denominator)
    if mantissa.bit_length() + exponent > _MAX_MAGNITUDE:
        return float("-inf" if numerator < 0 else "inf")
    return (-mantissa if numerator < 0 else mantissa), exponent


def _quotient_bits(size: int, denominator: int, exponent: int) -> int:
    quotient = size // (denominator << exponent) if exponent > 0 else (size << -exponent) // denominator
    return quotient.bit_length()


def _divide(numerator: int, denominator: int) -> int:
    """The integer nearest to a fraction, ties to even.  Both arguments are positive."""
    quotient, rest = divmod(numerator, denominator)
    rest *= 2
    return quotient + (rest > denominator or (rest == denominator and quotient & 1))
