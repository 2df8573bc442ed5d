"""Lists: ranges, single elements, and changes between the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.datatypes.list import List
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, INSERT, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NoSuchKey, OutOfRange, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, integer, integer_in, positive
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("list", since="1.0.0", complexity="O(1)")

_EACH_ELEMENT = "O(N), N being the length of the list"


@command("LLEN", arity=2, flags=READONLY | FAST, keys=first_key(RO))
def llen(ctx: Client, key: bytes) -> Reply:
    """LLEN key

    Returns the number of elements in a list.
    """
    value = ctx.db.read(key, List)
    return 0 if value is None else len(value)


@command(
    "LRANGE",
    arity=4,
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    complexity="O(N), N being the number of elements returned, whatever their position",
)
def lrange(ctx: Client, key: bytes, start: bytes, stop: bytes) -> Reply:
    """LRANGE key start stop

    Returns the elements between two inclusive indexes; negative indexes count from the end.
    """
    first, last = integer(start), integer(stop)
    value = ctx.db.read(key, List)
    return Bulks() if value is None else Bulks(value.range(first, last))


@command("LINDEX", arity=3, flags=READONLY, keys=first_key(RO | ACCESS))
def lindex(ctx: Client, key: bytes, index: bytes) -> Reply:
    """LINDEX key index

    Returns the element at an index, or null outside the list; a negative index counts from the end.
    """
    value = ctx.db.read(key, List)
    return None if value is None else value.get(integer(index))


@command(
    "LPOS",
    arity=-3,
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    since="6.0.6",
    complexity=f"{_EACH_ELEMENT}, or the number of elements up to the matches",
)
def lpos(ctx: Client, key: bytes, element: bytes, *options: bytes) -> Reply:
    """LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]

    Returns the index of a matching element, or with COUNT an array of indexes.
    """
    rank, maxlen = 1, 0
    count: int | None = None
    rest = iter(options)
    for word in rest:
        option = keyword(word)
        argument = next(rest, None)
        if argument is None:
            raise SyntaxError_
        if option == b"RANK":
            rank = integer_in(argument, -INT64_MAX, INT64_MAX)
            if not rank:
                raise CommandError(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                    "or use negative to start from the end of the list"
                )
        elif option == b"COUNT":
            count = positive(argument, "ERR COUNT can't be negative")
        elif option == b"MAXLEN":
            maxlen = positive(argument, "ERR MAXLEN can't be negative")
        else:
            raise SyntaxError_
    value = ctx.db.read(key, List)
    found = [] if value is None else value.find(element, rank, 1 if count is None else count, maxlen)
    if count is not None:
        return found
    return found[0] if found else None


@command(
    "LINSERT", arity=5, flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), since="2.2.0", complexity=_EACH_ELEMENT
)
def linsert(ctx: Client, key: bytes, where: bytes, pivot: bytes, element: bytes) -> Reply:
    """LINSERT key <BEFORE | AFTER> pivot element

    Inserts an element before or after the first match of a pivot; returns the length, or -1 without a match.
    """
    side = keyword(where)
    if side not in (b"AFTER", b"BEFORE"):
        raise SyntaxError_
    value = ctx.db.write(key, List)
    if value is None:
        return 0
    if not value.insert(pivot, element, after=side == b"AFTER", config=ctx.config):
        return -1
    ctx.changed(key, "linsert")
    return len(value)


@command("LSET", arity=4, flags=WRITE | DENYOOM, keys=first_key(RW | UPDATE))
def lset(ctx: Client, key: bytes, index: bytes, element: bytes) -> Reply:
    """LSET key index element

    Replaces the element at an index; a negative index counts from the end.
    """
    value = ctx.db.write(key, List)
    if value is None:
        raise NoSuchKey
    # Redis uses only the lower 32 bits of the index here, so 2^32 means 0.  (LINDEX uses all bits.)
    place = (integer(index) + 2**31) % 2**32 - 2**31
    if not value.set(place, element, ctx.config):
        raise OutOfRange("ERR index out of range")
    ctx.changed(key, "lset")
    return OK


@command("LREM", arity=4, flags=WRITE, keys=first_key(RW | DELETE), complexity=_EACH_ELEMENT)
def lrem(ctx: Client, key: bytes, count: bytes, element: bytes) -> Reply:
    """LREM key count element

    Removes the first matches of an element; a negative count removes the last matches, and 0 removes all.
    """
    most = integer_in(count, -INT64_MAX, INT64_MAX)
    value = ctx.db.write(key, List)
    if value is None:
        return 0
    removed = value.remove(element, most, ctx.config)
    if removed:
        ctx.changed(key, "lrem", removed)
        if not value:
            ctx.removed(key)
    return removed


@command(
    "LTRIM",
    arity=4,
    flags=WRITE,
    keys=first_key(RW | DELETE),
    complexity="O(N), N being the number of elements dropped",
)
def ltrim(ctx: Client, key: bytes, start: bytes, stop: bytes) -> Reply:
    """LTRIM key start stop

    Keeps the elements between two inclusive indexes and removes all others.
    """
    first, last = integer(start), integer(stop)
    value = ctx.db.write(key, List)
    if value is None:
        return OK
    length = len(value)
    first = max(first + length if first < 0 else first, 0)
    last = min(last + length if last < 0 else last, length - 1)
    if first > last:
        first, last = length, length - 1
    behind = length - 1 - last
    value.trim(first, behind, ctx.config)
    ctx.changed(key, "ltrim", first + behind)
    if first + behind == 0:
        # The key is touched and an event is sent, but replicas and the AOF have nothing to repeat.
        ctx.propagate_as()
    elif not value:
        ctx.removed(key)
    return OK
