"""A series: its chunks, its options and its rules.

A series knows the key at which it is, since its stored form and the series at the other end of a rule name that key.
Methods of the class change only this one series; ``rules`` carries changes on to the series of the rules.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from twisted_redis.extending import OwnValue, Reader
from twisted_redis.modules.timeseries.aggregators import NAMES, NUMBERS, load_aggregator, new_aggregator
from twisted_redis.modules.timeseries.chunks import Chunk, PackedChunk, PlainChunk, Resolve
from twisted_redis.modules.timeseries.labels import Indexes, Labels
from twisted_redis.modules.timeseries.module import module

__all__ = ["COMPRESSED", "POLICIES", "UNCOMPRESSED", "Rule", "Series"]

#: The options of a series in the stored form.
UNCOMPRESSED, COMPRESSED = 1, 2
#: What happens to a sample at a time that has one already, by the numbers in the stored form; 0 is up to the server.
POLICIES = (b"", b"block", b"last", b"first", b"min", b"max", b"sum")
#: A chunk whose size exceeds the limit by this factor is split.
SPLIT_FACTOR = 1.2

_MASK = (1 << 64) - 1
#: The version of files of Redis 8.8.  Its only difference is a number in the rules.
_LATEST_VERSION = 9
_MOST_INT64 = (1 << 63) - 1
_MOST_CHUNK = 1 << 20
_MOST_RULES = 1 << 16
_MOST_LABELS = 1 << 20
_RULE_STRUCT = 64
_LABEL_STRUCT = 16
_POINTER = 8


class Rule:
    """Compacts the samples of a series into another one, ``target``: each bucket of ``duration`` ms gives one sample.

    ``bucket`` is the start of the bucket that ``aggregator`` is in, or None before its first sample.
    """

    __slots__ = ("aggregator", "alignment", "bucket", "duration", "name", "target")

    def __init__(self, target: bytes, name: bytes, duration: int, alignment: int) -> None:
        self.target = target
        self.name = name
        self.duration = duration
        self.alignment = alignment
        self.bucket: int | None = None
        self.aggregator = new_aggregator(name)

    def bucket_of(self, time: int) -> int:
        """Returns the start of the bucket of a time.  The first bucket may start before 0."""
        return time - (time - self.alignment) % self.duration

    def save(self) -> Iterator[int | float | bytes]:
        """Yields the stored form."""
        yield self.target
        yield self.duration
        yield self.alignment
        yield NAMES[self.name]
        yield _MASK if self.bucket is None else self.bucket
        yield from self.aggregator.save()

    @classmethod
    def load(cls, read: Reader, version: int) -> Rule:
        """Returns the rule of a stored form; raises ValueError if it is not valid."""
        target = read.data()
        duration = read.integer(1, _MOST_INT64)
        alignment = read.integer(0, _MOST_INT64) if version >= 6 else 0
        number = read.integer(1, len(NUMBERS))
        bucket = read.integer(0, _MASK)
        if version >= 9:
            read.integer(0, _MASK)  # whether the bucket has a sample that is a number
        made = cls(target, NUMBERS[number][0], duration, alignment)
        made.bucket = None if bucket == _MASK else bucket
        made.aggregator = load_aggregator(made.name, read, version)
        return made


@module.type
class Series(OwnValue):
    """A time series.

    ``last_time`` and ``last_value`` belong to the sample that was appended last.  ``policy`` is an index of
    ``POLICIES``.  ``source`` is the key of the series whose rule fills this one.
    """

    TYPE = b"TSDB-TYPE"
    VERSION = 8

    __slots__ = (
        "bytes",
        "chunk_size",
        "chunks",
        "ignore_time",
        "ignore_value",
        "is_ahead",
        "key",
        "labels",
        "last",
        "last_time",
        "last_value",
        "options",
        "policy",
        "retention",
        "rules",
        "source",
        "total",
    )

    def __init__(self, key: bytes, chunk_size: int, options: int = COMPRESSED) -> None:
        self.key = key
        self.chunk_size = chunk_size
        self.options = options if options & UNCOMPRESSED else options | COMPRESSED
        self.retention = 0
        self.policy = 0
        self.ignore_time = 0
        self.ignore_value = 0.0
        self.labels: Labels = ()
        self.rules: list[Rule] = []
        self.source: bytes | None = None
        self.last_time = 0
        self.last_value = 0.0
        self.total = 0
        #: Whether there may be samples behind ``last_time``: a rule can insert them.
        self.is_ahead = False
        #: The bytes that the chunks take in Redis.
        self.bytes = 0
        self.chunks: list[Chunk] = []
        self.last = self._new_chunk()

    def __len__(self) -> int:
        return self.total

    def _new_chunk(self) -> Chunk:
        """Adds an empty chunk at the end."""
        made: Chunk = (PlainChunk if self.options & UNCOMPRESSED else PackedChunk)(self.chunk_size)
        self.chunks.append(made)
        self.bytes += made.size + made.STRUCT
        self.last = made
        return made

    # samples

    def append(self, time: int, value: float) -> None:
        """Adds a sample behind ``last_time``."""
        chunk = self.last
        times = chunk.times
        if len(times) < chunk.room and not self.is_ahead:
            # Most samples take this way.
            times.append(time)
            chunk.values.append(value)
            self.total += 1
        else:
            self._append(time, value)
        self.last_time = time
        self.last_value = value

    def _append(self, time: int, value: float) -> None:
        """As ``append``, where the chunk may be full, or a rule may have inserted samples behind ``last_time``."""
        if self.is_ahead and time <= self.last.last:
            self.upsert(time, value, _keep_new)
            return
        self.is_ahead = False
        if not self.last.append(time, value):
            self._forget_old()
            self._new_chunk().append(time, value)
        self.total += 1

    def _forget_old(self) -> None:
        """Drops the chunks whose samples are all older than the retention."""
        least = self.last_time - self.retention
        if self.retention and least > 0:
            chunks = self.chunks
            dropped = 0
            while dropped < len(chunks) - 1 and chunks[dropped].last < least:
                self.total -= len(chunks[dropped])
                self.bytes -= chunks[dropped].size + chunks[dropped].STRUCT
                dropped += 1
            del chunks[:dropped]

    def upsert(self, time: int, value: float, resolve: Resolve) -> None:
        """Inserts a sample, or merges it with the one of the same time by ``resolve``, which may raise an error."""
        chunks = self.chunks
        place = len(chunks) - 1
        if place and time < self.last.first:
            place = self.chunk_at(time)
        chunk = chunks[place]
        before = chunk.size
        if chunk.size > self.chunk_size * SPLIT_FACTOR and len(chunk) > 1:
            made = chunk.split()
            chunks.insert(place + 1, made)
            if chunk is self.last:
                self.last = made
            self.bytes += chunk.size - before + made.size + made.STRUCT
            if time >= made.first:
                chunk = made
            before = chunk.size
        added, value = chunk.upsert(time, value, resolve)
        self.bytes += chunk.size - before
        self.total += added
        if time == self.last_time:
            self.last_value = value
        elif time > self.last_time:
            self.is_ahead = True

    def delete(self, start: int, end: int) -> int:
        """Deletes the samples from ``start`` to ``end``; returns how many there were."""
        chunks = self.chunks
        deleted = 0
        place = 0
        while place < len(chunks):
            chunk = chunks[place]
            count = len(chunk)
            if not count or chunk.first > end:
                break
            if chunk.last < start:
                place += 1
            elif chunk.first >= start and chunk.last <= end and count + deleted != self.total and len(chunks) > 1:
                del chunks[place]
                self.bytes -= chunk.size + chunk.STRUCT
                deleted += count
            else:
                before = chunk.size
                deleted += chunk.delete(start, end)
                self.bytes += chunk.size - before
                place += 1
        self.last = chunks[-1]
        self.total -= deleted
        if start <= self.last_time <= end:
            self.last_time = self.last.last if len(self.last) else 0
            self.last_value = self.last.last_value if len(self.last) else 0.0
        return deleted

    def chunk_at(self, time: int) -> int:
        """Returns the place of the last chunk that begins at ``time`` or before; 0 if none does."""
        return max(0, bisect_right(self.chunks, time, key=_first) - 1)

    def first_kept(self) -> tuple[int, int]:
        """Returns the time of the first sample that the retention keeps, and how many samples are older."""
        least = self.last_time - self.retention if self.retention else 0
        if least <= 0:
            return self.chunks[0].first, 0
        older = 0
        for chunk in self.chunks:
            if chunk.last >= least:
                times, _ = chunk.samples()
                skipped = bisect_left(times, least)
                return times[skipped], older + skipped
            older += len(chunk)
        return self.last.last, older

    # for the server

    def arrived(self, server: Any, db: int, key: bytes) -> None:
        """Tells the index of the key.  After RENAME, also tells the series at the other ends of the rules."""
        data = server.databases[db].data
        if key != self.key and data.get(self.key) is self:
            self._rename(data, key)
        self.key = key
        indexes: Indexes = module.state_of(server)
        indexes.of(db).put(key, self.labels)

    def left(self, server: Any, db: int, key: bytes) -> None:
        """Tells the index that the key is gone."""
        indexes: Indexes = module.state_of(server)
        indexes.of(db).drop(key)

    def _rename(self, data: dict[bytes, Any], key: bytes) -> None:
        source = None if self.source is None else data.get(self.source)
        if isinstance(source, Series):
            for rule in source.rules:
                if rule.target == self.key:
                    rule.target = key
        for rule in self.rules:
            target = data.get(rule.target)
            if isinstance(target, Series) and target.source == self.key:
                target.source = key

    def save(self) -> Iterator[int | float | bytes]:
        """Yields the stored form, with the rules and the source."""
        return self._save(linked=True)

    def dump(self) -> Iterator[int | float | bytes]:
        """Yields the stored form for another place, where the series of the rules may not be."""
        return self._save(linked=False)

    def _save(self, *, linked: bool) -> Iterator[int | float | bytes]:
        yield self.key
        yield self.retention
        yield self.chunk_size
        yield self.options
        yield self.last_time
        yield self.last_value
        yield self.total
        yield self.policy
        if linked and self.source is not None:
            yield 1
            yield self.source
        else:
            yield 0
        yield self.ignore_time
        yield self.ignore_value
        yield len(self.labels)
        for pair in self.labels:
            yield from pair
        rules = self.rules if linked else []
        yield len(rules)
        for rule in rules:
            yield from rule.save()
        yield len(self.chunks)
        for chunk in self.chunks:
            yield from chunk.save()

    @classmethod
    def load(cls, items: list[Any], version: int) -> Series:
        """Returns the series of a stored form; raises ValueError if it is not valid."""
        if not 2 <= version <= _LATEST_VERSION:
            raise ValueError(f"series of the version {version} are not known")
        read = Reader(items)
        key = read.data()
        retention = read.integer(0, _MOST_INT64)
        chunk_size = read.integer(0, _MOST_CHUNK)
        made = cls(key, chunk_size, read.integer(0, UNCOMPRESSED | COMPRESSED))
        made.retention = retention
        made.last_time = read.integer(0, _MASK)
        made.last_value = read.number()
        made.total = read.integer(0, _MASK)
        made.policy = read.integer(0, len(POLICIES) - 1) if version >= 3 else 0
        if read.integer(0, 1):
            made.source = read.data()
        if version >= 8:
            made.ignore_time = read.integer(0, _MOST_INT64)
            made.ignore_value = read.number()
        made.labels = tuple((read.data(), read.data()) for _ in range(read.integer(0, _MOST_LABELS)))
        made.rules = [Rule.load(read, version) for _ in range(read.integer(0, _MOST_RULES))]
        kind = PlainChunk if made.options & UNCOMPRESSED else PackedChunk
        made.chunks = [kind.load(read) for _ in range(read.integer(1, len(items)))]
        read.at_end()
        made.last = made.chunks[-1]
        made.is_ahead = made.last.last > made.last_time
        made.bytes = sum(chunk.size + chunk.STRUCT for chunk in made.chunks)
        _check(made)
        return made

    def copy(self) -> Series:
        """Returns an independent copy, which is neither the source nor the target of a rule."""
        made = Series(self.key, self.chunk_size, self.options)
        for name in ("retention", "policy", "ignore_time", "ignore_value", "labels"):
            setattr(made, name, getattr(self, name))
        for name in ("last_time", "last_value", "total", "bytes", "is_ahead"):
            setattr(made, name, getattr(self, name))
        made.chunks = [chunk.copy() for chunk in self.chunks]
        made.last = made.chunks[-1]
        return made

    def usage(self) -> int:
        """Returns the size in bytes that TS.INFO gives."""
        labels = sum(len(name) + len(value) + 2 + _LABEL_STRUCT for name, value in self.labels)
        return _POINTER + _RULE_STRUCT * len(self.rules) + labels + self.bytes

    def memory(self) -> int:
        """The approximate size in bytes.  A packed chunk takes at most the bytes that it has in Redis."""
        return self.usage() + 64

    def digest(self) -> Iterator[int | float | bytes]:
        """Yields the stored form without the key, so that equal series at two keys have the same digest."""
        items = self._save(linked=True)
        next(items)
        return items


def _keep_new(before: float, value: float) -> float:
    return value


def _first(chunk: Chunk) -> int:
    return chunk.first


def _check(series: Series) -> None:
    """Raises ValueError unless the chunks of a loaded series stand in order and have samples."""
    chunks = series.chunks
    if sum(map(len, chunks)) != series.total:
        raise ValueError("a series does not have as many samples as it states")
    if len(chunks) > 1 and not all(map(len, chunks)):
        raise ValueError("a series has an empty chunk")
    if any(after.first < before.first for before, after in pairwise(chunks)):
        raise ValueError("the chunks of a series are not in order")
