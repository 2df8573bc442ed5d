"""MurmurHash64A, the 64-bit hash that HyperLogLogs use for their elements."""

from __future__ import annotations

from struct import Struct

__all__ = ["murmur64a"]

_MASK = 2**64 - 1
_FACTOR = 0xC6A4A7935BD1E995
_word = Struct("<Q").unpack_from


def murmur64a(data: bytes, seed: int) -> int:
    """The hash of ``data`` (64 bits), read as little-endian words on every machine."""
    size = len(data)
    hashed = seed ^ (size * _FACTOR & _MASK)
    rest = size & 7
    for at in range(0, size - rest, 8):
        word = _word(data, at)[0] * _FACTOR & _MASK
        word = (word ^ word >> 47) * _FACTOR & _MASK
        hashed = (hashed ^ word) * _FACTOR & _MASK
    if rest:
        hashed = (hashed ^ int.from_bytes(data[-rest:], "little")) * _FACTOR & _MASK
    hashed = (hashed ^ hashed >> 47) * _FACTOR & _MASK
    return hashed ^ hashed >> 47
