"""Vector sets: what is known of a set and of its elements."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from random import choice, choices, sample
from typing import TYPE_CHECKING

from twisted_redis.commands.vectors.common import MODULE, command, wrong_arity
from twisted_redis.datatypes.vectors.quantisation import Quantisation
from twisted_redis.datatypes.vectors.vector_set import VectorSet
from twisted_redis.engine.declare.flags import FAST, READONLY
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Bulks, NullArray, Pairs, Reply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_read = command.with_defaults(flags=READONLY | MODULE)
_read_fast = command.with_defaults(flags=READONLY | FAST | MODULE)


@_read_fast("VCARD", arity=2)
def vcard(ctx: Client, key: bytes) -> Reply:
    """VCARD key

    Returns the number of elements of a vector set.
    """
    found = ctx.db.read(key, VectorSet)
    return 0 if found is None else len(found)


@_read_fast("VDIM", arity=2)
def vdim(ctx: Client, key: bytes) -> Reply:
    """VDIM key

    Returns the number of components that the vectors of a vector set have.
    """
    found = ctx.db.read(key, VectorSet)
    if found is None:
        raise CommandError("ERR key does not exist")
    return found.dimension


@_read("VISMEMBER", arity=3, since="8.2.0")
def vismember(ctx: Client, key: bytes, element: bytes) -> Reply:
    """VISMEMBER key element

    Returns whether a vector set has an element.
    """
    found = ctx.db.read(key, VectorSet)
    return found is not None and element in found


@_read_fast("VGETATTR", arity=3)
def vgetattr(ctx: Client, key: bytes, element: bytes) -> Reply:
    """VGETATTR key element

    Returns the attribute of an element.
    """
    found = ctx.db.read(key, VectorSet)
    return None if found is None else found.attributes.get(element)


@_read_fast("VEMB", arity=-3, complexity="O(N) for N components")
def vemb(ctx: Client, key: bytes, element: bytes, *option: bytes) -> Reply:
    """VEMB key element [RAW]

    Returns the vector of an element, or with RAW the bytes in which it is stored, its length and its range.
    """
    if any(keyword(each) != b"RAW" for each in option):
        raise CommandError("ERR invalid option")
    found = ctx.db.read(key, VectorSet)
    if found is None or element not in found:
        return None
    if not option:
        return found.vector(element)
    stored = found.stored(element)
    shown = [Simple(found.kind.label), stored.data, stored.norm]
    return [*shown, stored.range] if found.kind is Quantisation.Q8 else shown


@_read_fast("VINFO", arity=2)
def vinfo(ctx: Client, key: bytes) -> Reply:
    """VINFO key

    Returns facts about a vector set.
    """
    found = ctx.db.read(key, VectorSet)
    if found is None:
        return NullArray
    facts: dict[bytes, Reply] = {
        b"quant-type": Simple(found.kind.label),
        b"hnsw-m": found.m,
        b"vector-dim": found.dimension,
        b"projection-input-dim": found.input_dimension,
        b"size": len(found),
        b"max-level": 0,
        b"attributes-count": len(found.attributes),
        b"vset-uid": found.number,
        b"hnsw-max-node-uid": found.last_node,
    }
    return Pairs([each for name, value in facts.items() for each in (Simple(name), value)])


@_read_fast("VLINKS", arity=-3, complexity="O(N) for N elements")
def vlinks(ctx: Client, key: bytes, element: bytes, *option: bytes) -> Reply:
    """VLINKS key element [WITHSCORES]

    Returns the elements that are nearest to an element, as the only layer of a graph.
    """
    if len(option) > 1 or (option and keyword(option[0]) != b"WITHSCORES"):
        raise wrong_arity("VLINKS")
    found = ctx.db.read(key, VectorSet)
    if found is None or element not in found:
        return None
    near = found.neighbours(element)
    if option:
        return [Pairs([each for one in near for each in (one.element, one.score)])]
    return [Bulks([one.element for one in near])]


@_read("VRANDMEMBER", arity=-2, complexity="O(N) for N returned elements")
def vrandmember(ctx: Client, key: bytes, *count: bytes) -> Reply:
    """VRANDMEMBER key [count]

    Returns random elements of a vector set: all of them different, or any if the count is negative.
    """
    if len(count) > 1:
        raise wrong_arity("VRANDMEMBER")
    if not count:
        found = ctx.db.read(key, VectorSet)
        return None if found is None else choice(found.elements)
    wanted = integer(count[0], "ERR COUNT value is not an integer")
    if not wanted:
        return []
    found = ctx.db.read(key, VectorSet)
    if found is None:
        return []
    if wanted < 0:
        return Bulks(choices(found.elements, k=-wanted))
    return Bulks(sample(found.elements, min(wanted, len(found))))


@_read("VRANGE", arity=-4, since="8.4.0", complexity="O(log(N)+M) for N elements and M returned ones")
def vrange(ctx: Client, key: bytes, start: bytes, end: bytes, *count: bytes) -> Reply:
    """VRANGE key start end [count]

    Returns the elements from one to another, in the order of their bytes.
    """
    if len(count) > 1:
        raise wrong_arity("VRANGE")
    most = integer(count[0], "ERR invalid COUNT value") if count else -1
    low = _bound(start, "start")
    high = _bound(end, "end")
    if start == b"+" or end == b"-":
        raise CommandError("ERR '-' can only be used as first argument, '+' only as second")
    found = ctx.db.read(key, VectorSet)
    if found is None:
        return []
    elements = found.in_order()
    first = 0 if low is None else (bisect_left if start[:1] == b"[" else bisect_right)(elements, low)
    last = len(elements) if high is None else (bisect_right if end[:1] == b"[" else bisect_left)(elements, high)
    if most >= 0:
        last = min(last, first + most)
    return Bulks(elements[first:last])


def _bound(text: bytes, which: str) -> bytes | None:
    """Returns the element at an end of a range; None for an open end."""
    if text in (b"-", b"+"):
        return None
    if text[:1] not in (b"[", b"(") or len(text) < 2:
        raise CommandError(f"ERR invalid {which} range format")
    return text[1:]
