"""BF.*: Bloom filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted_redis.extending import (
    ACCESS,
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
    ErrorReply,
    OwnValue,
    Pairs,
    Reader,
    Reply,
    Simple,
    WrongArity,
    WrongType,
    first_key,
    float_number,
    integer,
)
from twisted_redis.modules.probabilistic.arguments import letter, place_of
from twisted_redis.modules.probabilistic.bloom import (
    ADDED,
    FORCE_64,
    FULL,
    MOST_HASHES,
    MOST_LAYERS,
    NO_SCALING,
    STUCK,
    Chain,
    Layer,
)
from twisted_redis.modules.probabilistic.module import module

__all__ = ["BloomFilter"]

bf = module.group(acl=("@bloom",), late_arity=True)

_NOT_FOUND = "ERR not found"
_FULL = "ERR non scaling filter is full"
_STUCK = "ERR problem inserting into filter"
_reads = {"flags": READONLY | FAST, "keys": first_key(RO | ACCESS)}
_adds = {"flags": WRITE | DENYOOM, "keys": first_key(RW | ACCESS | INSERT)}


@module.type
class BloomFilter(OwnValue):
    """A scalable Bloom filter."""

    TYPE = b"MBbloom--"
    VERSION = 4

    __slots__ = ("chain",)

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    def __len__(self) -> int:
        return self.chain.count

    def save(self) -> Iterator[int | float | bytes]:
        """Yields the fields of the chain and of each layer in the order of Redis' module."""
        chain = self.chain
        yield from (chain.count, len(chain.layers), chain.options, chain.growth)
        for layer in chain.layers:
            yield from (layer.entries, layer.error, layer.hashes, layer.bits_per_entry, layer.total_bits)
            yield from (layer.log2_bits, bytes(layer.data), layer.count)

    @classmethod
    def load(cls, items: list[Any], version: int) -> BloomFilter:
        """Returns the filter of such a sequence, from version 0 on.  Raises ValueError if it is not valid."""
        if version > cls.VERSION:
            raise ValueError(f"the version {version} is not known")
        read = Reader(items)
        count = read.integer()
        length = read.integer(1, MOST_LAYERS)
        options = read.integer(0, 0xFFFFFFFF) if version >= 2 else 0
        growth = read.integer(0, 0xFFFFFFFF) if version >= 4 else 2
        layers: list[Layer] = []
        for _ in range(length):
            entries, error = read.integer(), read.number()
            hashes, per_entry = read.integer(1, MOST_HASHES), read.number()
            bits, log2_bits = (read.integer(), read.integer(0, 63)) if version else (int(entries * per_entry), 0)
            layer = Layer(entries, error, per_entry, hashes, bits, log2_bits, bytearray(read.data()), read.integer())
            layer.check()
            layers.append(layer)
        read.at_end()
        return cls(Chain(layers, count, options, growth))

    def memory(self) -> int:
        """The bytes of the bits, and an estimate of the objects around them."""
        return 200 + sum([300 + len(layer.data) for layer in self.chain.layers])


def _found(ctx: Client, key: bytes) -> Chain:
    value = ctx.db.read(key, BloomFilter)
    if value is None:
        raise CommandError(_NOT_FOUND)
    return value.chain


def _create(ctx: Client, key: bytes, entries: int, error: float, options: int, growth: int) -> Chain:
    """Stores a new filter, which does not grow if ``growth`` is 0; the caller reports the change."""
    try:
        chain = Chain.create(entries, error, options if growth else NO_SCALING, growth)
    except ValueError:
        raise CommandError("ERR could not create filter") from None
    except MemoryError:
        raise CommandError("ERR Insufficient memory to create filter") from None
    ctx.db.add(key, BloomFilter(chain))
    return chain


def _create_default(ctx: Client, key: bytes) -> Chain:
    config = ctx.config
    return _create(ctx, key, config.bf_initial_size, config.bf_error_rate, 0, config.bf_expansion_factor)


@bf("BF.RESERVE", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(1)")
def reserve(ctx: Client, key: bytes, error_rate: bytes, capacity: bytes, *options: bytes) -> Reply:
    """BF.RESERVE key error_rate capacity [EXPANSION expansion | NONSCALING]

    Creates an empty Bloom filter for a number of items and a rate of false positives.
    """
    if len(options) > 3:
        raise WrongArity("bf.reserve")
    error = float_number(error_rate, "ERR bad error rate")
    if error >= 1 or error <= 0:
        raise CommandError("ERR (0 < error rate range < 1) ")
    entries = integer(capacity, "ERR bad capacity")
    if entries <= 0:
        raise CommandError("ERR (capacity should be larger than 0)")
    # As in Redis, a keyword counts wherever it is, even as the key.
    words = (key, error_rate, capacity, *options)
    fixed = place_of(b"NONSCALING", words) >= 0
    expansion = ctx.config.bf_expansion_factor
    at = place_of(b"EXPANSION", words)
    if at == len(words) - 1:
        raise CommandError("ERR no expansion")
    if at >= 0:
        if fixed:
            raise CommandError("Nonscaling filters cannot expand")
        expansion = integer(words[at + 1], "ERR bad expansion")
        if expansion < 1:
            raise CommandError("ERR expansion should be greater or equal to 1")
    if ctx.db.write(key, BloomFilter) is not None:
        raise CommandError("ERR item exists")
    _create(ctx, key, entries, error, NO_SCALING if fixed else 0, expansion)
    ctx.changed(key, "")
    return OK


def _insert(ctx: Client, key: bytes, chain: Chain, items: tuple[bytes, ...]) -> Reply:
    """Adds the items up to one that finds the filter full."""
    replies: list[Reply] = []
    for item in items:
        result = chain.add(item)
        if result == FULL:
            replies.append(ErrorReply(_FULL.encode()))
            break
        replies.append(ErrorReply(_STUCK.encode()) if result == STUCK else result == ADDED)
    ctx.changed(key, "")
    return replies


@bf("BF.ADD", **_adds, complexity="O(k), where k is the number of hashes of the last layer")
def add(ctx: Client, key: bytes, item: bytes) -> Reply:
    """BF.ADD key item

    Adds an item to a Bloom filter, which is created if it does not exist.
    """
    value = ctx.db.write(key, BloomFilter)
    result = (_create_default(ctx, key) if value is None else value.chain).add(item)
    ctx.changed(key, "")
    if result < 0:
        raise CommandError(_FULL if result == FULL else _STUCK)
    return result == ADDED


@bf("BF.MADD", **_adds, complexity="O(k * n), where k is the number of hashes and n the number of items")
def madd(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """BF.MADD key item [item ...]

    Adds items to a Bloom filter, which is created if it does not exist.
    """
    value = ctx.db.write(key, BloomFilter)
    return _insert(ctx, key, _create_default(ctx, key) if value is None else value.chain, (item, *items))


@bf("BF.INSERT", **_adds, complexity="O(k * n), where k is the number of hashes and n the number of items")
def insert(ctx: Client, key: bytes, *words: bytes) -> Reply:
    """BF.INSERT key [CAPACITY capacity] [ERROR error] [EXPANSION exp] [NOCREATE] [NONSCALING] ITEMS item [item ...]

    Adds items to a Bloom filter, which is created with these parameters if it does not exist.
    """
    config = ctx.config
    entries, error, expansion = config.bf_initial_size, config.bf_error_rate, config.bf_expansion_factor
    creates, options = True, 0
    if len(words) < 2:
        raise WrongArity("bf.insert")
    at = 0
    items: tuple[bytes, ...] = ()
    while at < len(words) and not items:
        word = words[at]
        at += 1
        # As in Redis, the first letters of a keyword decide.
        first = letter(word, 0)
        if first == b"i":
            items = words[at:]
            break
        if first == b"n":
            if letter(word, 2) == b"c":
                creates = False
            else:
                options = NO_SCALING
            continue
        if first not in (b"e", b"c"):
            raise CommandError("Unknown argument received")
        if at == len(words):
            raise WrongArity("bf.insert")
        value = words[at]
        at += 1
        if first == b"c":
            entries = integer(value, "Bad capacity")
        elif letter(word, 1) == b"r":
            error = float_number(value, "Bad error rate")
        else:
            expansion = integer(value, "Bad expansion")
    if not items:
        raise WrongArity("bf.insert")
    if error <= 0 or error >= 1 or entries < 1 or expansion < min(1, config.bf_expansion_factor):
        raise CommandError("Bad argument received")
    stored = ctx.db.write(key, BloomFilter)
    if stored is not None:
        return _insert(ctx, key, stored.chain, items)
    if not creates:
        raise CommandError(_NOT_FOUND)
    return _insert(ctx, key, _create(ctx, key, entries, error, options, expansion), items)


@bf("BF.EXISTS", **_reads, complexity="O(k), where k is the number of hashes of all layers")
def exists(ctx: Client, key: bytes, item: bytes) -> Reply:
    """BF.EXISTS key item

    Tells whether an item has probably been added to a Bloom filter.
    """
    try:
        value = ctx.db.read(key, BloomFilter)
    except WrongType:
        return False
    return value is not None and value.chain.holds(item)


@bf("BF.MEXISTS", **_reads, complexity="O(k * n), where k is the number of hashes and n the number of items")
def mexists(ctx: Client, key: bytes, item: bytes, *items: bytes) -> Reply:
    """BF.MEXISTS key item [item ...]

    Tells for each item whether it has probably been added to a Bloom filter.
    """
    try:
        value = ctx.db.read(key, BloomFilter)
    except WrongType:
        value = None
    if value is None:
        return [False] * (1 + len(items))
    holds = value.chain.holds
    return [holds(each) for each in (item, *items)]


@bf("BF.CARD", **_reads, complexity="O(1)")
def card(ctx: Client, key: bytes) -> Reply:
    """BF.CARD key

    Returns the number of items that were added to a Bloom filter; 0 if it does not exist.
    """
    value = ctx.db.read(key, BloomFilter)
    return 0 if value is None else value.chain.count


@bf("BF.INFO", **_reads, complexity="O(1)")
def info(ctx: Client, key: bytes, *field: bytes) -> Reply:
    """BF.INFO key [CAPACITY | SIZE | FILTERS | ITEMS | EXPANSION]

    Returns facts about a Bloom filter: all of them, or the one that is named.
    """
    if len(field) > 1:
        raise WrongArity("bf.info")
    chain = _found(ctx, key)
    facts: dict[bytes, tuple[bytes, int | None]] = {
        b"capacity": (b"Capacity", chain.capacity),
        b"size": (b"Size", chain.size),
        b"filters": (b"Number of filters", len(chain.layers)),
        b"items": (b"Number of items inserted", chain.count),
        b"expansion": (b"Expansion rate", None if chain.options & NO_SCALING else chain.growth),
    }
    if field:
        fact = facts.get(field[0].lower())
        if fact is None:
            raise CommandError("Invalid information value")
        return Pairs([Simple(fact[0]), fact[1]]) if ctx.resp == 3 else [fact[1]]
    return Pairs([part for name, value in facts.values() for part in (Simple(name), value)])


@bf("BF.DEBUG", **_reads, complexity="O(n), where n is the number of layers")
def debug(ctx: Client, key: bytes) -> Reply:
    """BF.DEBUG key

    Returns a line about a Bloom filter, and one about each of its layers.
    """
    chain = _found(ctx, key)
    width = 64 if chain.options & FORCE_64 else 32
    return [
        b"size:%d" % chain.count,
        *(
            b"bytes:%d bits:%d hashes:%d hashwidth:%d capacity:%d size:%d ratio:%s"
            % (
                len(layer.data),
                layer.total_bits or layer.modulus,
                layer.hashes,
                width,
                layer.entries,
                layer.count,
                b"%g" % layer.error,
            )
            for layer in chain.layers
        ),
    ]


@bf("BF.SCANDUMP", **_reads, complexity="O(n), where n is the number of bytes")
def scandump(ctx: Client, key: bytes, iterator: bytes) -> Reply:
    """BF.SCANDUMP key iterator

    Returns the next iterator and a part of a dump of a Bloom filter. The dump begins with the iterator 0.
    """
    chain = _found(ctx, key)
    position = integer(iterator, "Second argument must be numeric")
    return [1, chain.header()] if position == 0 else list(chain.chunk(position))


@bf(
    "BF.LOADCHUNK",
    flags=WRITE | DENYOOM,
    keys=first_key(RW | UPDATE),
    complexity="O(n), where n is the number of bytes",
)
def loadchunk(ctx: Client, key: bytes, iterator: bytes, data: bytes) -> Reply:
    """BF.LOADCHUNK key iterator data

    Loads a part of a dump that BF.SCANDUMP has returned with this iterator.
    """
    position = integer(iterator, "ERR Second argument must be numeric")
    value = ctx.db.write(key, BloomFilter)
    if value is not None:
        error = value.chain.load_chunk(position, data)
        if error:
            raise CommandError(error)
    elif position != 1:
        raise CommandError(_NOT_FOUND)
    else:
        try:
            chain = Chain.from_header(data)
        except (ValueError, MemoryError):
            raise CommandError("ERR received bad data") from None
        ctx.db.add(key, BloomFilter(chain))
    ctx.changed(key, "")
    return OK
