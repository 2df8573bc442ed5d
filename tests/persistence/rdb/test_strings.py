"""Strings in their four encodings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.strings import add_strings, read_string, read_strings, string_bytes


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (b"", b"\x00"),
        (b"abc", b"\x03abc"),
        (b"x" * 64, b"\x40\x40" + b"x" * 64),
        (b"0", b"\xc0\x00"),
        (b"-1", b"\xc0\xff"),
        (b"-128", b"\xc0\x80"),
        (b"127", b"\xc0\x7f"),
        (b"128", b"\xc1\x80\x00"),
        (b"-32768", b"\xc1\x00\x80"),
        (b"32768", b"\xc2\x00\x80\x00\x00"),
        (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
        (b"2147483648", b"\x0a2147483648"),
        (b"-0", b"\x02-0"),
        (b"01", b"\x0201"),
        (b"+1", b"\x02+1"),
        (b"1 ", b"\x021 "),
        (b"-", b"\x01-"),
    ],
)
def test_strings_as_redis_stores_them(text: bytes, stored: bytes) -> None:
    assert string_bytes(text, compressed=False) == stored
    parts: list[bytes] = []
    add_strings(parts.append, [text], compressed=False)
    assert b"".join(parts) == stored
    assert read_string(b"?" + stored + b"!", 1) == (text, 1 + len(stored))
    assert read_strings(stored, 0, 1) == ([text], len(stored))


def test_a_compressed_string() -> None:
    stored = b"\xc3\x09\x40\x3c" + b"\x01aa\xe0/\x00\x01aa"
    assert read_string(stored, 0) == (b"a" * 60, len(stored))


texts = st.one_of(
    st.binary(max_size=80),
    st.integers(-(2**40), 2**40).map(lambda number: b"%d" % number),
    st.sampled_from([b"x" * 63, b"x" * 64, b"y" * 20000]),
)


@given(st.lists(texts, max_size=30))
def test_many_strings(some: list[bytes]) -> None:
    parts: list[bytes] = []
    add_strings(parts.append, some)
    stored = b"".join(parts)
    assert stored == b"".join(map(string_bytes, some))
    assert read_strings(stored, 0, len(some)) == (some, len(stored))


@pytest.mark.parametrize("kind", [0xC4, 0xFF, 0x82])
def test_unknown_kinds_of_strings(kind: int) -> None:
    with pytest.raises(CorruptData):
        read_string(bytes((kind,)) + bytes(20), 0)


@pytest.mark.parametrize(
    "head", [b"\x05", b"\x45\x00", b"\x80\xff\xff\xff\xff", b"\x81" + b"\xff" * 8, b"\xc3\x30\x30"]
)
def test_a_length_is_not_believed(head: bytes) -> None:
    with pytest.raises(Truncated):
        read_string(head + b"abcd", 0)
    with pytest.raises((Truncated, IndexError)):
        read_strings(head + b"abcd", 0, 2**64)
