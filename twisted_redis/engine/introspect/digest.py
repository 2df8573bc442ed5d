"""Digests of values and of whole data sets, equal to those of Redis (DEBUG DIGEST and DIGEST-VALUE).

Two servers hold the same data if their digests are equal; the order of their tables does not matter.  The digest of a
value depends on its type (``DataType.digest``).
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_redis.datatypes.digests import hashed, mix
from twisted_redis.datatypes.table import type_of
from twisted_redis.keyspace.database import Database

__all__ = ["dataset_digest", "digest_text", "value_digest"]

_EXPIRES = hashed(b"!!expire!!")


def value_digest(db: Database, key: bytes, digest: int = 0) -> int:
    """Mixes the value of ``key``, and the fact that it expires, into ``digest``; unchanged if there is no such key.

    An expired key counts until it is deleted.
    """
    value = db.data.get(key)
    if value is None:
        return digest
    kind = type_of(value)
    digest = kind.digest(mix(digest, kind.number.to_bytes(4, "big")), value)
    return digest ^ _EXPIRES if key in db.expires else digest


def dataset_digest(databases: Iterable[Database]) -> int:
    """Returns the digest of all keys of ``databases``; 0 if there are none."""
    digest = 0
    for db in databases:
        if db.data:
            digest = mix(digest, db.index.to_bytes(4, "big"))
            for key in db.data:
                digest ^= hashed(value_digest(db, key, mix(0, key)).to_bytes(20, "big"))
    return digest


def digest_text(digest: int) -> bytes:
    """Returns ``digest`` as 40 hexadecimal digits."""
    return b"%040x" % digest
