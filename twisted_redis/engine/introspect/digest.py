"""Digests of values and of whole data sets, the same as Redis computes (DEBUG DIGEST and DIGEST-VALUE).

Two servers hold the same data if their digests are equal, whatever the order of their tables.  Everything is SHA-1:
what has an order is *mixed* into a digest (the digest is hashed again each time), what has none is xored.
A digest is a number of 160 bits here, big end first.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import Any

from twisted_redis.engine.values import type_of
from twisted_redis.keyspace.database import Database
from twisted_redis.resp.grisu import grisu_text

__all__ = ["dataset_digest", "digest_text", "value_digest"]

#: Redis' numbers of the types.
_TYPES = {b"string": 0, b"list": 1, b"set": 2, b"zset": 3, b"hash": 4, b"stream": 6}
_OWN_TYPE = 5

_EXPIRES = int.from_bytes(sha1(b"!!expire!!").digest(), "big")
_FIELD_EXPIRES = int.from_bytes(sha1(b"!!hexpire!!").digest(), "big")


def _hash(data: bytes | bytearray) -> int:
    return int.from_bytes(sha1(data).digest(), "big")


def _mix(digest: int, data: bytes | bytearray) -> int:
    """Makes ``data`` and its place after everything before a part of the digest."""
    mixed = digest ^ int.from_bytes(sha1(data).digest(), "big")
    return int.from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big")


_TYPE_DIGESTS = {name: sha1(number.to_bytes(4, "big")).digest() for name, number in _TYPES.items()}
_OWN_DIGEST = sha1(_OWN_TYPE.to_bytes(4, "big")).digest()


def _pair_digest(first: bytes, second: bytes, extra: int = 0) -> int:
    """What a pair of an unordered collection adds to its digest."""
    return _hash((_mix(_mix(0, first), second) ^ extra).to_bytes(20, "big"))


def _of_string(digest: int, value: Any) -> int:
    return _mix(digest, value)


def _of_list(digest: int, value: Iterable[bytes]) -> int:
    # Spelled out: this is the loop that long lists spend their time in.
    from_bytes = int.from_bytes
    for element in value:
        mixed = digest ^ from_bytes(sha1(element).digest(), "big")
        digest = from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big")
    return digest


def _of_set(digest: int, value: Iterable[bytes]) -> int:
    for member in value:
        digest ^= _hash(member)
    return digest


def _of_zset(digest: int, value: Any) -> int:
    for member in value:
        digest ^= _pair_digest(member, grisu_text(value.score(member)))
    return digest


def _of_hash(digest: int, value: Any) -> int:
    times = value.times or {}
    for field, content in value.fields.items():
        # That a field expires counts, when it does so does not.
        digest ^= _pair_digest(field, content, _FIELD_EXPIRES if field in times else 0)
    return digest


def _of_stream(digest: int, value: Any) -> int:
    # Groups are no part of it.
    for ms, sequence, row in value.range():
        digest = _of_list(_mix(digest, b"%d.%d" % (ms, sequence)), row)
    return digest


def _of_own(digest: int, value: Any) -> int:
    for item in value.digest():
        digest = _mix(digest, item if isinstance(item, bytes) else repr(item).encode())
    return digest


_DIGESTS = {
    b"string": _of_string,
    b"list": _of_list,
    b"set": _of_set,
    b"zset": _of_zset,
    b"hash": _of_hash,
    b"stream": _of_stream,
}


def value_digest(db: Database, key: bytes, digest: int = 0) -> int:
    """``digest`` with the value of ``key`` and whether it expires; as it came if there is no such key.

    A key that has expired counts as long as it has not been removed.
    """
    value = db.data.get(key)
    if value is None:
        return digest
    kind = type_of(value)
    mixed = digest ^ int.from_bytes(_TYPE_DIGESTS.get(kind, _OWN_DIGEST), "big")
    digest = _DIGESTS.get(kind, _of_own)(int.from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big"), value)
    return digest ^ _EXPIRES if key in db.expires else digest


def dataset_digest(databases: Iterable[Database]) -> int:
    """The digest of all keys of ``databases``, 0 if there are none."""
    digest = 0
    for db in databases:
        if db.data:
            digest = _mix(digest, db.index.to_bytes(4, "big"))
            for key in db.data:
                digest ^= _hash(value_digest(db, key, _mix(0, key)).to_bytes(20, "big"))
    return digest


def digest_text(digest: int) -> bytes:
    """``digest`` as 40 hexadecimal digits."""
    return b"%040x" % digest
