"""Reading a snapshot without a server, record by record, with the exact place of an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from twisted_redis.persistence.loading import CHUNK, LoadError
from twisted_redis.persistence.rdb import types
from twisted_redis.persistence.rdb.codec import Limits
from twisted_redis.persistence.rdb.crc64 import crc64
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.numbers import read_length
from twisted_redis.persistence.rdb.records import End, Record, read_header, read_record
from twisted_redis.persistence.rdb.strings import read_string
from twisted_redis.persistence.rdb.table import encoding_name, foreign_kind

__all__ = ["DISABLED", "MATCHES", "UNKNOWN", "Scan"]

UNKNOWN = ""
DISABLED = "disabled"
MATCHES = "ok"

_HEADER = 9
_CHECKSUM = 8

#: The step of reading, by the kind of the record.
_DOINGS = {
    types.SLOT_INFO: "read-len",
    types.FUNCTION2: "read-functions",
    types.FUNCTION_PRE_GA: "read-functions",
    types.MODULE_AUX: "read-module-aux",
    types.AUX: "read-aux",
    types.RESIZE_DB: "read-len",
    types.SELECT_DB: "read-len",
    types.EXPIRE_TIME: "read-expire",
    types.EXPIRE_TIME_MS: "read-expire",
}


class Scan:
    """The records of a file.  ``for record in scan`` raises LoadError if the file is wrong; then ``doing``, ``key`` and
    ``kind`` tell what was read at that place (None if unknown).

    ``position`` (bytes) is the place behind the last record, ``checksum`` the verdict about the checksum at the end.
    """

    def __init__(self, file: BinaryIO, config: Limits) -> None:
        self._file = file
        self._config = config
        self.version = 0
        self.position = 0
        self.checksum = UNKNOWN
        self.doing = "start"
        self.key: bytes | None = None
        self.kind: int | None = None

    def __iter__(self) -> Iterator[Record]:
        data = self._file.read(CHUNK)
        try:
            self.version = read_header(data)
        except CorruptData as error:
            raise self._wrong(data, 0, str(error) if len(data) >= _HEADER else _ENDED) from None
        pos = self.position = _HEADER
        start = 0  # of data in the file
        crc = 0
        while True:
            try:
                record, end = read_record(data, pos, self._config, self.version)
            except Truncated:
                # A value is read as a whole: the larger it is, the more bytes come before the next attempt.
                more = self._file.read(max(CHUNK, len(data) - pos))
                if not more:
                    raise self._wrong(data, pos, _ENDED) from None
                crc = crc64(data[:pos], crc)
                start += pos
                data = data[pos:] + more
                pos = 0
                continue
            except CorruptData as error:
                raise self._wrong(data, pos, str(error)) from None
            self.position = start + end
            if isinstance(record, End):
                if self.version >= 5:
                    self._check(data[end:] + self._file.read(_CHECKSUM), crc64(data[:end], crc))
                yield record
                return
            yield record
            pos = end

    def _check(self, rest: bytes, crc: int) -> None:
        self.doing = "check-sum"
        self.key = self.kind = None
        if len(rest) < _CHECKSUM:
            raise LoadError(self.position + len(rest), _ENDED)
        self.position += _CHECKSUM
        stored = int.from_bytes(rest[:_CHECKSUM], "little")
        if not stored:
            self.checksum = DISABLED
        elif stored == crc:
            self.checksum = MATCHES
        else:
            raise LoadError(self.position, "RDB CRC error")

    def _wrong(self, data: bytes, pos: int, reason: str) -> LoadError:
        """Returns the error of the record at ``pos``, and finds out the step of reading."""
        if self.version:
            self.doing = "read-type"
            try:
                self._find(data, pos)
            except (CorruptData, IndexError):
                pass
        return LoadError(self.position, reason)

    def _find(self, data: bytes, pos: int) -> None:
        while True:
            kind = data[pos]
            pos += 1
            if encoding_name(kind):
                self.kind = foreign_kind(kind) if self.version == types.VALKEY_VERSION else kind
                self.doing = "read-key"
                self.key, pos = read_string(data, pos)
                self.doing = "read-object-value"
                return
            self.doing = _DOINGS.get(kind, "read-type")
            if kind == types.EXPIRE_TIME_MS:
                pos += 8
            elif kind == types.EXPIRE_TIME:
                pos += 4
            elif kind == types.FREQ:
                pos += 1
            elif kind == types.IDLE:
                _, pos = read_length(data, pos)
            else:
                return


_ENDED = "Unexpected EOF reading RDB file"
