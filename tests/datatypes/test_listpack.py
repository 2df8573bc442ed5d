"""Listpacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.corruption import CorruptData
from twisted_redis.datatypes.quicklist import measure


def packed(*entries: bytes, count: int | None = None) -> bytes:
    """Returns a listpack of encoded entries."""
    return listpack.encode_parts(list(entries), len(entries) if count is None else count)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (b"", b"\x80\x01"),
        (b"abc", b"\x83abc\x04"),
        (b"x" * 63, b"\xbf" + b"x" * 63 + b"\x40"),
        (b"x" * 64, b"\xe0\x40" + b"x" * 64 + b"\x42"),
        (b"x" * 125, b"\xe0\x7d" + b"x" * 125 + b"\x7f"),
        (b"x" * 126, b"\xe0\x7e" + b"x" * 126 + b"\x01\x80"),
        (b"x" * 4095, b"\xef\xff" + b"x" * 4095 + b"\x20\x81"),
        (b"x" * 4096, b"\xf0\x00\x10\x00\x00" + b"x" * 4096 + b"\x20\x85"),
        (b"x" * 20000, b"\xf0\x20\x4e\x00\x00" + b"x" * 20000 + b"\x01\x9c\xa5"),
        (b"0", b"\x00\x01"),
        (b"127", b"\x7f\x01"),
        (b"128", b"\xc0\x80\x02"),
        (b"-1", b"\xdf\xff\x02"),
        (b"4095", b"\xcf\xff\x02"),
        (b"-4096", b"\xd0\x00\x02"),
        (b"4096", b"\xf1\x00\x10\x03"),
        (b"-32768", b"\xf1\x00\x80\x03"),
        (b"32768", b"\xf2\x00\x80\x00\x04"),
        (b"-8388608", b"\xf2\x00\x00\x80\x04"),
        (b"8388607", b"\xf2\xff\xff\x7f\x04"),
        (b"8388608", b"\xf3\x00\x00\x80\x00\x05"),
        (b"-2147483648", b"\xf3\x00\x00\x00\x80\x05"),
        (b"2147483648", b"\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09"),
        (b"-9223372036854775808", b"\xf4" + bytes(7) + b"\x80\x09"),
        (b"9223372036854775808", b"\x939223372036854775808\x14"),
        (b"007", b"\x83007\x04"),
        (b"-0", b"\x82-0\x03"),
        (b"1.5", b"\x831.5\x04"),
    ],
)
def test_entries(text: bytes, entry: bytes) -> None:
    blob = packed(entry)
    assert listpack.encode([text]) == blob
    assert listpack.decode(blob) == [text]
    assert len(blob) == int.from_bytes(blob[:4], "little") == measure([text])


elements = st.one_of(
    st.binary(max_size=70),
    st.integers(-(2**64), 2**64).map(lambda number: b"%d" % number),
    st.integers(100, 20000).map(lambda size: b"x" * size),
)


@given(st.lists(elements, max_size=30))
def test_there_and_back(texts: list[bytes]) -> None:
    assert listpack.decode(listpack.encode(texts)) == texts


def test_the_number_of_elements() -> None:
    assert listpack.encode([b"1"] * 65534)[4:6] == b"\xfe\xff"
    many = listpack.encode([b"1"] * 70000)
    assert many[4:6] == b"\xff\xff"
    assert len(listpack.decode(many)) == 70000


GOOD = listpack.encode([b"abc", b"5", b"-300", b"70000", b"x" * 200, b"y" * 5000, b"12345678901"])


def test_every_cut_is_noticed() -> None:
    for cut in range(len(GOOD)):
        with pytest.raises(CorruptData):
            listpack.decode(GOOD[:cut])


@pytest.mark.parametrize(
    "blob",
    [
        packed(b"\x83abc\x05"),  # the length after the entry differs from the one before
        packed(b"\x05\x02"),
        packed(b"\xc0\x80\x01"),
        packed(b"\xf1\x00\x10\x02"),
        packed(b"\xe0\x40" + b"x" * 64 + b"\x41"),
        packed(b"\xe0\x7e" + b"x" * 126 + b"\x81\x80"),
        packed(b"\xbf", b"abc"),  # beyond the end
        packed(b"\xf0\xff\xff\xff\xffabc"),
        packed(b"\xf4\x00\x00"),
        packed(b"\xf5\x01"),  # an unknown kind
        packed(b"\x05\x01", count=2),
        packed(b"\x05\x01", b"\x06\x01", count=1),
        packed(b"\x05\x01", b"\xff", b"\x06\x01"),  # an end mark in the middle
        packed(b"\x05\x01")[:-1] + b"\x00",
        b"\xff\xff\xff\xff" + packed(b"\x05\x01")[4:],
    ],
)
def test_corrupt_data(blob: bytes) -> None:
    with pytest.raises(CorruptData):
        listpack.decode(blob)


@given(st.lists(st.binary(max_size=70) | st.integers(-(1 << 63), (1 << 63) - 1).map(lambda value: b"%d" % value)))
def test_a_valid_listpack_is_read_without_its_checks(texts: list[bytes]) -> None:
    assert listpack.texts(listpack.encode(texts)) == texts


def test_long_elements_are_read_without_the_checks() -> None:
    texts = [b"x" * length for length in (63, 64, 4095, 4096, 20_000)]
    assert listpack.texts(listpack.encode(texts)) == texts
