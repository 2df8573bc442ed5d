"""The hashes of the sketches: MurmurHash2 with 32 bits, and MurmurHash64A as pairs of 64-bit numbers.

No well-kept library has these two; the usual ones offer MurmurHash3.  Compiled (docs/compiling.md), this module
computes with integers of the machine.  In an interpreter ``murmur64a`` of the server does the long multiplications.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from types import FunctionType
from typing import TYPE_CHECKING, Final

from twisted_redis.extending import murmur64a

if TYPE_CHECKING:
    from mypy_extensions import i64  # an int of the machine, known to the compiler only

__all__ = ["COMPILED", "murmur2", "murmur64", "pair32", "pair64", "seeded"]

_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = (1 << 64) - 1
_FACTOR32: Final = 0x5BD1E995
_SEED32: Final = 0x9747B28C
#: 0xC6A4A7935BD1E995 is the factor and the first seed of the 64-bit hash, here as a signed number.
_SIGNED: Final = 0xC6A4A7935BD1E995 - (1 << 64)
_UNSIGNED: Final = 0xC6A4A7935BD1E995
_LOW_17: Final = 0x1FFFF

_words = Struct("<I").iter_unpack
_long_words = Struct("<Q").iter_unpack


def _machine2(data: bytes, seed: i64) -> i64:
    """MurmurHash2 for compiled code."""
    size: i64 = len(data)
    hashed: i64 = seed ^ size
    at: i64 = 0
    end: i64 = size - (size & 3)
    word: i64
    byte: i64
    while at < end:
        word = data[at]
        byte = data[at + 1]
        word |= byte << 8
        byte = data[at + 2]
        word |= byte << 16
        byte = data[at + 3]
        word |= byte << 24
        word = word * _FACTOR32 & _MASK32
        word = (word ^ word >> 24) * _FACTOR32 & _MASK32
        hashed = (hashed * _FACTOR32 & _MASK32) ^ word
        at += 4
    if at < size:
        shift: i64 = 0
        while at < size:
            byte = data[at]
            hashed ^= byte << shift
            shift += 8
            at += 1
        hashed = hashed * _FACTOR32 & _MASK32
    hashed = (hashed ^ hashed >> 13) * _FACTOR32 & _MASK32
    return hashed ^ hashed >> 15


def _interpreted2(data: bytes, seeds: Iterable[int]) -> list[int]:
    """MurmurHash2 with several seeds for an interpreter.  What is done to each word depends on no seed."""
    size = len(data)
    end = size - (size & 3)
    words = []
    for (word,) in _words(data[:end] if end < size else data):
        word = word * _FACTOR32 & _MASK32
        words.append((word ^ word >> 24) * _FACTOR32 & _MASK32)
    rest = int.from_bytes(data[end:], "little")
    hashes = []
    for seed in seeds:
        hashed = seed ^ size
        for word in words:
            hashed = (hashed * _FACTOR32 & _MASK32) ^ word
        if end < size:
            hashed = (hashed ^ rest) * _FACTOR32 & _MASK32
        hashed = (hashed ^ hashed >> 13) * _FACTOR32 & _MASK32
        hashes.append(hashed ^ hashed >> 15)
    return hashes


def _machine64(data: bytes, seed: i64) -> i64:
    """MurmurHash64A for compiled code, in which a product wraps around: ``seed`` and the result are signed."""
    size: i64 = len(data)
    factor: i64 = _SIGNED
    hashed: i64 = seed ^ (size * factor)
    at: i64 = 0
    end: i64 = size - (size & 7)
    word: i64
    byte: i64
    while at < end:
        word = data[at]
        byte = data[at + 1]
        word |= byte << 8
        byte = data[at + 2]
        word |= byte << 16
        byte = data[at + 3]
        word |= byte << 24
        byte = data[at + 4]
        word |= byte << 32
        byte = data[at + 5]
        word |= byte << 40
        byte = data[at + 6]
        word |= byte << 48
        byte = data[at + 7]
        word |= byte << 56
        word = word * factor
        word = (word ^ (word >> 47 & _LOW_17)) * factor
        hashed = (hashed ^ word) * factor
        at += 8
    if at < size:
        shift: i64 = 0
        while at < size:
            byte = data[at]
            hashed ^= byte << shift
            shift += 8
            at += 1
        hashed = hashed * factor
    hashed = (hashed ^ (hashed >> 47 & _LOW_17)) * factor
    return hashed ^ (hashed >> 47 & _LOW_17)


#: Whether this module is compiled.
COMPILED: Final = not isinstance(_machine64, FunctionType)


def murmur64(data: bytes) -> int:
    """MurmurHash64A of ``data`` (64 bits, unsigned) with the seed 0."""
    if COMPILED:
        signed: int = _machine64(data, 0)
        return signed & _MASK64
    return murmur64a(data, 0)


def pair64(data: bytes) -> tuple[i64, i64]:
    """The two 64-bit hashes that give the positions in a Bloom filter; only their lowest 64 bits mean something."""
    if not COMPILED:
        return _interpreted_pair64(data)
    first = _machine64(data, _SIGNED)
    return first, _machine64(data, first)


def _interpreted_pair64(data: bytes) -> tuple[int, int]:
    """MurmurHash64A with the usual seed, and with the result of that.  What is done to each word depends on no seed."""
    size = len(data)
    rest = size & 7
    words = []
    for (word,) in _long_words(data[: size - rest] if rest else data):
        word = word * _UNSIGNED & _MASK64
        words.append((word ^ word >> 47) * _UNSIGNED & _MASK64)
    if rest:
        words.append(int.from_bytes(data[-rest:], "little"))
    start = size * _UNSIGNED & _MASK64
    first = _UNSIGNED ^ start
    for word in words:
        first = (first ^ word) * _UNSIGNED & _MASK64
    first = (first ^ first >> 47) * _UNSIGNED & _MASK64
    first ^= first >> 47
    second = first ^ start
    for word in words:
        second = (second ^ word) * _UNSIGNED & _MASK64
    second = (second ^ second >> 47) * _UNSIGNED & _MASK64
    return first, second ^ second >> 47


def pair32(data: bytes) -> tuple[i64, i64]:
    """The two 32-bit hashes of the Bloom filters of early versions."""
    first = murmur2(data, _SEED32)
    return first, murmur2(data, first)


def murmur2(data: bytes, seed: int) -> int:
    """MurmurHash2 of ``data`` (32 bits, unsigned) with a seed of 32 bits."""
    return _machine2(data, seed) if COMPILED else _interpreted2(data, (seed,))[0]


def seeded(data: bytes, seeds: Sequence[int]) -> list[int]:
    """MurmurHash2 of ``data`` with each of ``seeds``."""
    if not COMPILED:
        return _interpreted2(data, seeds)
    return [_machine2(data, seed) for seed in seeds]
