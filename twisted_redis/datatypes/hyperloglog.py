"""HyperLogLogs: estimates of how many distinct elements there were, in the bytes that Redis stores.

A HyperLogLog is a string: a header of 16 bytes (``HYLL``, the encoding, three zeros, and the last estimate as a
little-endian integer whose highest bit says that it is out of date), then the registers, sparse or dense.  It begins
sparse, and becomes dense for good when it gets too long or a register too high.  Functions that change one write into
its ``bytearray``.
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
    """Whether ``value`` begins as one; sparse registers show only when they are read whether they are complete."""
    if len(value) < HEADER or value[:4] != _MAGIC:
        return False
    return value[4] == _SPARSE or (value[4] == _DENSE and len(value) == HEADER + DENSE_SIZE)


def is_dense(data: StringValue) -> bool:
    """Whether the registers are stored dense."""
    return data[4] == _DENSE


# registers


def place_of(element: bytes) -> tuple[int, int]:
    """The register of ``element``, and the value it wants there: the place (from 1) of the first 1 of its hash."""
    hashed = murmur64a(element, _SEED)
    index = hashed & (REGISTERS - 1)
    # A bit behind the last one, for a hash of zeros.
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
    """Raises a register to ``value``; False if it was as high already.

    The registers become dense where they would take more than ``sparse_limit`` bytes with the header.
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
    """Adds ``elements``; how many of them changed a register.  Corrupted may leave some of them added."""
    changed = 0
    for element in elements:
        index, value = place_of(element)
        if set_register(data, index, value, sparse_limit):
            changed += 1
    if changed:
        invalidate(data)
    return changed


def to_dense(data: bytearray) -> None:
    """Makes sparse registers dense; Corrupted if they are not complete."""
    if data[4] == _SPARSE:
        data[HEADER:] = pack(hll_sparse.expand(data))
        data[4] = _DENSE


def registers_of(data: StringValue) -> bytes:
    """The registers, one byte each; Corrupted if they are not complete."""
    return unpack(data[HEADER:]) if data[4] == _DENSE else hll_sparse.expand(data)


# estimates


def cardinality(registers: bytes) -> int:
    """The estimate of how many distinct elements have left ``registers``."""
    return estimate(histogram(registers))


def cached_count(data: StringValue) -> int | None:
    """The estimate in the header, None if it is out of date."""
    return None if data[15] & _OUT_OF_DATE else int.from_bytes(data[8:16], "little")


def invalidate(data: bytearray) -> None:
    """Says that the estimate in the header is out of date."""
    data[15] |= _OUT_OF_DATE


def count(data: bytearray) -> int:
    """The estimate, computed and put into the header; Corrupted if the registers are not complete."""
    found = cardinality(registers_of(data))
    data[8:16] = (found % 2**64).to_bytes(8, "little")
    return found


def union(registers: bytes, data: StringValue) -> bytes:
    """The higher one of each of ``registers`` and those of ``data``; Corrupted if the latter are not complete."""
    return maximum(registers, registers_of(data))


def merge_into(data: bytearray, registers: bytes, dense: bool, sparse_limit: int) -> None:
    """Raises the registers of ``data``, none of which is higher, to ``registers``; makes them dense if so wished."""
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
