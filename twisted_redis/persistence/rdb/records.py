"""The records of an RDB file between its header and its checksum.

``read_record`` knows no file: it takes bytes and a position, and returns the record there and the position behind it.
So a file may be mapped, and a caller that receives bytes can try again when there are more (``Truncated``).
"""

from __future__ import annotations

from struct import Struct, error
from typing import Any, NamedTuple

from twisted_redis.persistence.rdb import types
from twisted_redis.persistence.rdb.codec import Limits
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue, Truncated
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length, read_time, time_bytes
from twisted_redis.persistence.rdb.own import after_key_metadata, read_items, type_name
from twisted_redis.persistence.rdb.strings import read_string, string_bytes
from twisted_redis.persistence.rdb.table import foreign_kind, read_value, value_parts

__all__ = [
    "Aux",
    "End",
    "Function",
    "Key",
    "ModuleAux",
    "Record",
    "ResizeDb",
    "SelectDb",
    "SlotImport",
    "SlotInfo",
    "aux_bytes",
    "end_bytes",
    "function_bytes",
    "header_bytes",
    "key_parts",
    "read_header",
    "read_record",
    "select_bytes",
]

_HEADER = 9
_MAGIC = b"REDIS"
_MAGIC_OF_VALKEY = b"VALKEY"

_MODULE_2 = 7
"""The encoding of values of modules, which Valkey cannot read."""

_seconds = Struct("<i")


class Key(NamedTuple):
    """A key.  ``expire`` is a wall time (ms), ``idle`` in seconds, ``freq`` 0 to 255; each is None if it is not stored.

    ``value`` is None for an empty collection, which a reader skips.
    """

    key: bytes
    value: Any
    expire: int | None = None
    idle: int | None = None
    freq: int | None = None


class SelectDb(NamedTuple):
    """The number of the database of the keys that follow."""

    number: int


class ResizeDb(NamedTuple):
    """A hint: the number of keys in the database, and of those with an expiry time."""

    keys: int
    expires: int


class SlotInfo(NamedTuple):
    """The same hint for a slot of a cluster."""

    slot: int
    keys: int
    expires: int


class SlotImport(NamedTuple):
    """A migration of slots that a node of Valkey had not finished: its name."""

    name: bytes


class Aux(NamedTuple):
    """A field about the file or the server that wrote it."""

    name: bytes
    value: bytes


class Function(NamedTuple):
    """The code of a library of functions."""

    code: bytes


class ModuleAux(NamedTuple):
    """Data of a module of Redis, with the name of its type; they are not interpreted."""

    name: str


class End(NamedTuple):
    """The end; from version 5 on a checksum of all bytes before follows (8 bytes, little-endian, 0 for none)."""


Record = Key | SelectDb | ResizeDb | SlotInfo | SlotImport | Aux | Function | ModuleAux | End


# reading


def read_header(data: bytes) -> int:
    """Returns the version of the file that begins with ``data``; raises ``CorruptData`` if it cannot be read."""
    header = bytes(data[:_HEADER])
    if header.startswith(_MAGIC_OF_VALKEY):
        text = header[len(_MAGIC_OF_VALKEY) :]
        if not text.isdigit() or int(text) != types.VALKEY_VERSION:
            raise CorruptData(f"Can't handle RDB format version {text.decode('latin-1')} of Valkey")
        return types.VALKEY_VERSION
    if not header.startswith(_MAGIC):
        raise CorruptData("Wrong signature trying to load DB from file")
    text = header[len(_MAGIC) :]
    version = int(text) if text.isdigit() else 0
    if not 1 <= version <= types.VERSION:
        raise CorruptData(f"Can't handle RDB format version {version}")
    return version


def read_record(
    data: bytes, pos: int, config: Limits, version: int = types.VERSION, still: bool = False
) -> tuple[Record, int]:
    """Returns the record at ``pos`` (9 for the first one) of a file, and the position behind it.

    ``version`` is that of the file, because Valkey uses some numbers for other things than Redis.  With ``still`` small
    collections are returned in their packed form.
    """
    is_foreign = version == types.VALKEY_VERSION
    expire: int | None = None
    idle: int | None = None
    freq: int | None = None
    try:
        while True:
            kind = data[pos]
            pos += 1
            if kind < types.FIRST_OPCODE:
                key, pos = read_string(data, pos)
                if is_foreign:
                    kind = foreign_kind(kind)
                try:
                    value, pos = read_value(kind, data, pos, config, still)
                except EmptyValue as empty:
                    value, pos = None, empty.end
                return Key(key, value, expire, idle, freq), pos
            if kind == types.EXPIRE_TIME_MS:
                expire, pos = read_time(data, pos)
            elif kind == types.EXPIRE_TIME:
                expire = _seconds.unpack_from(data, pos)[0] * 1000
                pos += _seconds.size
            elif kind == types.FREQ:
                freq = data[pos]
                pos += 1
            elif kind == types.IDLE:
                idle, pos = read_length(data, pos)
            elif kind == types.KEY_META and is_foreign:
                return _read_slot_import(data, pos)
            elif kind == types.KEY_META:
                pos = after_key_metadata(data, pos)
            else:
                return _read_other(kind, data, pos)
    except (IndexError, error):
        raise Truncated("a record ends too early") from None


def _read_slot_import(data: bytes, pos: int) -> tuple[SlotImport, int]:
    name, pos = read_string(data, pos)
    ranges, pos = read_length(data, pos)
    for _ in range(2 * ranges):
        _, pos = read_length(data, pos)
    return SlotImport(name), pos


def _read_other(kind: int, data: bytes, pos: int) -> tuple[Record, int]:
    if kind == types.EOF:
        return End(), pos
    if kind == types.SELECT_DB:
        index, pos = read_length(data, pos)
        return SelectDb(index), pos
    if kind == types.RESIZE_DB:
        keys, pos = read_length(data, pos)
        expires, pos = read_length(data, pos)
        return ResizeDb(keys, expires), pos
    if kind == types.SLOT_INFO:
        slot, pos = read_length(data, pos)
        keys, pos = read_length(data, pos)
        expires, pos = read_length(data, pos)
        return SlotInfo(slot, keys, expires), pos
    if kind == types.AUX:
        name, pos = read_string(data, pos)
        value, pos = read_string(data, pos)
        return Aux(name, value), pos
    if kind == types.FUNCTION2:
        code, pos = read_string(data, pos)
        return Function(code), pos
    if kind == types.FUNCTION_PRE_GA:
        raise CorruptData("Pre-release function format not supported.")
    if kind == types.MODULE_AUX:
        module, pos = read_length(data, pos)
        return ModuleAux(type_name(module)), read_items(data, pos)[1]
    raise CorruptData(f"{kind} is no kind of record")


# writing


def header_bytes(version: int = types.VERSION) -> bytes:
    """Returns the header of a file."""
    if version == types.VALKEY_VERSION:
        return b"%b%03d" % (_MAGIC_OF_VALKEY, version)
    return b"%b%04d" % (_MAGIC, version)


def aux_bytes(name: bytes, value: bytes) -> bytes:
    """Returns an ``Aux`` record."""
    return b"%c%b%b" % (types.AUX, string_bytes(name), string_bytes(value))


def function_bytes(code: bytes, compressed: bool = True) -> bytes:
    """Returns a ``Function`` record."""
    return b"%c%b" % (types.FUNCTION2, string_bytes(code, compressed))


def select_bytes(index: int, keys: int, expires: int) -> bytes:
    """Returns a ``SelectDb`` record and its ``ResizeDb``."""
    return b"%c%b%c%b%b" % (
        types.SELECT_DB,
        length_bytes(index),
        types.RESIZE_DB,
        length_bytes(keys),
        length_bytes(expires),
    )


def key_parts(record: Key, version: int = types.VERSION, compressed: bool = True) -> list[bytes]:
    """Returns a ``Key`` record in pieces."""
    key, value, expire, idle, freq = record
    try:
        kind, parts = value_parts(value, version, compressed)
    except ValueError as error:
        raise ValueError(f"the key {key!r}: {error}") from error
    if version == types.VALKEY_VERSION and (kind == _MODULE_2 or kind > types.LAST_OF_VALKEY):
        raise ValueError(f"the key {key!r}: Valkey has no such values")
    head = b"%c%b" % (kind, string_bytes(key, compressed))
    if freq is not None:
        head = bytes((types.FREQ, freq)) + head
    if idle is not None:
        head = b"%c%b%b" % (types.IDLE, length_bytes(idle), head)
    if expire is not None:
        head = b"%c%b%b" % (types.EXPIRE_TIME_MS, time_bytes(expire), head)
    return [head, *parts]


def end_bytes(checksum: int = 0) -> bytes:
    """Returns the end with the checksum of all bytes before, including its own first byte; 0 for no checksum."""
    return b"%c%b" % (types.EOF, checksum.to_bytes(8, "little"))
