"""Arrays: single elements, and how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.arrays.common import command, index_of, number_reply, writable, wrong_arity
from twisted_redis.datatypes.array import MAX_INDEX, Array
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RO, RW, UPDATE, first_key
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_READ = first_key(RO | ACCESS)


@command("ARGET", arity=3, flags=READONLY | FAST, keys=_READ)
def arget(ctx: Client, key: bytes, index: bytes) -> Reply:
    """ARGET key index

    Returns the value at an index of an array.
    """
    found = ctx.db.read(key, Array)
    position = index_of(index)
    return None if found is None else found.get(position)


@command("ARMGET", arity=-3, flags=READONLY | FAST, keys=_READ, complexity="O(N) for N indexes")
def armget(ctx: Client, key: bytes, *index: bytes) -> Reply:
    """ARMGET key index [index ...]

    Returns the values at several indexes of an array.
    """
    found = ctx.db.read(key, Array)
    positions = list(map(index_of, index))
    return [None] * len(positions) if found is None else list(map(found.get, positions))


@command(
    "ARSET",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | UPDATE),
    complexity="O(N) for N values",
)
def arset(ctx: Client, key: bytes, index: bytes, *value: bytes) -> Reply:
    """ARSET key index value [value ...]

    Stores values at an index of an array and the positions behind it; returns how many of these were empty.
    """
    position = index_of(index)
    if position + len(value) - 1 > MAX_INDEX:
        raise CommandError("ERR array index overflow")
    target = writable(ctx, key)
    before = target.count
    target.set_all(position, value, ctx.config)
    ctx.changed(key, "arset", len(value))
    return target.count - before


@command(
    "ARMSET",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | UPDATE),
    complexity="O(N) for N pairs",
)
def armset(ctx: Client, key: bytes, *data: bytes) -> Reply:
    """ARMSET key index value [index value ...]

    Stores values at several indexes of an array; returns how many of these were empty.
    """
    if len(data) % 2:
        raise wrong_arity("armset")
    positions = list(map(index_of, data[::2]))
    target = writable(ctx, key)
    before = target.count
    config = ctx.config
    for position, value in zip(positions, data[1::2], strict=True):
        target.set(position, value, config)
    ctx.changed(key, "armset", len(positions))
    return target.count - before


@command("ARDEL", arity=-3, flags=WRITE | FAST, keys=first_key(RW | DELETE), complexity="O(N) for N indexes")
def ardel(ctx: Client, key: bytes, *index: bytes) -> Reply:
    """ARDEL key index [index ...]

    Removes the values at some indexes of an array; returns how many there were.
    """
    positions = list(map(index_of, index))
    target = ctx.db.write(key, Array)
    if target is None:
        return 0
    config = ctx.config
    removed = sum(target.delete(position, config) for position in positions)
    if removed:
        ctx.changed(key, "ardel", removed)
        if not target.count:
            ctx.removed(key)
    return removed


@command("ARLEN", arity=2, flags=READONLY | FAST, keys=_READ)
def arlen(ctx: Client, key: bytes) -> Reply:
    """ARLEN key

    Returns the length of an array: its highest index in use and one more.
    """
    found = ctx.db.read(key, Array)
    return 0 if found is None else number_reply(found.length)


@command("ARCOUNT", arity=2, flags=READONLY | FAST, keys=_READ)
def arcount(ctx: Client, key: bytes) -> Reply:
    """ARCOUNT key

    Returns how many elements of an array are not empty.
    """
    found = ctx.db.read(key, Array)
    return 0 if found is None else found.count


@command("ARINFO", arity=-2, flags=READONLY, keys=_READ, complexity="O(1), or with FULL O(N) for N slices")
def arinfo(ctx: Client, key: bytes, *option: bytes) -> Reply:
    """ARINFO key [FULL]

    Returns facts about an array and its slices.
    """
    if option and (len(option) > 1 or keyword(option[0]) != b"FULL"):
        raise SyntaxError_
    found = ctx.db.read(key, Array)
    if found is None:
        raise CommandError("ERR no such key")
    following = found.cursor + 1
    facts: list[Reply] = [
        *(b"count", found.count),
        *(b"len", number_reply(found.length)),
        *(b"next-insert-index", 0 if following > MAX_INDEX else number_reply(following)),
        *(b"slices", len(found.slices)),
        *(b"directory-size", found.directory),
        *(b"super-dir-entries", found.blocks_used),
        *(b"slice-size", found.slice_size),
    ]
    if option:
        all_slices = found.details()
        facts += [
            *(b"dense-slices", all_slices.dense),
            *(b"sparse-slices", all_slices.sparse),
            *(b"avg-dense-size", _mean(all_slices.dense_slots, all_slices.dense)),
            *(b"avg-dense-fill", _mean(all_slices.dense_elements, all_slices.dense_slots)),
            *(b"avg-sparse-size", _mean(all_slices.sparse_slots, all_slices.sparse)),
        ]
    return Pairs(facts)


def _mean(total: int, count: int) -> Reply:
    return total / count if count else 0.0
