"""TOPK.*: the most frequent items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted_redis.extending import (
    ACCESS,
    DENYOOM,
    INSERT,
    OK,
    READONLY,
    RO,
    RW,
    UPDATE,
    WRITE,
    Client,
    CommandError,
    ErrorReply,
    OwnValue,
    Pairs,
    Reader,
    Reply,
    Simple,
    WrongArity,
    first_key,
    float_number,
    integer,
    integer_or_none,
)
from twisted_redis.modules.probabilistic.module import module
from twisted_redis.modules.probabilistic.top_k import ENTRY_BYTES, TopK

__all__ = ["TopKSketch"]

topk = module.group(acl=("@topk",), late_arity=True, since="2.0.0")

MOST_INCREMENT = 100_000
MOST_DIMENSION = 0xFFFFFFFF

_BAD_INCREMENT = (
    b"TopK: increment must be an integer greater or equal to 0    "
    b"                        and smaller or equal to 100,000"
)
_reads = {"flags": READONLY, "keys": first_key(RO | ACCESS)}
_adds = {"flags": WRITE | DENYOOM, "keys": first_key(RW | ACCESS | UPDATE)}


@module.type
class TopKSketch(OwnValue):
    """A Top-K sketch."""

    TYPE = b"TopK-TYPE"

    __slots__ = ("sketch",)

    def __init__(self, sketch: TopK) -> None:
        self.sketch = sketch

    def __len__(self) -> int:
        return len(self.sketch.places)

    def save(self) -> Iterator[int | float | bytes]:
        """Yields the fields in the order of Redis' module."""
        sketch = self.sketch
        yield from (sketch.k, sketch.width, sketch.depth, sketch.decay, sketch.stored_cells(), sketch.stored_heap())
        for entry in sketch.heap:
            yield (entry.item or b"") + b"\0"

    @classmethod
    def load(cls, items: list[Any], version: int) -> TopKSketch:
        """Returns the sketch of such a sequence.  Raises ValueError if it is not valid."""
        if version > cls.VERSION:
            raise ValueError(f"the version {version} is not known")
        read = Reader(items)
        k, width, depth = (read.integer(1, MOST_DIMENSION) for _ in range(3))
        decay, cells, heap = read.number(), read.data(), read.data()
        return cls(TopK.load(k, width, depth, decay, cells, heap, [read.data() for _ in range(read.left())]))

    def memory(self) -> int:
        """The bytes of the counters, of the items, and an estimate of the objects around them."""
        sketch = self.sketch
        return 2500 + 4 * len(sketch.cells) + ENTRY_BYTES * sketch.k + sketch.item_bytes


def _checked(value: TopKSketch | None) -> TopK:
    if value is None:
        raise CommandError("TopK: key does not exist")
    return value.sketch


def _shown(item: bytes | None) -> bytes | None:
    """An item in a reply: as in Redis' module, it ends before its first zero byte."""
    return item if item is None else item.split(b"\0", 1)[0]


@topk("TOPK.RESERVE", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(1)")
def reserve(ctx: Client, key: bytes, number: bytes, *parameters: bytes) -> Reply:
    """TOPK.RESERVE key topk [width depth decay]

    Creates a sketch that finds the most frequent items.
    """
    if len(parameters) not in (0, 3):
        raise WrongArity("topk.reserve")
    if ctx.db.exists(key):
        raise CommandError("TopK: key already exists")
    k = integer(number, "TopK: invalid k")
    if k < 1:
        raise CommandError("TopK: invalid k")
    width, depth, decay = 8, 7, 0.9
    if parameters:
        width = integer(parameters[0], "TopK: invalid width")
        if not 1 <= width <= MOST_DIMENSION:
            raise CommandError("TopK: invalid width")
        depth = integer(parameters[1], "TopK: invalid depth")
        if not 1 <= depth <= MOST_DIMENSION:
            raise CommandError("TopK: invalid depth")
        error = "TopK: invalid decay value. must be '<= 1' & '> 0'"
        decay = float_number(parameters[2], error)
        if not 0 < decay <= 1:
            raise CommandError(error)
    try:
        sketch = TopK.create(k, width, depth, decay)
    except MemoryError:
        raise CommandError("ERR Insufficient memory to create topk data structure") from None
    ctx.db.add(key, TopKSketch(sketch))
    ctx.changed(key, "")
    return OK


@topk("TOPK.ADD", **_adds, complexity="O(n * k), where n is the number of items and k is the depth")
def add(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """TOPK.ADD key item [item ...]

    Counts items. Returns for each the item that is no longer among the most frequent ones for it, or null.
    """
    sketch = _checked(ctx.db.write(key, TopKSketch))
    replies: list[Reply] = [_shown(sketch.add(each, 1)) for each in (item, *items)]
    ctx.changed(key, "")
    return replies


@topk(
    "TOPK.INCRBY", **_adds, complexity="O(n * k * i), where n is the number of items, k the depth and i the increment"
)
def incrby(ctx: Client, key: bytes, item: bytes, increment: bytes, *more: bytes) -> Reply:
    """TOPK.INCRBY key item increment [item increment ...]

    Counts items as TOPK.ADD does, each with an increment. A bad increment ends the call.
    """
    if len(more) % 2:
        raise WrongArity("topk.incrby")
    sketch = _checked(ctx.db.write(key, TopKSketch))
    words = (item, increment, *more)
    replies: list[Reply] = []
    for each, word in zip(words[::2], words[1::2], strict=True):
        amount = integer_or_none(word)
        if amount is None or not 0 <= amount <= MOST_INCREMENT:
            replies.append(ErrorReply(_BAD_INCREMENT))
            break
        replies.append(_shown(sketch.add(each, amount)))
    ctx.changed(key, "")
    return replies


@topk("TOPK.QUERY", **_reads, complexity="O(n), where n is the number of items")
def query(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """TOPK.QUERY key item [item ...]

    Tells for each item whether it is among the most frequent ones.
    """
    sketch = _checked(ctx.db.read(key, TopKSketch))
    return [sketch.holds(each) for each in (item, *items)]


@topk("TOPK.COUNT", **_reads, complexity="O(n * k), where n is the number of items and k is the depth")
def count(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """TOPK.COUNT key item [item ...]

    Returns estimates of how often items were counted.
    """
    sketch = _checked(ctx.db.read(key, TopKSketch))
    return [sketch.count(each) for each in (item, *items)]


@topk("TOPK.LIST", **_reads, complexity="O(k * log(k)), where k is the number of items")
def ranking(ctx: Client, key: bytes, *keyword: bytes) -> Reply:
    """TOPK.LIST key [WITHCOUNT]

    Returns the most frequent items, the most frequent one first, and how often they were counted.
    """
    if len(keyword) > 1:
        raise WrongArity("topk.list")
    # As in Redis' module, the keyword may be cut off.
    if keyword and not b"WITHCOUNT".startswith(keyword[0].upper()):
        raise CommandError("WITHCOUNT keyword expected")
    found = _checked(ctx.db.read(key, TopKSketch)).ranking()
    if keyword:
        return [part for item, number in found for part in (_shown(item), number)]
    return [_shown(item) for item, _ in found]


@topk("TOPK.INFO", **_reads, complexity="O(1)")
def info(ctx: Client, key: bytes) -> Reply:
    """TOPK.INFO key

    Returns the parameters of a sketch.
    """
    sketch = _checked(ctx.db.read(key, TopKSketch))
    names = (Simple(b"k"), Simple(b"width"), Simple(b"depth"), Simple(b"decay"))
    facts = (sketch.k, sketch.width, sketch.depth, sketch.decay)
    return Pairs([part for pair in zip(names, facts, strict=True) for part in pair])
