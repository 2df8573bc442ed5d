"""CF.*: Cuckoo filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twisted_redis.extending import (
    ACCESS,
    DELETE,
    DENYOOM,
    FAST,
    INSERT,
    OK,
    READONLY,
    RO,
    RW,
    UPDATE,
    WRITE,
    Client,
    CommandError,
    OwnValue,
    Pairs,
    Reader,
    Reply,
    Simple,
    WrongArity,
    WrongType,
    first_key,
    integer,
    integer_in,
    integer_or_none,
)
from twisted_redis.modules.probabilistic.arguments import letter, place_of, signed
from twisted_redis.modules.probabilistic.cuckoo import (
    MOST_BUCKET_SIZE,
    MOST_PARTS,
    NO_MEMORY,
    NO_SPACE,
    Cuckoo,
    Part,
)
from twisted_redis.modules.probabilistic.module import module

__all__ = ["CuckooFilter"]

cf = module.group(acl=("@cuckoo",), late_arity=True)

_NOT_FOUND = "ERR not found"
_TOO_SMALL = "Capacity must be at least (BucketSize * 2)"
_reads = {"flags": READONLY | FAST, "keys": first_key(RO | ACCESS)}
_adds = {"flags": WRITE | DENYOOM, "keys": first_key(RW | ACCESS | INSERT)}


@module.type
class CuckooFilter(OwnValue):
    """A Cuckoo filter."""

    TYPE = b"MBbloomCF"
    VERSION = 4

    __slots__ = ("filter",)

    def __init__(self, filter: Cuckoo) -> None:
        self.filter = filter

    def __len__(self) -> int:
        return min(self.filter.count, 1 << 62)

    def save(self) -> Iterator[int | bytes]:
        """Yields the fields of the filter and of each part in the order of Redis' module."""
        value = self.filter
        yield from (len(value.parts), value.buckets, value.count, value.deleted)
        yield from (value.bucket_size, value.most_moves, value.expansion)
        for part in value.parts:
            yield from (part.buckets, bytes(part.data))

    @classmethod
    def load(cls, items: list[Any], version: int) -> CuckooFilter:
        """Returns the filter of such a sequence, from version 0 on.  Raises ValueError if it is not valid."""
        if version > cls.VERSION:
            raise ValueError(f"the version {version} is not known")
        read = Reader(items)
        length, buckets, count = read.integer(1, MOST_PARTS), read.integer(), read.integer(0)
        deleted, bucket_size, most_moves, expansion = 0, 2, 20, 1
        if version >= 4:
            deleted, bucket_size, most_moves, expansion = (read.integer(0) for _ in range(4))
        parts = [Part(read.integer() if version >= 4 else buckets, bytearray(read.data())) for _ in range(length)]
        read.at_end()
        made = Cuckoo(parts, buckets, count, deleted, bucket_size, most_moves, expansion & 0xFFFF)
        made.check()
        return cls(made)

    def memory(self) -> int:
        """The bytes of the slots, and an estimate of the objects around them."""
        return 250 + sum([150 + len(part.data) for part in self.filter.parts])


def _found(ctx: Client, key: bytes) -> Cuckoo:
    value = ctx.db.read(key, CuckooFilter)
    if value is None:
        raise CommandError(_NOT_FOUND)
    return value.filter


def _readable(ctx: Client, key: bytes) -> Cuckoo | None:
    """The filter; None also if the key holds another type."""
    try:
        value = ctx.db.read(key, CuckooFilter)
    except WrongType:
        return None
    return None if value is None else value.filter


def _writable(ctx: Client, key: bytes, error: str) -> Cuckoo:
    """The filter; raises ``error`` if there is none or if the key holds another type."""
    try:
        value = ctx.db.write(key, CuckooFilter)
    except WrongType:
        value = None
    if value is None:
        raise CommandError(error)
    return value.filter


def _create(ctx: Client, key: bytes, capacity: int, bucket_size: int, most_moves: int, expansion: int) -> Cuckoo:
    """Stores a new filter; the caller reports the change."""
    try:
        made = Cuckoo.create(capacity, bucket_size, most_moves, expansion)
    except MemoryError:
        raise CommandError("ERR Insufficient memory to create filter") from None
    ctx.db.add(key, CuckooFilter(made))
    return made


def _option(words: Sequence[bytes], keyword: str, default: int, least: int, most: int) -> int:
    """The value of an option of CF.RESERVE."""
    at = place_of(keyword.encode(), words)
    if at < 0:
        return default
    value = integer_or_none(words[at + 1]) if at + 1 < len(words) else None
    if value is None:
        raise CommandError(f"Couldn't parse {keyword}")
    if not least <= value <= most:
        raise CommandError(f"{keyword}: value must be an integer between {least} and {most}, inclusive.")
    return value


@cf("CF.RESERVE", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(1)")
def reserve(ctx: Client, key: bytes, capacity: bytes, *options: bytes) -> Reply:
    """CF.RESERVE key capacity [BUCKETSIZE bucketsize] [MAXITERATIONS maxiterations] [EXPANSION expansion]

    Creates an empty Cuckoo filter for a number of items.
    """
    if len(options) % 2:
        raise WrongArity("cf.reserve")
    entries = integer(capacity, "Bad capacity")
    # As in Redis, a keyword counts wherever it is, even as the key.
    words = (key, capacity, *options)
    config = ctx.config
    most_moves = _option(words, "MAXITERATIONS", config.cf_max_iterations, 1, 65535)
    bucket_size = _option(words, "BUCKETSIZE", config.cf_bucket_size, 1, MOST_BUCKET_SIZE)
    expansion = _option(words, "EXPANSION", config.cf_expansion_factor, 0, 32768)
    if bucket_size * 2 > entries:
        raise CommandError(_TOO_SMALL)
    if ctx.db.write(key, CuckooFilter) is not None:
        raise CommandError("ERR item exists")
    _create(ctx, key, entries, bucket_size, most_moves, expansion)
    ctx.changed(key, "")
    return OK


def _target(ctx: Client, key: bytes, capacity: int | None, *, creates: bool = True) -> Cuckoo:
    """The filter that takes new items, which is created if it does not exist."""
    value = ctx.db.write(key, CuckooFilter)
    config = ctx.config
    if value is None:
        if not creates:
            raise CommandError(_NOT_FOUND)
        size, moves, expansion = config.cf_bucket_size, config.cf_max_iterations, config.cf_expansion_factor
        return _create(ctx, key, capacity or config.cf_initial_size, size, moves, expansion)
    if len(value.filter.parts) >= config.cf_max_expansions:
        raise CommandError("Maximum expansions reached")
    return value.filter


def _add(ctx: Client, key: bytes, item: bytes, *, unique: bool) -> Reply:
    result = _target(ctx, key, None).insert(item, unique=unique)
    if result == NO_SPACE:
        raise CommandError("Filter is full")
    ctx.changed(key, "")
    if result == NO_MEMORY:
        raise CommandError("ERR Insufficient memory")
    return bool(result)


@cf("CF.ADD", **_adds, complexity="O(k + i), where k is the number of parts and i is maxiterations")
def add(ctx: Client, key: bytes, item: bytes) -> Reply:
    """CF.ADD key item

    Adds an item to a Cuckoo filter, which is created if it does not exist.
    """
    return _add(ctx, key, item, unique=False)


@cf("CF.ADDNX", **_adds, complexity="O(k + i), where k is the number of parts and i is maxiterations")
def addnx(ctx: Client, key: bytes, item: bytes) -> Reply:
    """CF.ADDNX key item

    Adds an item to a Cuckoo filter if it is not there yet.
    """
    return _add(ctx, key, item, unique=True)


def _insert(ctx: Client, name: str, key: bytes, words: Sequence[bytes], *, unique: bool) -> Reply:
    if len(words) < 2:
        raise WrongArity(name)
    capacity: int | None = None
    creates, at = True, 0
    while True:
        if at == len(words):
            raise WrongArity(name)
        # As in Redis, the first letter of a keyword decides.
        first = letter(words[at], 0)
        at += 1
        if first == b"i":
            break
        if first == b"n":
            creates = False
        elif first != b"c":
            raise CommandError("Unknown argument received")
        elif at == len(words):
            raise WrongArity(name)
        else:
            capacity = integer(words[at], "Bad capacity")
            at += 1
            if capacity < 2 * ctx.config.cf_bucket_size:
                raise CommandError(_TOO_SMALL)
    if at == len(words):
        raise WrongArity(name)
    target = _target(ctx, key, capacity, creates=creates)
    replies: list[Reply] = []
    for item in words[at:]:
        result = target.insert(item, unique=unique)
        if unique or ctx.resp != 3:
            replies.append(max(result, NO_SPACE))
        else:
            replies.append(result > 0)
    ctx.changed(key, "")
    return replies


@cf("CF.INSERT", **_adds, complexity="O(n * (k + i)), where n is the number of items and k the number of parts")
def insert(ctx: Client, key: bytes, *words: bytes) -> Reply:
    """CF.INSERT key [CAPACITY capacity] [NOCREATE] ITEMS item [item ...]

    Adds items to a Cuckoo filter, which is created with this capacity if it does not exist.
    """
    return _insert(ctx, "cf.insert", key, words, unique=False)


@cf("CF.INSERTNX", **_adds, complexity="O(n * (k + i)), where n is the number of items and k the number of parts")
def insertnx(ctx: Client, key: bytes, *words: bytes) -> Reply:
    """CF.INSERTNX key [CAPACITY capacity] [NOCREATE] ITEMS item [item ...]

    Adds the items that are not there yet to a Cuckoo filter, which is created if it does not exist.
    """
    return _insert(ctx, "cf.insertnx", key, words, unique=True)


@cf("CF.EXISTS", **_reads, complexity="O(k), where k is the number of parts")
def exists(ctx: Client, key: bytes, item: bytes) -> Reply:
    """CF.EXISTS key item

    Tells whether an item has probably been added to a Cuckoo filter.
    """
    value = _readable(ctx, key)
    return value is not None and value.holds(item)


@cf("CF.MEXISTS", **_reads, complexity="O(k * n), where k is the number of parts and n the number of items")
def mexists(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """CF.MEXISTS key item [item ...]

    Tells for each item whether it has probably been added to a Cuckoo filter.
    """
    value = _readable(ctx, key)
    return [value is not None and value.holds(each) for each in (item, *items)]


@cf("CF.COUNT", **_reads, complexity="O(k), where k is the number of parts")
def count(ctx: Client, key: bytes, item: bytes) -> Reply:
    """CF.COUNT key item

    Returns how often an item may have been added to a Cuckoo filter.
    """
    value = _readable(ctx, key)
    return 0 if value is None else value.occurrences(item)


@cf(
    "CF.DEL",
    flags=WRITE | FAST,
    keys=first_key(RW | ACCESS | DELETE),
    complexity="O(k), where k is the number of parts",
)
def delete(ctx: Client, key: bytes, item: bytes) -> Reply:
    """CF.DEL key item

    Removes one occurrence of an item from a Cuckoo filter.
    """
    found = _writable(ctx, key, "Not found").delete(item)
    ctx.changed(key, "")
    return found


@cf("CF.COMPACT", flags=WRITE | FAST, keys=first_key(RW | UPDATE), complexity="O(n), where n is the number of bytes")
def compact(ctx: Client, key: bytes) -> Reply:
    """CF.COMPACT key

    Moves items to the earliest part of a Cuckoo filter with room for them, and removes empty parts.
    """
    _writable(ctx, key, "Cuckoo filter was not found").compact(everything=True)
    ctx.changed(key, "")
    return OK


@cf("CF.SCANDUMP", **_reads, complexity="O(n), where n is the number of bytes")
def scandump(ctx: Client, key: bytes, iterator: bytes) -> Reply:
    """CF.SCANDUMP key iterator

    Returns the next iterator and a part of a dump of a Cuckoo filter. The dump begins with the iterator 0.
    """
    position = integer_in(iterator, 0, (1 << 63) - 1, "Invalid position")
    value = _found(ctx, key)
    if not value.count:
        return [0, None]
    return [1, value.header()] if position == 0 else list(value.chunk(position))


@cf(
    "CF.LOADCHUNK",
    flags=WRITE | DENYOOM,
    keys=first_key(RW | UPDATE),
    complexity="O(n), where n is the number of bytes",
)
def loadchunk(ctx: Client, key: bytes, iterator: bytes, data: bytes) -> Reply:
    """CF.LOADCHUNK key iterator data

    Loads a part of a dump that CF.SCANDUMP has returned with this iterator.
    """
    position = integer(iterator, "Invalid position")
    if position == 0:
        raise CommandError("Invalid position")
    value = ctx.db.write(key, CuckooFilter)
    if position == 1:
        if value is not None:
            raise CommandError("ERR item exists")
        if len(data) != 38:
            raise CommandError("Invalid header")
        try:
            made = Cuckoo.from_header(data)
        except (ValueError, MemoryError):
            raise CommandError("Couldn't create filter!") from None
        ctx.db.add(key, CuckooFilter(made))
    elif value is None:
        raise CommandError(_NOT_FOUND)
    elif not value.filter.load_chunk(position, data):
        raise CommandError("Couldn't load chunk!")
    ctx.changed(key, "")
    return OK


@cf("CF.INFO", **_reads, complexity="O(1)")
def info(ctx: Client, key: bytes) -> Reply:
    """CF.INFO key

    Returns facts about a Cuckoo filter.
    """
    value = _found(ctx, key)
    facts = {
        b"Size": value.size,
        b"Number of buckets": value.buckets,
        b"Number of filters": len(value.parts),
        b"Number of items inserted": signed(value.count),
        b"Number of items deleted": signed(value.deleted),
        b"Bucket size": value.bucket_size,
        b"Expansion rate": value.expansion,
        b"Max iterations": value.most_moves,
    }
    return Pairs([part for name, fact in facts.items() for part in (Simple(name), fact)])


@cf("CF.DEBUG", **_reads, complexity="O(1)")
def debug(ctx: Client, key: bytes) -> Reply:
    """CF.DEBUG key

    Returns a line about a Cuckoo filter.
    """
    value = _found(ctx, key)
    return b"bktsize:%d buckets:%d items:%d deletes:%d filters:%d max_iterations:%d expansion:%d" % (
        value.bucket_size,
        value.buckets,
        value.count,
        value.deleted,
        len(value.parts),
        value.most_moves,
        value.expansion,
    )
