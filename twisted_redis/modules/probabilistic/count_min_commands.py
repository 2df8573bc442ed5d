"""CMS.*: Count-Min sketches."""

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
    counted_keys,
    first_key,
    float_number,
    integer,
)
from twisted_redis.modules.probabilistic.arguments import place_of, signed
from twisted_redis.modules.probabilistic.count_min import (
    MOST_COUNT,
    CountMin,
    dimensions,
    load_words,
    stored_words,
)
from twisted_redis.modules.probabilistic.module import module

__all__ = ["CountMinSketch"]

cms = module.group(acl=("@cms",), late_arity=True, since="2.0.0")

_BAD_DIMENSIONS = "CMS: invalid init arguments"
_reads = {"flags": READONLY, "keys": first_key(RO | ACCESS)}
_creates = {"flags": WRITE | DENYOOM, "keys": first_key(RW | INSERT)}


@module.type
class CountMinSketch(OwnValue):
    """A Count-Min sketch."""

    TYPE = b"CMSk-TYPE"

    __slots__ = ("sketch",)

    def __init__(self, sketch: CountMin) -> None:
        self.sketch = sketch

    def __len__(self) -> int:
        return len(self.sketch.cells)

    def save(self) -> Iterator[int | bytes]:
        """Yields the fields in the order of Redis' module."""
        sketch = self.sketch
        yield from (sketch.width, sketch.depth, sketch.count, stored_words(sketch.cells))

    @classmethod
    def load(cls, items: list[Any], version: int) -> CountMinSketch:
        """Returns the sketch of such a sequence.  Raises ValueError if it is not valid."""
        if version > cls.VERSION:
            raise ValueError(f"the version {version} is not known")
        read = Reader(items)
        width, depth, count, data = read.integer(1), read.integer(1), read.integer(0), read.data()
        read.at_end()
        if len(data) != width * depth * 4:
            raise ValueError("the counters do not fit the dimensions")
        return cls(CountMin(width, depth, count, load_words(data)))

    def memory(self) -> int:
        """The bytes of the counters, and an estimate of the objects around them."""
        return 250 + 4 * len(self.sketch.cells)


def _checked(value: CountMinSketch | None) -> CountMin:
    if value is None:
        raise CommandError("CMS: key does not exist")
    return value.sketch


def _create(ctx: Client, key: bytes, width: int, depth: int) -> Reply:
    if not 0 < width * depth < 1 << 63:
        raise CommandError(_BAD_DIMENSIONS)
    try:
        sketch = CountMin.create(width, depth)
    except MemoryError:
        raise CommandError("CMS: Insufficient memory to create the key") from None
    ctx.db.add(key, CountMinSketch(sketch))
    ctx.changed(key, "")
    return OK


def _check_missing(ctx: Client, key: bytes) -> None:
    if ctx.db.exists(key):
        raise CommandError("CMS: key already exists")


@cms("CMS.INITBYDIM", **_creates, complexity="O(1)")
def initbydim(ctx: Client, key: bytes, width: bytes, depth: bytes) -> Reply:
    """CMS.INITBYDIM key width depth

    Creates an empty Count-Min sketch of these dimensions.
    """
    _check_missing(ctx, key)
    columns = integer(width, "CMS: invalid width")
    if columns < 1:
        raise CommandError("CMS: invalid width")
    rows = integer(depth, "CMS: invalid depth")
    if rows < 1:
        raise CommandError("CMS: invalid depth")
    return _create(ctx, key, columns, rows)


@cms("CMS.INITBYPROB", **_creates, complexity="O(1)")
def initbyprob(ctx: Client, key: bytes, error: bytes, probability: bytes) -> Reply:
    """CMS.INITBYPROB key error probability

    Creates an empty Count-Min sketch for a relative error and the probability of a greater error.
    """
    _check_missing(ctx, key)
    relative = float_number(error, "CMS: invalid overestimation value")
    if not 0 < relative < 1:
        raise CommandError("CMS: invalid overestimation value")
    chance = float_number(probability, "CMS: invalid prob value")
    if not 0 < chance < 1:
        raise CommandError("CMS: invalid prob value")
    try:
        width, depth = dimensions(relative, chance)
    except OverflowError:
        raise CommandError(_BAD_DIMENSIONS) from None
    return _create(ctx, key, width, depth)


@cms(
    "CMS.INCRBY",
    flags=WRITE | DENYOOM,
    keys=first_key(RW | ACCESS | UPDATE),
    complexity="O(n), where n is the number of items",
)
def incrby(ctx: Client, key: bytes, item: bytes, increment: bytes, *more: bytes) -> Reply:
    """CMS.INCRBY key item increment [item increment ...]

    Counts items, and returns their new estimates.
    """
    if len(more) % 2:
        raise WrongArity("cms.incrby")
    sketch = _checked(ctx.db.write(key, CountMinSketch))
    words = (item, increment, *more)
    amounts = []
    for word in words[1::2]:
        amount = integer(word, "CMS: Cannot parse number")
        if amount < 0:
            raise CommandError("CMS: Number cannot be negative")
        amounts.append(amount)
    replies: list[Reply] = []
    for each, amount in zip(words[::2], amounts, strict=True):
        estimate = sketch.add(each, amount)
        replies.append(ErrorReply(b"CMS: INCRBY overflow") if estimate == MOST_COUNT else estimate)
    ctx.changed(key, "")
    return replies


@cms("CMS.QUERY", **_reads, complexity="O(n), where n is the number of items")
def query(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """CMS.QUERY key item [item ...]

    Returns estimates of how often items were counted.
    """
    sketch = _checked(ctx.db.read(key, CountMinSketch))
    return [sketch.estimate(each) for each in (item, *items)]


@cms(
    "CMS.MERGE",
    flags=WRITE | DENYOOM,
    keys=(*first_key(RW | UPDATE), *counted_keys(RO | ACCESS, 2)),
    complexity="O(n), where n is the number of sketches",
)
def merge(ctx: Client, destination: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """CMS.MERGE destination numkeys source [source ...] [WEIGHTS weight [weight ...]]

    Makes an existing Count-Min sketch the weighted sum of others of the same dimensions.
    """
    if not words:
        raise WrongArity("cms.merge")
    target = _checked(ctx.db.write(destination, CountMinSketch))
    length = integer(numkeys, "CMS: invalid numkeys")
    if length <= 0:
        raise CommandError("CMS: Number of keys must be positive")
    at = place_of(b"WEIGHTS", words)
    if at < 0:
        if length != len(words):
            raise CommandError("CMS: wrong number of keys")
    elif at != length or len(words) != 1 + 2 * length:
        raise CommandError("CMS: wrong number of keys/weights")
    sources, weights = [], []
    for index in range(length):
        weights.append(1 if at < 0 else integer(words[length + 1 + index], "CMS: invalid weight value"))
        source = _checked(ctx.db.read(words[index], CountMinSketch))
        if source.width != target.width or source.depth != target.depth:
            raise CommandError("CMS: width/depth is not equal")
        sources.append(source)
    if not target.merge(sources, weights):
        raise CommandError("CMS: MERGE overflow")
    ctx.changed(destination, "")
    return OK


@cms("CMS.INFO", **_reads, complexity="O(1)")
def info(ctx: Client, key: bytes) -> Reply:
    """CMS.INFO key

    Returns the dimensions of a Count-Min sketch, and the sum of all increments.
    """
    sketch = _checked(ctx.db.read(key, CountMinSketch))
    names = (Simple(b"width"), Simple(b"depth"), Simple(b"count"))
    facts = (signed(sketch.width), signed(sketch.depth), signed(sketch.count))
    return Pairs([part for pair in zip(names, facts, strict=True) for part in pair])
