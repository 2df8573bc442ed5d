"""The checksum of dumps and files: CRC-64 by Jones, reflected, with initial value 0.

anycrc computes it if it is installed.  The version in Python has a loop for each kind of interpreter.  CPython is fast
if there are few steps, so each step takes two bytes.  PyPy compiles the loop, but unsigned integers of 64 bits do not
fit its registers, so that loop takes single bytes and keeps the checksum in two halves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from struct import Struct

__all__ = ["behind_zeros", "crc64", "crc64_pure"]

_POLYNOMIAL = 0x95AC9329AC4BC9B5
"""0xAD93D23594C935A9 with its bits reversed."""


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ _POLYNOMIAL if byte & 1 else byte >> 1
    return byte


_TABLE = [_entry(byte) for byte in range(256)]


@lru_cache(None)
def _pairs() -> list[int]:
    """The table for two bytes at a time, the first of them in the lower half of the index."""
    table = _TABLE
    return [table[(table[pair & 0xFF] ^ pair >> 8) & 0xFF] ^ table[pair & 0xFF] >> 8 for pair in range(1 << 16)]


def _by_pairs(data: bytes, crc: int) -> int:
    table = _pairs()
    even = len(data) & ~1
    pairs = memoryview(data)[:even].cast("H")
    if sys.byteorder == "big":
        for pair in pairs:
            crc = table[(crc ^ (pair >> 8 | (pair & 0xFF) << 8)) & 0xFFFF] ^ crc >> 16
    else:
        for pair in pairs:
            crc = table[(crc ^ pair) & 0xFFFF] ^ crc >> 16
    if even < len(data):
        crc = _TABLE[(crc ^ data[even]) & 0xFF] ^ crc >> 8
    return crc


_halves = Struct("<II")
_HIGH = [entry >> 32 for entry in _TABLE]
_LOW = [entry & 0xFFFFFFFF for entry in _TABLE]


def _by_halves(data: bytes, crc: int) -> int:
    upper, lower = _HIGH, _LOW
    high: int
    low: int
    # No shift here: in PyPy the result of an operation on a long integer stays a long integer.
    low, high = _halves.unpack(crc.to_bytes(8, "little"))
    for byte in data:
        index = (low ^ byte) & 0xFF
        low = (low >> 8 | (high & 0xFF) << 24) ^ lower[index]
        high = high >> 8 ^ upper[index]
    return high << 32 | low


_loop = _by_halves if sys.implementation.name == "pypy" else _by_pairs


def crc64_pure(data: bytes, crc: int = 0) -> int:
    """Returns the checksum of ``data`` behind bytes whose checksum is ``crc``."""
    return _loop(data, crc)


_ONE = 1 << 63
"""The polynomial 1; the lowest power is in the highest bit."""


def _product(first: int, second: int) -> int:
    """Returns the product of two polynomials, reduced."""
    product = 0
    while first:
        if first & _ONE:
            product ^= second
        first = first << 1 & (1 << 64) - 1
        second = second >> 1 ^ _POLYNOMIAL if second & 1 else second >> 1
    return product


def behind_zeros(crc: int, count: int) -> int:
    """Returns the checksum of bytes whose checksum is ``crc`` and ``count`` zero bytes behind them.  O(log count).

    The checksum is linear: that of texts of one length, combined by exclusive or, is what their checksums combine to.
    So ``behind_zeros(crc64(old) ^ crc64(new), count)`` is what changes if ``new`` takes the place of ``old``, as long,
    in front of ``count`` bytes.
    """
    power = _ONE >> 8  # what one zero byte multiplies by
    while count:
        if count & 1:
            crc = _product(power, crc)
        power = _product(power, power)
        count >>= 1
    return crc


def _accelerated() -> Callable[[bytes, int], int] | None:
    try:
        import anycrc
    except ImportError:
        return None
    calc = anycrc.Model("CRC64-REDIS").calc

    def crc64_accelerated(data: bytes, crc: int = 0) -> int:
        """As ``crc64_pure``."""
        checksum: int = calc(data, crc)
        return checksum

    return crc64_accelerated


#: The fastest available version of ``crc64_pure``.
crc64: Callable[..., int] = _accelerated() or crc64_pure
