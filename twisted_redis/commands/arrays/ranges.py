"""Arrays: ranges of indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.arrays.common import command, index_of, number_reply, wrong_arity
from twisted_redis.commands.arrays.operations import Operation, operation_of
from twisted_redis.datatypes.array import Array
from twisted_redis.engine.declare.flags import READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RO, RW, first_key
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__ = ["limit_of"]

_READ = first_key(RO | ACCESS)

_MOST_POSITIONS = 1_000_000
_OF_ELEMENTS = "O(N) for N elements in the range"


def limit_of(text: bytes) -> int:
    """Returns the most elements that a reply may have."""
    limit = integer(text)
    if limit <= 0:
        raise CommandError("ERR LIMIT must be positive")
    return limit


@command("ARGETRANGE", arity=4, flags=READONLY, keys=_READ, complexity="O(N) for N positions in the range")
def argetrange(ctx: Client, key: bytes, start: bytes, end: bytes) -> Reply:
    """ARGETRANGE key start end

    Returns the values at all positions of a range, backwards if it ends below its start.
    """
    first, last = index_of(start), index_of(end)
    found = ctx.db.read(key, Array)
    low, high = (last, first) if first > last else (first, last)
    if high - low >= _MOST_POSITIONS:
        raise CommandError(f"ERR range exceeds maximum of {_MOST_POSITIONS} items")
    if found is None:
        return [None] * (high - low + 1)
    values = found.values_at(low, high)
    if first > last:
        values.reverse()
    return values


@command("ARSCAN", arity=-4, flags=READONLY, keys=_READ, complexity=_OF_ELEMENTS)
def arscan(ctx: Client, key: bytes, start: bytes, end: bytes, *option: bytes) -> Reply:
    """ARSCAN key start end [LIMIT limit]

    Returns the elements in a range with their indexes, backwards if it ends below its start.
    """
    first, last = index_of(start), index_of(end)
    limit = None
    if option:
        if len(option) != 2:
            raise wrong_arity("arscan")
        if keyword(option[0]) != b"LIMIT":
            raise SyntaxError_
        limit = limit_of(option[1])
    found = ctx.db.read(key, Array)
    if found is None:
        return []
    pairs: list[Reply] = []
    for index, value in found.items(first, last):
        pairs.append([number_reply(index), value])
        if len(pairs) == limit:
            break
    return pairs


@command("ARDELRANGE", arity=-4, flags=WRITE, keys=first_key(RW | DELETE), complexity=_OF_ELEMENTS)
def ardelrange(ctx: Client, key: bytes, *data: bytes) -> Reply:
    """ARDELRANGE key start end [start end ...]

    Removes the elements in some ranges of an array; returns how many there were.
    """
    if len(data) % 2:
        raise wrong_arity("ardelrange")
    bounds = list(map(index_of, data))
    target = ctx.db.write(key, Array)
    if target is None:
        return 0
    removed = 0
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        removed += target.delete_range(min(start, end), max(start, end), ctx.config)
    if removed:
        ctx.changed(key, "ardelrange", removed)
        if not target.count:
            ctx.removed(key)
    return removed


@command("AROP", arity=-5, flags=READONLY, keys=_READ, complexity=_OF_ELEMENTS)
def arop(ctx: Client, key: bytes, start: bytes, end: bytes, operation: bytes, *value: bytes) -> Reply:
    """AROP key start end <SUM | MIN | MAX | AND | OR | XOR | MATCH value | USED>

    Combines the elements in a range: numbers to their sum, their extremes or their common bits, or counts them.
    """
    first, last = index_of(start), index_of(end)
    name = c_string(operation).lower()
    chosen: Operation | None = operation_of(name)
    if chosen is None:
        raise CommandError("ERR unknown operation")
    if name == b"match":
        if len(value) != 1:
            raise CommandError("ERR MATCH requires a value argument")
    elif value:
        raise wrong_arity("arop")
    found = ctx.db.read(key, Array)
    elements = () if found is None else (each for _, each in found.items(first, last))
    return chosen(elements, *value)
