"""Writing a snapshot: the data of a server as one stream in the RDB format.

``write_snapshot`` knows no file.  It calls a function with pieces of about ``PIECE`` bytes, which may go to a file, a
pipe or a socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from twisted_redis.config import REDIS_VERSION
from twisted_redis.datatypes.order import RANDOM
from twisted_redis.engine.memory.usage import used_memory
from twisted_redis.keyspace.access import AccessCounts
from twisted_redis.keyspace.database import Database
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.persistence.legs import Legs
from twisted_redis.persistence.rdb import types
from twisted_redis.persistence.rdb.crc64 import behind_zeros, crc64
from twisted_redis.persistence.rdb.numbers import SHORT, time_bytes
from twisted_redis.persistence.rdb.records import (
    Key,
    aux_bytes,
    end_bytes,
    function_bytes,
    header_bytes,
    key_parts,
    select_bytes,
)
from twisted_redis.persistence.rdb.strings import string_bytes
from twisted_redis.persistence.rdb.table import SIMPLE_WRITERS, VERSIONED

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["PIECE", "delay", "facts", "lowest_version", "write_snapshot"]

PIECE = 1 << 18
"""The approximate size of a piece (bytes)."""

_SMALL_PIECE = 1 << 14
"""The size of a piece if each key is delayed."""

_BATCH = 256
"""The number of keys between two looks at the size of the gathered parts."""

_EXPIRE_MS = bytes((types.EXPIRE_TIME_MS,))
_END = bytes((types.EOF,))


def facts(
    engine: Engine, *, aof_base: bool = False, replication: Mapping[bytes, bytes] | None = None
) -> dict[bytes, bytes]:
    """Returns the fields at the beginning of every snapshot, in Redis' order.

    ``replication`` holds those with which a server that loads the snapshot can continue a replication stream:
    ``repl-stream-db``, ``repl-id``, ``repl-offset``.  By default the replication of the engine gives them.
    """
    if replication is None:
        replication = engine.replication.aux()
    return {
        b"redis-ver": REDIS_VERSION.encode(),
        b"redis-bits": b"64",
        b"ctime": b"%d" % time.time(),
        b"used-mem": b"%d" % used_memory(engine),
        **replication,
        b"aof-base": b"%d" % aof_base,
        **({b"cluster-asm-task": engine.cluster.snapshot_task} if engine.cluster.enabled else {}),
    }


def saved_text(databases: Iterable[Database], saved: int) -> str:
    """Returns how many keys were saved, and how many were not because their slots are leaving, for the log."""
    return f"{saved} keys saved, {sum(len(db.data) for db in databases) - saved} keys skipped"


def lowest_version(databases: Iterable[Database], legs: Legs | None = None) -> int:
    """Returns the lowest version of the format that holds all values, so that older servers can load the snapshot.

    With ``legs`` they read the values.
    """
    versioned = VERSIONED

    def lowest_of(values: Collection[Any]) -> int:
        lowest = types.OLDEST_TARGET
        # Most databases have no values of these classes.
        if not versioned.keys().isdisjoint({value.__class__ for value in values}):
            for value in values:
                version_of = versioned.get(value.__class__)
                if version_of is not None and (version := version_of(value)) > lowest:
                    lowest = version
                    if lowest == types.VERSION:
                        break
        return lowest

    def leg(legs: Legs, db: Database, place: int) -> tuple[int, int]:
        lowest = types.OLDEST_TARGET
        data = db.data
        for block in db.order.blocks(place):
            lowest = max(lowest, lowest_of([data[key] for key in block]))
            place += 1
            if lowest == types.VERSION or legs.is_over():
                break
        return place, lowest

    lowest = types.OLDEST_TARGET
    for db in databases:
        if legs is None:
            lowest = max(lowest, lowest_of(db.data.values()))
        else:
            place, end = 0, db.order.count_blocks()
            while place < end and lowest < types.VERSION:
                place, found = legs.run(leg, legs, db, place)
                lowest = max(lowest, found)
    return lowest


def write_snapshot(
    write: Callable[[bytes], object],
    databases: Sequence[Database],
    *,
    aux: Mapping[bytes, bytes],
    functions: Iterable[bytes] = (),
    version: int | None = None,
    compressed: bool = True,
    checksum: bool = True,
    policy: str = "",
    progress: Callable[[int], object] | None = None,
    key_delay: int = 0,
    legs: Legs | None = None,
    overwrite: Callable[[bytes], object] | None = None,
) -> int:
    """Calls ``write`` with the pieces of a snapshot; returns the number of its keys.

    ``aux`` holds its fields (see ``facts``), ``functions`` the code of each library.  ``version`` is that of the
    format, by default the lowest possible one.  ``policy`` (``maxmemory-policy``) decides whether idle times or
    frequencies of access are stored.  ``progress`` is called now and then with the number of keys so far.
    ``key_delay`` sleeps so many microseconds for each key, or, if negative, one microsecond for so many keys.
    With ``legs`` they read the data and call ``write``, whose effects must be outside the memory of the process.
    ``overwrite``, which a file has, puts bytes in the place of the first ones.  Then the header is corrected at the end
    if a value needs a newer version than the oldest.  Without it, all values are gone through once more to find out.
    """
    out = _Pieces(write, checksum, PIECE if not key_delay else _SMALL_PIECE)
    if version is None:
        if overwrite is None:
            version = lowest_version(databases, legs)
        else:
            version = out.needed = types.OLDEST_TARGET
    parts = out.parts
    parts.append(header_bytes(version))
    parts += [aux_bytes(name, value) for name, value in aux.items()]
    parts += [function_bytes(code, compressed) for code in functions]
    count = 0

    def add(db: Database, items: Iterable[tuple[bytes, Any]]) -> None:
        nonlocal count
        for batch in _batches(db, items, version, compressed, policy, out, key_delay):
            count += batch
            out.write_if_full()
            if progress is not None:
                progress(count)

    def leg(legs: Legs, db: Database, place: int) -> tuple[int, ...]:
        for items in _blocks_of_items(db, place):
            add(db, items)
            place += 1
            if legs.is_over():
                break
        out.flush()
        return place, count, out.crc, out.written, out.needed

    for db in databases:
        if not db.data:
            continue
        parts.append(select_bytes(db.index, len(db.data), len(db.expires)))
        if legs is None:
            add(db, db.items_to_save())
        else:
            place, end = 0, db.order.count_blocks()
            while place < end:
                place, count, out.crc, out.written, out.needed = legs.run(leg, legs, db, place)
                parts.clear()
                if progress is not None:
                    progress(count)
    if overwrite is not None and out.needed > version:
        out.flush()
        overwrite(out.replace(header_bytes(version), header_bytes(out.needed)))
    out.end()
    return count


def _blocks_of_items(db: Database, start: int) -> Iterator[Iterable[tuple[bytes, Any]]]:
    """Yields the keys and values for a file, in blocks, ``start`` of which are left out."""
    data = db.data
    look_up = data.__getitem__
    leaving = db.slots.leaving if db.slots is not None else None
    for block in db.order.blocks(start):
        if leaving:
            yield [(key, data[key]) for key in block if key_slot(key) not in leaving]
        else:
            # All values at once: the processor waits for the memory of many of them at the same time.
            yield zip(block, list(map(look_up, block)), strict=True)


class _Pieces:
    """Gathers parts into pieces of a given size, and computes the checksum."""

    __slots__ = ("_checksum", "_counted", "_gathered", "_size", "_write", "crc", "needed", "parts", "written")

    def __init__(self, write: Callable[[bytes], object], checksum: bool, size: int) -> None:
        self._write = write
        self._checksum = checksum
        self.crc = 0
        #: The number of bytes that were written.
        self.written = 0
        #: The newest version of the format that a value has needed so far; 0 if nobody wants to know.
        self.needed = 0
        self._size = size
        # How many of the parts have been counted, and their bytes.
        self._counted = self._gathered = 0
        self.parts: list[bytes] = []

    def write_if_full(self) -> None:
        """Writes the gathered parts if they fill a piece."""
        parts = self.parts
        self._gathered += sum(map(len, islice(parts, self._counted, None)))
        self._counted = len(parts)
        if self._gathered >= self._size:
            self.flush()

    def flush(self) -> None:
        """Writes the gathered parts."""
        piece = b"".join(self.parts)
        self.parts.clear()
        self._counted = self._gathered = 0
        if self._checksum:
            self.crc = crc64(piece, self.crc)
        self.written += len(piece)
        self._write(piece)

    def replace(self, old: bytes, new: bytes) -> bytes:
        """Returns ``new``, and has the checksum count it in the place of ``old``, as long, at the beginning."""
        if self._checksum:
            self.crc ^= behind_zeros(crc64(old) ^ crc64(new), self.written - len(old))
        return new

    def end(self) -> None:
        """Writes the rest and the end of the snapshot."""
        self.parts.append(_END)
        self.flush()
        self._write(end_bytes(self.crc)[1:])


def _batches(
    db: Database,
    items: Iterable[tuple[bytes, Any]],
    version: int,
    compressed: bool,
    policy: str,
    out: _Pieces,
    key_delay: int,
) -> Iterator[int]:
    """Adds keys of a database to the parts of ``out`` in batches; yields the number of keys in each batch."""
    expires = db.expires
    parts = out.parts
    append = parts.append
    short = SHORT
    with_idle = "lru" in policy
    with_frequency = "lfu" in policy and isinstance(db.access_log, AccessCounts)
    noted = with_idle or with_frequency
    left = batch = _BATCH if not key_delay else 1
    versioned = VERSIONED if out.needed else {}
    writers = {} if noted or version == types.VALKEY_VERSION else SIMPLE_WRITERS
    for key, value in items:
        size = len(key)
        cls = value.__class__
        # Most keys by far are of the first two kinds, so they are spelled out: the calls would take more time than the
        # work.
        if cls is bytes and not noted:
            if key in expires:
                append(_EXPIRE_MS + time_bytes(expires[key].time(key)))
            if size < 21 and (size > 11 or key >= b":"):
                append(b"\0" + short[size] + key)
            else:
                append(b"\0" + string_bytes(key, compressed))
            size = len(value)
            if size < 21 and (size > 11 or value >= b":"):
                append(short[size] + value)
            else:
                append(string_bytes(value, compressed))
        else:
            enough = version
            if cls in versioned and (least := versioned[cls](value)) > version:
                enough = least
                out.needed = max(out.needed, least)
            if (write := writers.get(cls)) is not None:
                if key in expires:
                    append(_EXPIRE_MS + time_bytes(expires[key].time(key)))
                kind, stored = write(value, enough, compressed)
                if size < 21 and (size > 11 or key >= b":"):
                    append(short[kind] + short[size] + key)
                else:
                    append(short[kind] + string_bytes(key, compressed))
                parts += stored
            else:
                idle = db.idle_seconds(key) if with_idle else None
                often = db.frequency(key) if with_frequency else None
                parts += key_parts(Key(key, value, db.expiry(key), idle, often), enough, compressed)
        left -= 1
        if not left:
            yield batch
            left = batch
            if key_delay:
                delay(key_delay)
    if left != batch:
        yield batch - left


def delay(microseconds: int) -> None:
    """Sleeps ``delay`` microseconds, or, if negative, one microsecond in one of so many calls (for tests)."""
    if microseconds < 0:
        microseconds = 0 if RANDOM.randrange(-microseconds) else 1
    if microseconds:
        time.sleep(microseconds / 1_000_000)
