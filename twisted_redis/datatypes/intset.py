"""Intsets: the width of the integers and their number (4 bytes each), followed by the sorted integers."""

from __future__ import annotations

import sys
from array import array
from struct import Struct

from twisted_redis.datatypes.corruption import CorruptData

__all__ = ["decode", "encode"]

_header = Struct("<II")

_CODES = {2: "h", 4: "i", 8: "q"}
_SWAP = sys.byteorder == "big"


def encode(numbers: array[int]) -> bytes:
    """Returns an intset of ``numbers``, which must be sorted and not empty."""
    bits = max(~numbers[0] if numbers[0] < 0 else 0, numbers[-1]).bit_length()
    width = 2 if bits < 16 else 4 if bits < 32 else 8
    body = array(_CODES[width], numbers)
    if _SWAP:
        body.byteswap()
    return _header.pack(width, len(numbers)) + body.tobytes()


def decode(blob: bytes) -> array[int]:
    """Returns the sorted numbers of the intset ``blob``."""
    if len(blob) < _header.size:
        raise CorruptData("an intset without a header")
    width, count = _header.unpack_from(blob)
    code = _CODES.get(width)
    if code is None or not count or _header.size + width * count != len(blob):
        raise CorruptData("an intset of another size than it says")
    numbers = array(code)
    numbers.frombytes(blob[_header.size :])
    if _SWAP:
        numbers.byteswap()
    values = numbers.tolist()
    if any(map(int.__ge__, values, values[1:])):
        raise CorruptData("an intset that is not in order")
    return numbers if code == "q" else array("q", values)
