"""Doubles as text, as Redis prints them in replies."""

from __future__ import annotations

from math import isinf, isnan

__all__ = ["double_text"]


def double_text(value: float) -> bytes:
    """The shortest text that reads back as ``value``: ``3``, ``0.1``, ``1e+20``, ``inf``, ``nan``.

    Redis writes whole numbers up to 2**53 or so without exponent and point, everything else in the shortest form;
    its printer switches to an exponent where the decimal point falls outside of ``-7 < exponent < 22``.
    """
    if value == 0:
        return b"-0" if str(value)[0] == "-" else b"0"
    if isinf(value):
        return b"inf" if value > 0 else b"-inf"
    if isnan(value):
        return b"nan"
    if -4503599627370496 < value < 4503599627370496 and value == int(value):
        return b"%d" % int(value)
    text = repr(value)
    mantissa, exponent_mark, exponent_text = text.partition("e")
    sign = ""
    if mantissa[0] == "-":
        sign, mantissa = "-", mantissa[1:]
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + (int(exponent_text) if exponent_mark else 0)
    leading_zeros = len(whole + fraction) - len(digits)
    point -= leading_zeros
    digits = digits.rstrip("0")
    exponent = point - 1
    count = len(digits)
    if count <= point <= 21:
        body = digits + "0" * (point - count)
    elif 0 < point <= 21:
        body = digits[:point] + "." + digits[point:]
    elif -7 < exponent < 0:
        body = "0." + "0" * -point + digits
    else:
        body = digits[0] + ("." + digits[1:] if count > 1 else "") + f"e{exponent:+d}"
    return (sign + body).encode()
