"""Doubles as the text that Redis' Grisu2 gives them, digit for digit.

Grisu2 (Loitsch, "Printing floating-point numbers quickly and accurately with integers", 2010) finds digits that read
back as the same double, but for about one double in five hundred there is one digit more than needed: it reckons with
64 bits and narrows the interval around the double by what may have been lost.  Where two servers are to agree on every
byte of such a text, the shortest one will not do.
"""

from __future__ import annotations

from math import isinf, isnan
from struct import Struct

__all__ = ["grisu_text"]

_double = Struct("<d").pack
_EXACT = float(2**53)
_HIDDEN_BIT = 1 << 52
_FIRST_POWER = -348
_STEP = 8
#: The exponents between which the product of a double and a power has to come out.
_LOW, _HIGH = -60, -32


def _power(exponent: int) -> tuple[int, int]:
    """10 to some power as 64 bits and a binary exponent, rounded."""
    if exponent < 0:
        divisor = int(10**-exponent)
        shift = 64 + divisor.bit_length()
        number = (1 << shift) // divisor
        shift = -shift
    else:
        number = int(10**exponent) << 64
        shift = -64
    excess = number.bit_length() - 64
    return (number + (1 << (excess - 1))) >> excess, shift + excess


_POWERS = [_power(exponent) for exponent in range(_FIRST_POWER, 341, _STEP)]


def _digits(value: float) -> tuple[int, int]:
    """Digits as a number, and the power of ten to multiply it with; ``value`` is positive and finite."""
    bits = int.from_bytes(_double(value), "little")
    fraction = bits & (_HIDDEN_BIT - 1)
    exponent = bits >> 52
    if exponent:
        fraction |= _HIDDEN_BIT
        exponent -= 1075
    else:
        exponent = -1074
    shift = 64 - fraction.bit_length()
    exponent -= shift
    # The middle of the way to each neighbour; the lower one is nearer at a power of two.
    upper = (2 * fraction + 1) << (shift - 1)
    nearness = 2 if fraction == _HIDDEN_BIT else 1
    lower = ((fraction << nearness) - 1) << (shift - nearness)

    index = (int(-(exponent + len(_POWERS)) * 0.30102999566398114) - _FIRST_POWER) // _STEP
    while not _LOW <= exponent + _POWERS[index][1] + 64 <= _HIGH:
        index += 1 if exponent + _POWERS[index][1] + 64 < _LOW else -1
    power, power_exponent = _POWERS[index]
    half = 1 << 63
    upper = ((upper * power + half) >> 64) - 1
    room = upper - (((lower * power + half) >> 64) + 1)
    distance = upper - (((fraction << shift) * power + half) >> 64)
    point = -(exponent + power_exponent + 64)

    # Digits of ``upper`` until what is left of it is less than the interval.
    kappa = len(str(upper >> point))
    unit = 10**kappa << point
    number, left = 0, upper
    while True:
        if kappa > 0:
            unit //= 10
            kappa -= 1
            digit, left = divmod(left, unit)
            number = 10 * number + digit
            if left <= room:
                break
        else:
            left *= 10
            room *= 10
            distance *= 10
            kappa -= 1
            number = 10 * number + (left >> point)
            left &= unit - 1
            if left < room:
                break
    # The last digit goes down while that comes nearer to the double.
    while (
        left < distance and room - left >= unit and (left + unit < distance or distance - left > left + unit - distance)
    ):
        number -= 1
        left += unit
    return number, kappa - (_FIRST_POWER + _STEP * index)


def grisu_text(value: float) -> bytes:
    """``value`` as Redis' ``fpconv_dtoa`` writes it: ``3``, ``0.1``, ``2e+10``, ``-0``, ``inf``, ``nan``."""
    if isnan(value):
        return b"nan"
    sign = b""
    if str(value)[0] == "-":
        sign = b"-"
        value = -value
    if isinf(value):
        return sign + b"inf"
    if value < _EXACT and value == int(value):
        digits = b"%d" % value
        stripped = digits.rstrip(b"0")
        if not stripped:
            return sign + b"0"
        scale = len(digits) - len(stripped)
        if scale < 8:
            return sign + digits
        digits = stripped
    else:
        number, scale = _digits(value)
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
