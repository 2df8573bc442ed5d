"""Encodes values as the commands that create them, for a base file that is not a snapshot.

The commands are the same as those of Redis, so older servers can load such a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.table import type_of
from twisted_redis.engine.effect_encoder import select
from twisted_redis.persistence.rdb.payload import dump
from twisted_redis.persistence.saving import delay
from twisted_redis.resp.accelerated import pack_bulks

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database

__all__ = ["key_commands", "timestamp", "write_commands"]

PIECE = 1 << 18
"""The approximate number of bytes of one write."""


def timestamp(seconds: int) -> bytes:
    """Returns the annotation which says that the following commands were written at ``seconds`` (Unix time)."""
    return b"#TS:%d\r\n" % seconds


def key_commands(key: bytes, value: Any, expire: int | None, add: Callable[[bytes], object]) -> None:
    """Calls ``add`` with each encoded command needed to create ``value`` at ``key``, to expire at ``expire`` (ms)."""
    if value.__class__ is bytes:
        add(pack_bulks((b"SET", key, value)))
    else:
        commands = type_of(value).commands
        if commands is None:
            add(pack_bulks((b"RESTORE", key, b"0", dump(value, whole=True))))
        else:
            for argv in commands(key, value):
                add(pack_bulks(argv))
    if expire is not None:
        add(pack_bulks((b"PEXPIREAT", key, b"%d" % expire)))


def write_commands(
    write: Callable[[bytes], object],
    databases: Sequence[Database],
    *,
    functions: Iterable[bytes] = (),
    at: int | None = None,
    progress: Callable[[int], object] | None = None,
    key_delay: int = 0,
) -> int:
    """Calls ``write`` with the commands that create all data, piece by piece. Returns the number of keys.

    ``functions`` contains the source code of each function library. ``at`` is the time (s) for an annotation at the
    beginning. ``progress`` is called with the number of keys so far. ``key_delay`` slows the work down as in
    ``saving``.
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
    for key, value in db.items_to_save():
        key_commands(key, value, db.expiry(key), add)
        yield
        if key_delay:
            delay(key_delay)
