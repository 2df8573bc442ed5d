"""TDIGEST.*: quantiles of observations."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isinf, isnan, nan
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
from twisted_redis.modules.probabilistic.arguments import place_of
from twisted_redis.modules.probabilistic.digest import MOST_WEIGHT, Digest, rounded, whole
from twisted_redis.modules.probabilistic.module import module

__all__ = ["TDigest"]

tdigest = module.group(acl=("@tdigest",), late_arity=True, since="2.4.0")

DEFAULT_COMPRESSION = 100

_MISSING = "ERR T-Digest: key does not exist"
_OVERFLOW = "ERR T-Digest: overflow detected"
_reads = {"flags": READONLY, "keys": first_key(RO | ACCESS)}


@module.type
class TDigest(OwnValue):
    """A t-digest."""

    TYPE = b"TDIS-TYPE"

    __slots__ = ("sketch",)

    def __init__(self, sketch: Digest) -> None:
        self.sketch = sketch

    def __len__(self) -> int:
        return len(self.sketch.means)

    def save(self) -> Iterator[int | float]:
        """Yields the fields in the order of Redis' module, after a compression.

        Redis' module does not store a single observation, which no compression merges.  But both ends are the same
        then, so ``load`` finds it there.
        """
        digest = self.sketch
        digest.compress()
        yield from (float(digest.compression), digest.least, digest.most, digest.capacity)
        yield from (digest.merged, digest.unmerged, digest.compressions)
        yield from (float(digest.merged_weight), float(digest.unmerged_weight))
        yield from digest.means[: digest.merged]
        yield from map(float, digest.weights[: digest.merged])

    @classmethod
    def load(cls, items: list[Any], version: int) -> TDigest:
        """Returns the digest of such a sequence.  Raises ValueError if it is not valid."""
        if version > cls.VERSION:
            raise ValueError(f"the version {version} is not known")
        read = Reader(items)
        compression = read.number()
        if not 1 <= compression < MOST_WEIGHT or int(compression) != compression:
            raise ValueError("the compression is not a positive integer")
        try:
            made = Digest(int(compression))
        except MemoryError:
            raise ValueError("the digest is too large") from None
        made.least, made.most = read.number(), read.number()
        read.integer(made.capacity, made.capacity)
        made.merged = read.integer(0, made.capacity)
        unmerged = read.integer(0, 0 if made.merged else 1)
        made.compressions = read.integer(0, MOST_WEIGHT)
        merged_weight, unmerged_weight = read.number(), read.number()
        made.means.extend([read.number() for _ in range(made.merged)])
        for _ in range(made.merged):
            weight = read.number()
            if not 1 <= weight < MOST_WEIGHT or int(weight) != weight:
                raise ValueError("a weight is not a positive integer")
            made.weights.append(int(weight))
        read.at_end()
        made.merged_weight = sum(made.weights)
        if float(made.merged_weight) != merged_weight or unmerged_weight != unmerged:
            raise ValueError("the weights do not fit together")
        if made.merged_weight > MOST_WEIGHT or isnan(made.least) or isnan(made.most):
            raise ValueError("the digest has impossible bounds")
        if unmerged:
            if made.least != made.most or isinf(made.least):
                raise ValueError("a single observation has two values")
            made.means.append(made.least)
            made.weights.append(1)
            made.unmerged_weight = 1
        return cls(made)

    def memory(self) -> int:
        """The bytes of the nodes, and an estimate of the objects around them."""
        return 450 + 18 * len(self.sketch.means)


def _checked(value: TDigest | None) -> Digest:
    if value is None:
        raise CommandError(_MISSING)
    return value.sketch


def _compression(word: bytes) -> int:
    found = integer(word, "ERR T-Digest: error parsing compression parameter")
    if found <= 0:
        raise CommandError("ERR T-Digest: compression parameter needs to be a positive integer")
    return found


@tdigest("TDIGEST.CREATE", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(1)")
def create(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """TDIGEST.CREATE key [COMPRESSION compression]

    Creates an empty t-digest.
    """
    if len(options) not in (0, 2):
        raise WrongArity("tdigest.create")
    if ctx.db.write(key, TDigest) is not None:
        raise CommandError("ERR T-Digest: key already exists")
    compression = DEFAULT_COMPRESSION
    if options:
        if place_of(b"COMPRESSION", options) < 0:
            raise CommandError("ERR T-Digest: wrong keyword")
        compression = _compression(options[1])
    try:
        made = Digest(compression)
    except MemoryError:
        raise CommandError("ERR T-Digest: allocation failed") from None
    ctx.db.add(key, TDigest(made))
    ctx.changed(key, "")
    return OK


@tdigest("TDIGEST.RESET", flags=WRITE | DENYOOM, keys=first_key(RW | UPDATE), complexity="O(1)")
def reset(ctx: Client, key: bytes) -> Reply:
    """TDIGEST.RESET key

    Removes all observations from a t-digest.
    """
    _checked(ctx.db.write(key, TDigest)).reset()
    ctx.changed(key, "")
    return OK


@tdigest(
    "TDIGEST.ADD",
    flags=WRITE | DENYOOM,
    keys=first_key(RW | UPDATE),
    complexity="O(n), where n is the number of values",
)
def add(ctx: Client, key: bytes, value: bytes, *values: bytes) -> Reply:
    """TDIGEST.ADD key value [value ...]

    Adds observations to a t-digest.
    """
    digest = _checked(ctx.db.write(key, TDigest))
    numbers = []
    for word in (value, *values):
        number = float_number(word, "ERR T-Digest: error parsing val parameter")
        if isinf(number):
            raise CommandError("ERR T-Digest: val parameter needs to be a finite number")
        numbers.append(number)
    if digest.observations + len(numbers) > MOST_WEIGHT:
        raise CommandError(_OVERFLOW)
    for number in numbers:
        digest.add(number, 1)
    ctx.changed(key, "")
    return OK


@tdigest(
    "TDIGEST.MERGE",
    flags=WRITE | DENYOOM,
    keys=(*first_key(RW | UPDATE), *counted_keys(RO | ACCESS, 2)),
    complexity="O(n * k), where n is the number of centroids and k the number of digests",
)
def merge(ctx: Client, destination: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """TDIGEST.MERGE destination numkeys source [source ...] [COMPRESSION compression] [OVERRIDE]

    Adds the centroids of t-digests to another one, which is created if it does not exist.
    """
    if not words:
        raise WrongArity("tdigest.merge")
    stored = ctx.db.write(destination, TDigest)
    length = integer(numkeys, "ERR T-Digest: error parsing numkeys")
    if length <= 0:
        raise CommandError("ERR T-Digest: numkeys needs to be a positive integer")
    if length > len(words):
        raise WrongArity("tdigest.merge")
    options = words[length:]
    # The compression is the one that is given, or that of the destination, or the greatest of the sources.
    compression = None if stored is None else stored.sketch.compression
    override = place_of(b"OVERRIDE", options) >= 0
    if override:
        compression = None
    at = place_of(b"COMPRESSION", options)
    if at >= 0:
        if at + 1 == len(options):
            raise WrongArity("tdigest.merge")
        compression = _compression(options[at + 1])
    elif options and not override:
        raise CommandError("ERR T-Digest: wrong keyword")
    sources = [_checked(stored if key == destination else ctx.db.read(key, TDigest)) for key in words[:length]]
    if compression is None:
        compression = max(source.compression for source in sources)
    try:
        made = Digest(compression)
    except MemoryError:
        raise CommandError("ERR T-Digest: allocation of destination digest failed") from None
    if stored is not None and not override:
        made.merge(stored.sketch)
    if not all(made.merge(source) for source in sources):
        raise CommandError(_OVERFLOW)
    ctx.db.set(destination, TDigest(made))
    ctx.changed(destination, "")
    return OK


@tdigest("TDIGEST.MIN", **_reads, complexity="O(1)")
def least(ctx: Client, key: bytes) -> Reply:
    """TDIGEST.MIN key

    Returns the least observation.
    """
    digest = _checked(ctx.db.read(key, TDigest))
    return digest.least if digest.observations else nan


@tdigest("TDIGEST.MAX", **_reads, complexity="O(1)")
def most(ctx: Client, key: bytes) -> Reply:
    """TDIGEST.MAX key

    Returns the greatest observation.
    """
    digest = _checked(ctx.db.read(key, TDigest))
    return digest.most if digest.observations else nan


def _ranks(ctx: Client, key: bytes, words: tuple[bytes, ...], *, reverse: bool) -> Reply:
    digest = _checked(ctx.db.read(key, TDigest))
    values = [float_number(word, "ERR T-Digest: error parsing value") for word in words]
    size = digest.observations
    replies: list[Reply] = []
    for value in values:
        if not size:
            replies.append(-2)
        elif value < digest.least:
            replies.append(size if reverse else -1)
        elif value > digest.most:
            replies.append(-1 if reverse else size)
        else:
            share = digest.cdf(value) * size
            replies.append(whole(rounded(size - rounded(share)) if reverse else rounded(share, down=True)))
    return replies


@tdigest("TDIGEST.RANK", **_reads, complexity="O(n), where n is the number of values")
def rank(ctx: Client, key: bytes, value: bytes, *values: bytes) -> Reply:
    """TDIGEST.RANK key value [value ...]

    Returns for each value how many observations are below it.
    """
    return _ranks(ctx, key, (value, *values), reverse=False)


@tdigest("TDIGEST.REVRANK", **_reads, complexity="O(n), where n is the number of values")
def revrank(ctx: Client, key: bytes, value: bytes, *values: bytes) -> Reply:
    """TDIGEST.REVRANK key value [value ...]

    Returns for each value how many observations are above it.
    """
    return _ranks(ctx, key, (value, *values), reverse=True)


def _by_ranks(ctx: Client, key: bytes, words: tuple[bytes, ...], *, reverse: bool) -> Reply:
    digest = _checked(ctx.db.read(key, TDigest))
    ranks = []
    for word in words:
        number = integer(word, "ERR T-Digest: error parsing rank")
        if number < 0:
            raise CommandError("ERR T-Digest: rank needs to be non negative")
        ranks.append(float(number))
    size = float(digest.observations)
    replies: list[Reply] = []
    for wanted in ranks:
        if not size:
            replies.append(nan)
        elif not wanted:
            replies.append(digest.most if reverse else digest.least)
        elif wanted >= size:
            replies.append(-inf if reverse else inf)
        else:
            replies.append(digest.quantile((size - wanted - 1 if reverse else wanted) / size))
    return replies


@tdigest("TDIGEST.BYRANK", **_reads, complexity="O(n), where n is the number of ranks")
def byrank(ctx: Client, key: bytes, rank: bytes, *ranks: bytes) -> Reply:
    """TDIGEST.BYRANK key rank [rank ...]

    Returns for each rank an estimate of the observation there.
    """
    return _by_ranks(ctx, key, (rank, *ranks), reverse=False)


@tdigest("TDIGEST.BYREVRANK", **_reads, complexity="O(n), where n is the number of ranks")
def byrevrank(ctx: Client, key: bytes, rank: bytes, *ranks: bytes) -> Reply:
    """TDIGEST.BYREVRANK key rank [rank ...]

    Returns for each rank from the greatest observation on an estimate of the observation there.
    """
    return _by_ranks(ctx, key, (rank, *ranks), reverse=True)


@tdigest("TDIGEST.QUANTILE", **_reads, complexity="O(n), where n is the number of quantiles")
def quantile(ctx: Client, key: bytes, quantile: bytes, *quantiles: bytes) -> Reply:
    """TDIGEST.QUANTILE key quantile [quantile ...]

    Returns for each quantile (0 to 1) an estimate of the value below which that share of the observations is.
    """
    digest = _checked(ctx.db.read(key, TDigest))
    shares = []
    for word in (quantile, *quantiles):
        share = float_number(word, "ERR T-Digest: error parsing quantile")
        if share < 0 or share > 1:
            raise CommandError("ERR T-Digest: quantile should be in [0,1]")
        shares.append(share)
    return [*digest.quantiles(shares)]


@tdigest("TDIGEST.CDF", **_reads, complexity="O(n), where n is the number of values")
def cdf(ctx: Client, key: bytes, value: bytes, *values: bytes) -> Reply:
    """TDIGEST.CDF key value [value ...]

    Returns for each value the share of the observations that are not above it.
    """
    digest = _checked(ctx.db.read(key, TDigest))
    numbers = [float_number(word, "ERR T-Digest: error parsing cdf") for word in (value, *values)]
    return [digest.cdf(number) for number in numbers]


@tdigest("TDIGEST.TRIMMED_MEAN", **_reads, complexity="O(n), where n is the number of centroids")
def trimmed_mean(ctx: Client, key: bytes, low: bytes, high: bytes) -> Reply:
    """TDIGEST.TRIMMED_MEAN key low_cut_quantile high_cut_quantile

    Returns an estimate of the mean of the observations between two quantiles.
    """
    digest = _checked(ctx.db.read(key, TDigest))
    begin = float_number(low, "ERR T-Digest: error parsing low_cut_percentile")
    end = float_number(high, "ERR T-Digest: error parsing high_cut_percentile")
    if not (0 <= begin <= 1 and 0 <= end <= 1):
        raise CommandError("ERR T-Digest: low_cut_percentile and high_cut_percentile should be in [0,1]")
    if begin >= end:
        raise CommandError("ERR T-Digest: low_cut_percentile should be lower than high_cut_percentile")
    return digest.trimmed_mean(begin, end)


@tdigest("TDIGEST.INFO", **_reads, complexity="O(1)")
def info(ctx: Client, key: bytes) -> Reply:
    """TDIGEST.INFO key

    Returns facts about a t-digest.
    """
    digest = _checked(ctx.db.read(key, TDigest))
    facts = {
        b"Compression": digest.compression,
        b"Capacity": digest.capacity,
        b"Merged nodes": digest.merged,
        b"Unmerged nodes": digest.unmerged,
        b"Merged weight": digest.merged_weight,
        b"Unmerged weight": digest.unmerged_weight,
        b"Observations": digest.observations,
        b"Total compressions": digest.compressions,
        b"Memory usage": 8 + 16 * digest.capacity,
    }
    return Pairs([part for name, fact in facts.items() for part in (Simple(name), fact)])
