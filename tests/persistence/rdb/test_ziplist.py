"""Ziplists and zipmaps, which no current server writes. These tests build them byte by byte."""

from __future__ import annotations

from struct import pack

import pytest

from twisted_redis.persistence.rdb import ziplist
from twisted_redis.persistence.rdb.errors import CorruptData


def packed(*entries: bytes, count: int | None = None) -> bytes:
    """Returns a ziplist of entries, which are given without the length of the previous entry."""
    body = b""
    before = last = 0
    for entry in entries:
        last = 10 + len(body)
        length = bytes((before,)) if before < 254 else b"\xfe" + before.to_bytes(4, "little")
        body += length + entry
        before = len(length) + len(entry)
    number = len(entries) if count is None else count
    return pack("<IIH", 10 + len(body) + 1, last or 10, number) + body + b"\xff"


ENTRIES = [
    (b"\x03abc", b"abc"),
    (b"\x00", b""),
    (b"\x40\x40" + b"x" * 64, b"x" * 64),
    (b"\x80\x00\x00\x40\x00" + b"y" * 16384, b"y" * 16384),
    (b"\xf1", b"0"),
    (b"\xfd", b"12"),
    (b"\xfe\xf4", b"-12"),
    (b"\xc0\xff\x7f", b"32767"),
    (b"\xf0\x00\x00\x80", b"-8388608"),
    (b"\xd0\x00\x00\x00\x80", b"-2147483648"),
    (b"\xe0" + b"\xff" * 7 + b"\x7f", b"9223372036854775807"),
]


@pytest.mark.parametrize(("entry", "text"), ENTRIES)
def test_entries(entry: bytes, text: bytes) -> None:
    assert ziplist.decode(packed(entry)) == [text]


def test_a_whole_ziplist() -> None:
    blob = packed(*[entry for entry, _ in ENTRIES])
    assert ziplist.decode(blob) == [text for _, text in ENTRIES]
    assert ziplist.decode(packed(*[entry for entry, _ in ENTRIES], count=65535)) == [text for _, text in ENTRIES]
    assert ziplist.decode(packed()) == []


def test_every_cut_is_noticed() -> None:
    blob = packed(*[entry for entry, _ in ENTRIES])
    for cut in [*range(200), *range(len(blob) - 60, len(blob))]:
        with pytest.raises(CorruptData):
            ziplist.decode(blob[:cut])


@pytest.mark.parametrize(
    "blob",
    [
        packed(b"\x03abc", count=2),
        packed(b"\x3fabc"),  # beyond the end
        packed(b"\xbf\xff\xff\xff\xffabc"),
        packed(b"\xc1\x00"),  # an unknown kind
        packed(b"\xff"),
        packed(b"\x03abc", b"\xf1").replace(b"\x05\xf1", b"\x04\xf1"),  # a wrong length of the previous entry
        packed(b"\x03abc").replace(b"\x0a\0\0\0", b"\x0b\0\0\0"),  # a wrong position of the last entry
        packed(b"\x03abc")[:-1] + b"\x00",
        packed(b"\x03abc", b"\x03def")[:15] + b"\xff" + packed(b"\x03abc", b"\x03def")[16:],
    ],
)
def test_corrupt_data(blob: bytes) -> None:
    with pytest.raises(CorruptData):
        ziplist.decode(blob)


LONG = b"v" * 300
ZIPMAP = b"\x02\x01f\x03\x02one..\x03two\xfe\x2c\x01\0\0\x00" + LONG + b"\xff"


def test_zipmaps() -> None:
    assert ziplist.decode_zipmap(ZIPMAP) == [b"f", b"one", b"two", LONG]
    assert ziplist.decode_zipmap(b"\xfe" + ZIPMAP[1:]) == [b"f", b"one", b"two", LONG]


def test_corrupt_zipmaps() -> None:
    for cut in range(len(ZIPMAP)):
        with pytest.raises(CorruptData):
            ziplist.decode_zipmap(ZIPMAP[:cut])
    for blob in (b"\x00\xff", b"\x01\xff", b"\x01" + ZIPMAP[1:], b"\x01\x01f\xfe\xff\xff\xff\xff\x00v\xff"):
        with pytest.raises(CorruptData):
            ziplist.decode_zipmap(blob)
