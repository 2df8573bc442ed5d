"""Arrays: the elements in the order of their indexes, and the place of the last insertion."""

from __future__ import annotations

from struct import Struct
from typing import Any

from twisted_redis.datatypes.array import MAX_INDEX, Array
from twisted_redis.datatypes.array_values import double_text, inline_double, inline_integer
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length
from twisted_redis.persistence.rdb.strings import read_string, string_bytes

__all__ = ["CODEC"]

ARRAY = 28

_STRING, _INTEGER, _DOUBLE, _SHORT_STRING = range(4)

_SHORTEST_LONG = 8
"""Strings below this length (bytes) have a kind of their own."""

_integer = Struct("<q")
_double = Struct("<d")

_WITH_ARRAYS = 14
"""The first version with arrays."""


def _least_version(value: Array) -> int:
    return _WITH_ARRAYS


def _write(value: Array, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    parts = [length_bytes(value.count)]
    parts.append(b"\0" if value.cursor < 0 else b"\1" + length_bytes(value.cursor))
    for index, text in value.everything():
        parts.append(length_bytes(index) + _element(text, compressed))
    return ARRAY, parts


def _element(text: bytes, compressed: bool) -> bytes:
    number = inline_integer(text)
    if number is not None:
        return b"\1" + _integer.pack(number)
    double = inline_double(text)
    if double is not None:
        return b"\2" + _double.pack(double)
    return (b"\0" if len(text) >= _SHORTEST_LONG else b"\3") + string_bytes(text, compressed)


def _read(data: bytes, pos: int, config: Limits) -> tuple[Any, int]:
    count, pos = read_length(data, pos)
    if not count:
        raise CorruptData("Empty array (count == 0) is invalid")
    flag, pos = read_length(data, pos)
    if flag > 1:
        raise CorruptData(f"Invalid array insert_idx_flag {flag}")
    array = Array(config.array_slice_size)
    if flag:
        cursor, pos = read_length(data, pos)
        array.cursor = cursor if cursor <= MAX_INDEX else -1
    for _ in range(count):
        index, pos = read_length(data, pos)
        if index > MAX_INDEX:
            raise CorruptData(f"Invalid array index {index}")
        kind, pos = read_length(data, pos)
        if kind == _INTEGER:
            text = b"%d" % _integer.unpack_from(data, pos)[0]
            pos += _integer.size
        elif kind == _DOUBLE:
            text = double_text(*_double.unpack_from(data, pos))
            pos += _double.size
        elif kind in (_STRING, _SHORT_STRING):
            text, pos = read_string(data, pos)
            if kind == _SHORT_STRING and len(text) >= _SHORTEST_LONG:
                raise CorruptData(f"Invalid small string length {len(text)} in array")
        else:
            raise CorruptData(f"Unknown array element type_tag {kind}")
        array.set(index, text, config)
    return array, pos


CODEC = Codec(_write, (Encoding(ARRAY, "array", _read),), _least_version)
