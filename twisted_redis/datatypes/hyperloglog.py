"""HyperLogLogs: estimates of the number of distinct elements, in the format that Redis stores.

A HyperLogLog is a string.  It has a header of 16 bytes (``HYLL``, the encoding, three zeros, and the last estimate as a
little-endian integer whose highest bit marks it as out of date), then the registers, sparse or dense.  It starts
sparse, and becomes dense for good when it is too long or a register is too high.  Functions that change a HyperLogLog
write into its ``bytearray``.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_redis.datatypes import hll_sparse
from twisted_redis.datatypes.hll_registers import DENSE_SIZE, REGISTERS, estimate, histogram, maximum, pack, unpack
from twisted_redis.datatypes.hll_sparse import HEADER, Corrupted
from twisted_redis.datatypes.murmur import murmur64a
from twisted_redis.datatypes.strings import StringValue

__all__ = [
    "Corrupted",
    "add",
    "cached_count",
    "cardinality",
    "count",
    "create",
    "invalidate",
    "is_dense",
    "is_hyperloglog",
    "merge_into",
    "place_of",
    "registers_of",
    "set_register",
    "to_dense",
    "union",
]

_MAGIC = b"HYLL"
_DENSE = 0
_SPARSE = 1
_SEED = 0xADC83B19
_OUT_OF_DATE = 0x80


def create() -> bytearray:
    """An empty HyperLogLog."""
    return bytearray(_MAGIC + bytes((_SPARSE,)) + bytes(11) + hll_sparse.EMPTY)


def is_hyperloglog(value: StringValue) -> bool:
    """Whether ``value`` begins like a HyperLogLog.  Incomplete sparse registers are found only when they are read."""
    if len(value) < HEADER or value[:4] != _MAGIC:
        return False
    return value[4] == _SPARSE or (value[4] == _DENSE and len(value) == HEADER + DENSE_SIZE)


def is_dense(data: StringValue) -> bool:
    """Whether the registers are stored dense."""
    return data[4] == _DENSE


# registers


def place_of(element: bytes) -> tuple[int, int]:
    """The register of ``element``, and the value for it: the place (from 1) of the first 1 bit of its hash."""
    hashed = murmur64a(element, _SEED)
    index = hashed & (REGISTERS - 1)
    # An additional bit after the last one, in case the hash is all zeros.
    rest = hashed >> 14 | 1 << 50
    return index, (rest & -rest).bit_length()


def _set_dense(data: bytearray, index: int, value: int) -> bool:
    bit = index * 6
    at = HEADER + (bit >> 3)
    shift = bit & 7
    around = data[at]
    if shift > 2:
        around |= data[at + 1] << 8
    if (around >> shift) & 63 >= value:
        return False
    around = around & ~(63 << shift) | value << shift
    data[at] = around & 255
    if shift > 2:
        data[at + 1] = around >> 8
    return True


def set_register(data: bytearray, index: int, value: int, sparse_limit: int) -> bool:
    """Raises a register to ``value``.  Returns False if it already was that high.

    The registers become dense if they would take more than ``sparse_limit`` bytes with the header.
    """
    if data[4] == _DENSE:
        return _set_dense(data, index, value)
    done = hll_sparse.set_register(data, index, value, sparse_limit)
    if done is False:
        return False
    if done is None:
        to_dense(data)
        _set_dense(data, index, value)
    return True


def add(data: bytearray, elements: Iterable[bytes], sparse_limit: int) -> int:
    """Adds ``elements``; returns the number that changed a register.  If it raises Corrupted, some may be added."""
    changed = 0
    for element in elements:
        index, value = place_of(element)
        if set_register(data, index, value, sparse_limit):
            changed += 1
    if changed:
        invalidate(data)
    return changed


def to_dense(data: bytearray) -> None:
    """Makes sparse registers dense.  Raises Corrupted if they are incomplete."""
    if data[4] == _SPARSE:
        data[HEADER:] = pack(hll_sparse.expand(data))
        data[4] = _DENSE


def registers_of(data: StringValue) -> bytes:
    """The registers, one byte each.  Raises Corrupted if they are incomplete."""
    return unpack(data[HEADER:]) if data[4] == _DENSE else hll_sparse.expand(data)


# estimates


def cardinality(registers: bytes) -> int:
    """Estimates the number of distinct elements from ``registers``."""
    return estimate(histogram(registers))


def cached_count(data: StringValue) -> int | None:
    """The estimate in the header, or None if it is out of date."""
    return None if data[15] & _OUT_OF_DATE else int.from_bytes(data[8:16], "little")


def invalidate(data: bytearray) -> None:
    """Marks the estimate in the header as out of date."""
    data[15] |= _OUT_OF_DATE


def count(data: bytearray) -> int:
    """Computes the estimate and stores it in the header.  Raises Corrupted if the registers are incomplete."""
    found = cardinality(registers_of(data))
    data[8:16] = (found % 2**64).to_bytes(8, "little")
    return found


def union(registers: bytes, data: StringValue) -> bytes:
    """The maximum of each of ``registers`` and those of ``data``.  Raises Corrupted if the latter are incomplete."""
    return maximum(registers, registers_of(data))


def merge_into(data: bytearray, registers: bytes, dense: bool, sparse_limit: int) -> None:
    """Raises the registers of ``data`` to ``registers``, which must not be lower; makes them dense if asked to."""
    if dense:
        to_dense(data)
        data[HEADER:] = pack(registers)
    else:
        _merge_into_sparse(data, registers, sparse_limit)
    invalidate(data)


def _merge_into_sparse(data: bytearray, registers: bytes, sparse_limit: int) -> None:
    place = hll_sparse.START
    for index, value in enumerate(registers):
        if value:
            done = hll_sparse.set_register(data, index, value, sparse_limit, place)
            if done is None:
                to_dense(data)
                data[HEADER:] = pack(registers)
                return
            if done:
                place = done
