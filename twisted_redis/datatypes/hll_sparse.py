"""The sparse representation of a HyperLogLog: runs of equal registers, in the order of the registers.

    00nnnnnn            n + 1 registers are 0 (up to 64)
    01nnnnnn nnnnnnnn   n + 1 registers are 0 (up to 16384)
    1vvvvvnn            n + 1 registers (up to 4) are v + 1 (up to 32)

The same elements in the same order give the same bytes as in Redis, because runs are split and joined at the same
steps.
"""

from __future__ import annotations

import re
from typing import Literal

from twisted_redis.datatypes.hll_registers import REGISTERS

__all__ = ["EMPTY", "START", "Corrupted", "Place", "expand", "runs", "set_register"]

HEADER = 16
HIGHEST = 32
"""The highest register value of a run."""

#: From this length on (bytes) the lengths of runs are summed piece by piece.  Shorter data are mostly long runs.
_LONG = 900
_STEP = 64

#: The registers of an empty HyperLogLog.
EMPTY = b"\x7f\xff"

#: The number of registers in a run of one byte, by that byte; 0 for runs of two bytes.
_SPANS = bytes([*range(1, 65), *[0] * 64, *[1, 2, 3, 4] * 32])
_EXPANDED = [bytes(span) if code < 64 else bytes([(code >> 2 & 31) + 1]) * span for code, span in enumerate(_SPANS)]
_long_run = re.compile(rb"[\x40-\x7f]").search
_pieces = re.compile(rb"([\x40-\x7f][\x00-\xff]?)|[^\x40-\x7f]+").finditer


class Corrupted(ValueError):
    """The runs do not cover the registers."""


Place = tuple[int, int]
"""The place where a run begins, and its first register."""

START: Place = (HEADER, 0)


def expand(data: bytes | bytearray) -> bytes:
    """The registers, one byte each.  Raises Corrupted if there are too few or too many."""
    total = 0
    parts: list[bytes] = []
    for piece in _pieces(data, HEADER):
        if piece[1]:
            # If the second byte is missing, Redis reads the zero that ends each of its strings.
            part = bytes(((piece[1][0] & 63) << 8 | (piece[1][1] if len(piece[1]) > 1 else 0)) + 1)
        else:
            # Check before the list grows, since clients can store any string.
            if len(piece[0]) > REGISTERS:
                raise Corrupted
            part = b"".join([_EXPANDED[code] for code in piece[0]])
        total += len(part)
        if total > REGISTERS:
            raise Corrupted
        parts.append(part)
    if total != REGISTERS:
        raise Corrupted
    return b"".join(parts)


def runs(data: bytes | bytearray) -> list[str]:
    """The runs as PFDEBUG DECODE writes them: ``z:length``, ``Z:length`` for long runs, ``v:value,length``."""
    found: list[str] = []
    at = HEADER
    while at < len(data):
        code = data[at]
        if code < 64:
            found.append(f"z:{code + 1}")
        elif code < 128:
            at += 1
            found.append(f"Z:{((code & 63) << 8 | (data[at] if at < len(data) else 0)) + 1}")
        else:
            found.append(f"v:{(code >> 2 & 31) + 1},{(code & 3) + 1}")
        at += 1
    return found


def _near(data: bytearray, index: int) -> Place:
    """A run shortly before the one that has the register at ``index``; START if that is near."""
    at, first = before = START
    size = len(data)
    while at < size:
        long_run = _long_run(data, at, at + _STEP)
        end = min(at + _STEP, size) if long_run is None else long_run.start()
        if end > at:
            following = first + sum(data[at:end].translate(_SPANS))
        else:
            end = at + 2
            if end > size:
                raise Corrupted
            following = first + ((data[at] & 63) << 8 | data[at + 1]) + 1
        if following > index:
            return before
        before = (at, first)
        at, first = end, following
    raise Corrupted


def _zeros(span: int) -> bytes:
    if span > 64:
        return bytes((64 | span - 1 >> 8, span - 1 & 255))
    return bytes((span - 1,)) if span else b""


def _values(value: int, span: int) -> bytes:
    return bytes((128 | value - 1 << 2 | span - 1,)) if span else b""


def set_register(
    data: bytearray, index: int, value: int, limit: int, start: Place = START
) -> Place | Literal[False] | None:
    """Raises the register at ``index`` to ``value`` if it is lower.

    Returns False if it is not lower.  Returns None, and leaves ``data`` unchanged, if the change needs the dense
    representation: ``value`` is too high, or ``data`` would become longer than ``limit``.  Otherwise returns a place to
    pass as ``start`` for later registers.  Raises Corrupted if no run covers the register.
    """
    if value > HIGHEST:
        return None
    # Find the run and the two before it.
    if start is START and len(data) >= _LONG:
        start = _near(data, index)
    at, first = start
    before_at = earlier_at = at
    before_first = earlier_first = first
    size = len(data)
    while at < size:
        code = data[at]
        span = _SPANS[code]
        length = 1
        if not span:
            if at + 1 == size:
                raise Corrupted
            span = ((code & 63) << 8 | data[at + 1]) + 1
            length = 2
        if index < first + span:
            break
        earlier_at, earlier_first = before_at, before_first
        before_at, before_first = at, first
        at += length
        first += span
    else:
        raise Corrupted

    # Split it.
    left, right = index - first, first + span - index - 1
    if code >= 128:
        present = (code >> 2 & 31) + 1
        if present >= value:
            return False
        split = _values(present, left) + _values(value, 1) + _values(present, right)
    else:
        split = _zeros(left) + _values(value, 1) + _zeros(right)
    if len(split) > length and size + len(split) - length > limit:
        return None
    data[at : at + length] = split
    _join(data, before_at)
    # The next register may have been joined to the run before.  Its predecessor must be known then.
    return (earlier_at, earlier_first) if earlier_at < before_at else START


def _join(data: bytearray, at: int) -> None:
    """Joins neighbours with the same value among the five runs from ``at`` on; Redis looks no further."""
    for _ in range(5):
        if at >= len(data):
            return
        code = data[at]
        if 64 <= code < 128:
            at += 2
            continue
        if code >= 128 and at + 1 < len(data):
            following = data[at + 1]
            span = (code & 3) + (following & 3) + 2
            # Without their lengths, codes compare by their values.
            if following >> 2 == code >> 2 and span <= 4:
                data[at : at + 2] = bytes((code & ~3 | span - 1,))
                continue
        at += 1
