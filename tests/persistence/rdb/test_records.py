"""The contents of a file, record by record."""

from __future__ import annotations

import pytest

from twisted_redis.config import Config
from twisted_redis.datatypes.list import List
from twisted_redis.persistence.rdb import records
from twisted_redis.persistence.rdb.crc64 import crc64
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.records import Aux, End, Function, Key, ModuleAux, ResizeDb, SelectDb, SlotInfo


def read_all(data: bytes) -> tuple[int, list[records.Record], int]:
    """Returns the version, the records, and the position after the end."""
    version = records.read_header(data)
    pos = 9
    found: list[records.Record] = []
    while not found or not isinstance(found[-1], End):
        record, pos = records.read_record(data, pos, Config(), version)
        found.append(record)
    return version, found, pos


def file_of(*parts: bytes) -> bytes:
    body = b"".join(parts) + b"\xff"
    return body + crc64(body).to_bytes(8, "little")


def test_a_file() -> None:
    keys = [
        Key(b"plain", b"text"),
        Key(b"expiring", b"5", expire=1_700_000_000_000),
        Key(b"idle", b"x" * 100, idle=77),
        Key(b"frequent", b"y", expire=5, freq=200),
    ]
    body = [
        records.header_bytes(),
        records.aux_bytes(b"redis-ver", b"8.8.0"),
        records.aux_bytes(b"redis-bits", b"64"),
        records.function_bytes(b"#!lua name=lib\n"),
        records.select_bytes(3, 1000, 2),
        *[part for key in keys for part in records.key_parts(key)],
    ]
    data = b"".join(body)
    data += records.end_bytes(crc64(data + b"\xff"))
    assert data == file_of(*body)
    version, found, end = read_all(data)
    assert version == 14
    assert found == [
        Aux(b"redis-ver", b"8.8.0"),
        Aux(b"redis-bits", b"64"),
        Function(b"#!lua name=lib\n"),
        SelectDb(3),
        ResizeDb(1000, 2),
        *keys,
        End(),
    ]
    assert end == len(data) - 8


def test_the_bytes() -> None:
    assert records.header_bytes(9) == b"REDIS0009"
    assert records.aux_bytes(b"redis-bits", b"64") == b"\xfa\x0aredis-bits\xc0\x40"
    assert records.select_bytes(1, 2, 0) == b"\xfe\x01\xfb\x02\x00"
    key = Key(b"k", b"v", expire=256, idle=5, freq=6)
    parts = b"".join(records.key_parts(key))
    assert parts == b"\xfc\x00\x01\0\0\0\0\0\0" + b"\xf8\x05" + b"\xf9\x06" + b"\x00\x01k\x01v"
    assert records.end_bytes() == b"\xff" + bytes(8)


def test_records_that_others_write() -> None:
    module = 0
    for letter in "ABCDEFG-_":
        module = module << 6 | "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(letter)
    number = (module << 10 | 1).to_bytes(8, "big")
    data = b"".join(
        (
            b"REDIS0003",
            b"\xfd\x00\x01\x00\x00" + b"\x00\x01k\x01v",
            b"\xf4\x05\x02\x01",
            b"\xf7\x81" + number + b"\x02\x01" + b"\x01\x05" + b"\x03abcd" + b"\x04abcdefgh" + b"\x05\x03xyz" + b"\x00",
            b"\x04\x05empty\x00",
            b"\xff",
        )
    )
    assert read_all(data) == (
        3,
        [Key(b"k", b"v", expire=256_000), SlotInfo(5, 2, 1), ModuleAux("ABCDEFG-_"), Key(b"empty", None), End()],
        len(data),
    )
    value = b"\x07\x01k\x81" + number + bytes(20)
    with pytest.raises(CorruptData, match="no matching module type 'ABCDEFG-_'"):
        records.read_record(value, 0, Config())


def test_every_cut_is_noticed() -> None:
    key = Key(b"k", List([b"a", b"b"]), expire=5, idle=300, freq=6)
    for data in (
        b"".join(records.key_parts(key)),
        records.aux_bytes(b"name", b"value"),
        records.function_bytes(b"code"),
        b"\xf4\x05\x02\x01",
        b"\xfd\x00\x01\x00\x00" + b"\x00\x01k\x01v",
        b"\xf7\x81" + bytes(8) + b"\x02\x01" + b"\x04abcdefgh" + b"\x00",
    ):
        assert records.read_record(data, 0, Config())[1] == len(data)
        for cut in range(len(data)):
            with pytest.raises(Truncated):
                records.read_record(data[:cut], 0, Config())


@pytest.mark.parametrize(
    "data", [b"\xf6" + bytes(9), b"\xf3\x01" + bytes(9), b"\x1a\x01k" + bytes(9), b"\xf7\x01\x09\x00"]
)
def test_corrupt_records(data: bytes) -> None:
    with pytest.raises(CorruptData):
        records.read_record(data, 0, Config())


@pytest.mark.parametrize(
    "header", [b"", b"REDIS", b"REDIS0000", b"REDIS0015", b"VALKEY081", b"VALKEY011", b"VALKEY", b"REDISabcd"]
)
def test_headers_of_others(header: bytes) -> None:
    with pytest.raises(CorruptData):
        records.read_header(header + bytes(10))


@pytest.mark.parametrize("version", range(1, 15))
def test_headers(version: int) -> None:
    assert records.read_header(records.header_bytes(version) + bytes(10)) == version


def test_a_file_of_valkey() -> None:
    """The numbers 22 and 243 have another meaning there than in Redis."""
    fields = b"\x16\x01h\x02\x01a\xc0\x01\x00\xb4\xc5\xda\xb8\x01\x00\x00\x01b\xc0\x16" + b"\xff" * 8
    slots = b"\xf3\x03job\x02\x00\x05\x07\x40\x64"
    version, found, _ = read_all(file_of(b"VALKEY080", slots, b"\xfe\x00", fields, b"\x00\x01k\x01v"))
    assert version == 80
    migration, _, fields_of_hash, text, _ = found
    assert migration == records.SlotImport(b"job")
    assert isinstance(fields_of_hash, Key)
    assert fields_of_hash.value.fields == {b"a": b"1", b"b": b"22"}
    assert fields_of_hash.value.times == {b"a": 1893456000000}
    assert text == Key(b"k", b"v")
    assert isinstance(found[-1], End)
