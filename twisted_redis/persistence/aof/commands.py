"""Values as the commands that make them: what a rewritten file holds where it is no snapshot.

The commands are those that Redis writes, so that older servers load such a file, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.set import Set
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_ids import id_text
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.effect_encoder import select
from twisted_redis.persistence.rdb.payload import dump
from twisted_redis.persistence.saving import delay
from twisted_redis.resp.accelerated import pack_bulks
from twisted_redis.resp.doubles import double_text

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["key_commands", "timestamp", "write_commands"]

ITEMS = 64
"""Elements of a value that one command adds."""

PIECE = 1 << 18
"""Bytes that are handed on together, about."""


def timestamp(seconds: int) -> bytes:
    """The note that what follows was written at a time (s)."""
    return b"#TS:%d\r\n" % seconds


def key_commands(key: bytes, value: Any, expire: int | None, add: Callable[[bytes], object]) -> None:
    """Gives ``add`` the commands, encoded, that make ``value`` at ``key``, expiring at ``expire`` (ms)."""
    if isinstance(value, bytes | bytearray):
        add(pack_bulks((b"SET", key, bytes(value))))
    elif isinstance(value, List):
        _adding(add, (b"RPUSH", key), value)
    elif isinstance(value, Set):
        _adding(add, (b"SADD", key), value)
    elif isinstance(value, ZSet):
        pairs = ((double_text(score), member) for member, score in value.scores.items())
        _adding(add, (b"ZADD", key), chain.from_iterable(pairs), 2)
    elif isinstance(value, Hash):
        _hash(key, value, add)
    elif isinstance(value, Stream):
        _stream(key, value, add)
    elif isinstance(value, OwnValue):
        add(pack_bulks((b"RESTORE", key, b"0", dump(value))))
    else:
        raise TypeError(f"{value.__class__.__name__} is no value of a key")
    if expire is not None:
        add(pack_bulks((b"PEXPIREAT", key, b"%d" % expire)))


def _adding(add: Callable[[bytes], object], head: tuple[bytes, ...], items: Iterable[bytes], width: int = 1) -> None:
    rest = iter(items)
    while some := tuple(islice(rest, ITEMS * width)):
        add(pack_bulks(head + some))


def _hash(key: bytes, value: Hash, add: Callable[[bytes], object]) -> None:
    if not value.times:
        _adding(add, (b"HMSET", key), chain.from_iterable(value.fields.items()), 2)
        return
    times = value.times
    for field, content in value.fields.items():
        add(pack_bulks((b"HMSET", key, field, content)))
        when = times.get(field)
        if when is not None:
            add(pack_bulks((b"HPEXPIREAT", key, b"%d" % when, b"FIELDS", b"1", field)))


def _stream(key: bytes, value: Stream, add: Callable[[bytes], object]) -> None:
    if value.length:
        for ms, sequence, row in value.range():
            add(pack_bulks((b"XADD", key, b"%d-%d" % (ms, sequence), *row)))
    else:
        # A stream may be there without entries: one is added and trimmed away at once.
        add(pack_bulks((b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y")))
    add(
        pack_bulks(
            (
                b"XSETID",
                key,
                id_text(value.last_id),
                b"ENTRIESADDED",
                b"%d" % value.entries_added,
                b"MAXDELETEDID",
                id_text(value.max_deleted_id),
            )
        )
    )
    for name, group in value.groups.items():
        last = id_text(group.last_id)
        add(pack_bulks((b"XGROUP", b"CREATE", key, name, last, b"ENTRIESREAD", b"%d" % group.entries_read)))
        for consumer in group.consumers.values():
            if not consumer.pending_count:
                add(pack_bulks((b"XGROUP", b"CREATECONSUMER", key, name, consumer.name)))
            for entry_id, (_, delivered, count) in group.pending_of(consumer):
                claim = (b"XCLAIM", key, name, consumer.name, b"0", id_text(entry_id))
                details = (b"TIME", b"%d" % delivered, b"RETRYCOUNT", b"%d" % count, b"JUSTID", b"FORCE")
                add(pack_bulks(claim + details))


def write_commands(
    write: Callable[[bytes], object],
    databases: Sequence[Database],
    *,
    functions: Iterable[bytes] = (),
    at: int | None = None,
    progress: Callable[[int], object] | None = None,
    key_delay: int = 0,
) -> int:
    """Hands the commands that make everything to ``write`` in pieces; gives the number of keys.

    ``functions`` are the codes of libraries, ``at`` is the time (s) for a note of it at the beginning.  ``progress``
    is told of the number of keys so far; ``key_delay`` slows down as in ``saving``.
    """
    parts: list[bytes] = []
    if at is not None:
        parts.append(timestamp(at))
    parts += [pack_bulks((b"FUNCTION", b"LOAD", code)) for code in functions]
    count = 0
    for db in databases:
        if db.data:
            parts.append(select(db.index))
        for _ in _keys(db, parts.append, key_delay):
            count += 1
            if not count & 63 or key_delay:
                if sum(map(len, parts)) >= PIECE or key_delay:
                    write(b"".join(parts))
                    parts.clear()
                if progress is not None:
                    progress(count)
    write(b"".join(parts))
    return count


def _keys(db: Database, add: Callable[[bytes], object], key_delay: int) -> Iterator[None]:
    expires = db.expires
    for key, value in db.data.items():
        key_commands(key, value, expires.get(key), add)
        yield
        if key_delay:
            delay(key_delay)
