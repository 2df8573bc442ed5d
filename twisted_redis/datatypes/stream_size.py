"""The size of stream entries in the listpacks of Redis.

``stream-node-max-bytes`` limits this size.  The boundaries of nodes are visible, because approximate trimming removes
whole nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_redis.datatypes.stream_ids import signed

__all__ = ["entry_bound", "entry_bytes", "header_bytes"]

_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)


def _integer(value: int) -> int:
    """The size of an integer with its header and its trailing length (bytes)."""
    if 0 <= value <= 127:
        return 2
    if -4096 <= value <= 4095:
        return 3
    if -32768 <= value <= 32767:
        return 4
    if -8388608 <= value <= 8388607:
        return 5
    if -2147483648 <= value <= 2147483647:
        return 6
    return 10


def _element(text: bytes) -> int:
    """The size of a string (bytes), which is stored as an integer if it spells one."""
    length = len(text)
    if length < 21:
        digits = text[1:] if text[:1] == b"-" else text
        if digits.isdigit() and (digits[0] != 48 or text == b"0"):
            value = int(text)
            if _INT64_MIN <= value <= _INT64_MAX:
                return _integer(value)
    if length < 64:
        return length + 2
    encoded = length + (2 if length < 4096 else 5)
    if encoded <= 127:
        return encoded + 1
    if encoded < 16383:
        return encoded + 2
    if encoded < 2097151:
        return encoded + 3
    return encoded + (4 if encoded < 268435455 else 5)


def header_bytes(fields: Sequence[bytes], live: int, dead: int) -> int:
    """The size of a node's listpack without entries, including its end mark (bytes)."""
    return 9 + _integer(live) + _integer(dead) + _integer(len(fields)) + sum(map(_element, fields))


def entry_bytes(ms: int, sequence: int, row: Sequence[bytes], same_fields: bool) -> int:
    """The size of an entry (bytes).  ``ms`` and ``sequence`` are relative to the first ID of the node."""
    count = len(row) // 2
    size = 2 + _integer(signed(ms)) + _integer(signed(sequence))
    if same_fields:
        return size + sum(map(_element, row[1::2])) + _integer(count + 3)
    return size + _integer(count) + sum(map(_element, row)) + _integer(2 * count + 4)


def entry_bound(ms: int, sequence: int, count: int, size: int) -> int:
    """A quick upper bound of ``entry_bytes`` for an entry that stores ``count`` elements with ``size`` bytes in all."""
    fixed = 14 if ms < 8388608 and 0 <= sequence < 4096 and count < 60 else 40
    if size < 64:
        return size + 2 * count + fixed
    return size + (4 if size < 4096 else 12) * count + fixed
