"""The payload of DUMP and RESTORE: a type, the value, the version of the format (2 bytes), a checksum (8 bytes)."""

from __future__ import annotations

from typing import Any

from twisted_redis.datatypes.own import OwnValue
from twisted_redis.persistence.rdb.codec import Limits
from twisted_redis.persistence.rdb.crc64 import crc64
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.own import after_key_metadata, dumped_parts
from twisted_redis.persistence.rdb.table import foreign_kind, least_version, read_value, value_parts
from twisted_redis.persistence.rdb.types import KEY_META, VALKEY_VERSION, VERSION

__all__ = ["dump", "is_foreign", "is_intact", "restore", "seal"]

_FOOTER = 10


def seal(body: bytes, version: int = VERSION) -> bytes:
    """Returns ``body`` with the footer of dumps of keys and functions."""
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


def is_intact(payload: bytes, checksum: bool = True) -> bool:
    """True if the version of ``payload`` can be read and, with ``checksum``, if its checksum is right.

    A checksum of 0 says that there is none. A node of Redis 8.4 or later sends such payloads when it migrates slots.
    """
    if len(payload) < _FOOTER:
        return False
    if _version(payload) > VERSION and not is_foreign(payload):
        return False
    stored = int.from_bytes(payload[-8:], "little")
    return not (checksum and stored) or crc64(payload[:-8]) == stored


def is_foreign(payload: bytes) -> bool:
    """True if ``payload`` comes from Valkey 9, whose version of the format Redis refuses."""
    return _version(payload) == VALKEY_VERSION


def _version(payload: bytes) -> int:
    return int.from_bytes(payload[-10:-8], "little")


def dump(value: Any, compressed: bool = True, *, whole: bool = False) -> bytes:
    """Returns ``value`` as DUMP does, in the lowest version of the format that can hold it.

    With ``whole``, a value of a module has everything that it has in a file.
    """
    version = least_version(value)
    if isinstance(value, OwnValue) and not whole:
        kind, parts = dumped_parts(value, compressed)
    else:
        kind, parts = value_parts(value, version, compressed)
    return seal(b"%c%b" % (kind, b"".join(parts)), version)


def restore(payload: bytes, config: Limits) -> Any:
    """Returns the value of an intact ``payload``; raises ``CorruptData``."""
    if len(payload) <= _FOOTER:
        raise CorruptData("a dump of nothing")
    # Redis does not check where the value ends, and may read the footer as a part of it.  Damaged bytes that Redis
    # accepts are accepted here, too.
    kind, pos = payload[0], 1
    if kind == KEY_META:
        pos = after_key_metadata(payload, pos)
        kind, pos = payload[pos], pos + 1
    if is_foreign(payload):
        kind = foreign_kind(kind)
    return read_value(kind, payload, pos, config)[0]
