"""Doubles as text, as Redis prints them in replies."""

from __future__ import annotations

from twisted_redis.resp.grisu import grisu_text

__all__ = ["double_text"]

#: Whole numbers up to here are printed as integers.
WHOLE_MAX = float(2**62)


def double_text(value: float) -> bytes:
    """A text that reads back as ``value``, nearly always the shortest: ``3``, ``0.1``, ``1e+20``, ``inf``, ``nan``.

    An exponent is written where plain digits would need seven zeros or more, before or behind the others.
    """
    if -WHOLE_MAX <= value <= WHOLE_MAX:
        whole = int(value)
        if whole == value:
            return b"%d" % whole if whole else b"-0" if str(value)[0] == "-" else b"0"
    return grisu_text(value)
