"""Doubles as text, as Redis prints them in replies."""

from __future__ import annotations

from math import isinf, isnan

__all__ = ["double_text"]

#: Whole numbers up to here are printed as integers.
WHOLE_MAX = float(2**62)


def double_text(value: float) -> bytes:
    """The shortest text that reads back as ``value``: ``3``, ``0.1``, ``1e+20``, ``inf``, ``nan``.

    An exponent is written where plain digits would need seven zeros or more, before or behind the others.
    """
    if -WHOLE_MAX <= value <= WHOLE_MAX:
        whole = int(value)
        if whole == value:
            return b"-0" if not whole and str(value)[0] == "-" else b"%d" % whole
    elif isnan(value):
        return b"nan"
    elif isinf(value):
        return b"inf" if value > 0 else b"-inf"
    # Python's repr has the same shortest digits, but other rules for the exponent.
    mantissa, _, exponent_text = repr(abs(value)).partition("e")
    before, _, behind = mantissa.partition(".")
    digits = (before + behind).lstrip("0")
    # value = digits * 10**scale
    scale = int(exponent_text or 0) - len(behind)
    stripped = digits.rstrip("0")
    scale += len(digits) - len(stripped)
    digits = stripped
    count = len(digits)
    exponent = count + scale - 1
    sign = "-" if value < 0 else ""
    if scale >= 0 and abs(exponent) < count + 7:
        text = digits + "0" * scale
    elif scale < 0 and (scale > -7 or abs(exponent) < 4):
        point = count + scale
        text = digits[:point] + "." + digits[point:] if point > 0 else "0." + "0" * -point + digits
    else:
        digits = digits[: 18 - len(sign)]
        text = (
            digits[0]
            + ("." + digits[1:] if len(digits) > 1 else "")
            + f"e{'-' if exponent < 0 else '+'}{abs(exponent)}"
        )
    return (sign + text).encode()
