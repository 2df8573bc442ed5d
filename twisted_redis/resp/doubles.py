"""The text of doubles in replies, as Redis prints them."""

from __future__ import annotations

from collections.abc import Collection
from math import copysign

from twisted_redis.resp.grisu import grisu_text

__all__ = ["double_text", "double_texts"]

#: Whole numbers up to this one are printed as integers.
WHOLE_MAX = float(2**62)


def double_text(value: float) -> bytes:
    """The text of ``value``: ``3``, ``0.1``, ``1e+20``, ``inf``, ``nan``.

    It reads back as ``value``, and nearly always it is the shortest text that does.  It has an exponent if plain digits
    would need seven or more leading or trailing zeros.
    """
    if -WHOLE_MAX <= value <= WHOLE_MAX:
        whole = int(value)
        if whole == value:
            return b"%d" % whole if whole else b"-0" if str(value)[0] == "-" else b"0"
    return grisu_text(value)


def double_texts(values: Collection[float]) -> list[bytes]:
    """The ``double_text`` of each value; if all are whole numbers, as scores mostly are, it makes them all at once."""
    if not values or not all(map(float.is_integer, values)) or max(values) > WHOLE_MAX or min(values) < -WHOLE_MAX:
        return list(map(double_text, values))
    texts = (b"%d|" * len(values) % tuple(values)).split(b"|")
    texts.pop()
    if 0.0 in values:
        for place, value in enumerate(values):
            if not value and copysign(1.0, value) < 0:
                texts[place] = b"-0"
    return texts
