"""The text of doubles as Redis' Grisu2 prints it, digit for digit.

Grisu2 finds digits that read back as the same double.  It calculates with 64 bits, and narrows the interval around the
double by the possible error.  So about one number in four hundred gets one digit more than it needs, or another last
digit: ``0.554174`` is printed as ``0.5541740000000001``.  Clients see this text and store it, and two servers may have
to agree on every byte of it, so the shortest text is not good enough.

Florian Loitsch: Printing Floating-Point Numbers Quickly and Accurately with Integers (PLDI 2010).
"""

from __future__ import annotations

from functools import cache
from math import frexp, ldexp

__all__ = ["grisu_text"]

_HALF = 1 << 63
_LOWEST, _STEP, _POWERS = -348, 8, 87  # the powers of ten that have an approximation


def _approximation(power: int) -> tuple[int, int]:
    """10**power as the nearest 64-bit significand and an exponent of two."""
    if power >= 0:
        exact = 10**power
        exponent = exact.bit_length() - 64
        if exponent <= 0:
            return exact << -exponent, exponent
        return (exact + (1 << exponent - 1)) >> exponent, exponent
    divisor = 10**-power
    exponent = -divisor.bit_length() - 63
    significand = ((1 << -exponent + 1) // divisor + 1) >> 1
    if significand >> 64:
        exponent += 1
        significand = ((1 << -exponent + 1) // divisor + 1) >> 1
    return significand, exponent


@cache
def _scaling(exponent: int) -> tuple[int, int, int]:
    """The power of ten that scales a 64-bit significand with ``exponent`` to a number of up to ten whole digits.

    Returns the significand of that power, the number of fraction bits in a product, and the power of ten that is still
    to be applied.
    """
    # If two of the powers would do, this is the one that Redis chooses.
    index = (int(-(exponent + _POWERS) * 0.30102999566398114) - _LOWEST) // _STEP
    while True:
        significand, of_power = _approximation(_LOWEST + index * _STEP)
        bits = -(exponent + of_power + 64)
        if bits > 60:
            index += 1
        elif bits < 32:
            index -= 1
        else:
            return significand, bits, -(_LOWEST + index * _STEP)


def _digits(value: float, scale: int) -> tuple[int, int]:
    """The digits of a positive number, as one integer, and the power of ten of the last digit.

    ``scale`` is that power in the shortest text; the search starts there and goes down.
    """
    mantissa, exponent = frexp(value)
    if exponent < -1021:
        whole, exponent = int(ldexp(value, 1074)), -1074
    else:
        whole, exponent = int(ldexp(mantissa, 53)), exponent - 53
    shift = 64 - whole.bit_length()
    significand, bits, power = _scaling(exponent - shift)
    # The interval of numbers that read back as the number, less the errors of the approximation.
    half = 1 << shift - 1
    number = whole << shift
    upper = ((number + half) * significand + _HALF >> 64) - 1
    below = half >> 1 if whole == 1 << 52 else half
    delta = upper - (((number - below) * significand + _HALF >> 64) + 1)
    missing = upper - ((number * significand + _HALF) >> 64)

    places = scale - power
    if places >= 0:
        unit = 10**places << bits
        while True:
            digits, rest = divmod(upper, unit)
            if rest <= delta:
                break
            places -= 1
            if places < 0:
                break
            unit //= 10
    if places < 0:
        unit = 1 << bits
        factor = 10**-places
        while True:
            rest = upper * factor & unit - 1
            if rest < delta * factor:
                break
            places -= 1
            factor *= 10
        digits = upper * factor >> bits
        delta *= factor
        missing *= factor
    # Count the last digit down while that comes closer to the number.
    while rest < missing and delta - rest >= unit and (rest + unit < missing or missing - rest > rest + unit - missing):
        digits -= 1
        rest += unit
    return digits, places + power


def grisu_text(value: float) -> bytes:
    """The text of ``value`` by Redis' ``fpconv_dtoa``: ``3``, ``0.1``, ``2e+10``, ``-0``, ``inf``, ``nan``."""
    text = repr(value)
    sign = b""
    if text[0] == "-":
        sign, value, text = b"-", -value, text[1:]
    if not value:
        return sign + b"0"
    if value - value != 0.0:
        return sign + text.encode()
    mantissa, _, exponent_text = text.partition("e")
    before, _, behind = mantissa.partition(".")
    if behind == "0":
        scale = len(before) - len(before.rstrip("0"))
    else:
        scale = int(exponent_text or 0) - len(behind)
    number, scale = _digits(value, scale)
    digits = b"%d" % number
    count = len(digits)
    exponent = abs(scale + count - 1)
    if scale >= 0 and exponent < count + 7:
        return sign + digits + b"0" * scale
    if scale < 0 and (scale > -7 or exponent < 4):
        point = count + scale
        if point > 0:
            return sign + digits[:point] + b"." + digits[point:]
        return sign + b"0." + b"0" * -point + digits
    negative = scale + count < 1
    digits = digits[: 18 - len(sign)]
    fraction = b"." + digits[1:] if len(digits) > 1 else b""
    return b"%b%b%be%b%d" % (sign, digits[:1], fraction, b"-" if negative else b"+", exponent)
