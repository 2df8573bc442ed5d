"""Lengths, counters and doubles."""

from __future__ import annotations

from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.numbers import (
    length_bytes,
    read_double,
    read_length,
    read_signed_length,
    read_time,
    signed_length_bytes,
    time_bytes,
)


@pytest.mark.parametrize(
    ("length", "stored"),
    [
        (0, b"\x00"),
        (63, b"\x3f"),
        (64, b"\x40\x40"),
        (16383, b"\x7f\xff"),
        (16384, b"\x80\x00\x00\x40\x00"),
        (2**32 - 1, b"\x80\xff\xff\xff\xff"),
        (2**32, b"\x81\x00\x00\x00\x01\x00\x00\x00\x00"),
        (2**64 - 1, b"\x81" + b"\xff" * 8),
    ],
)
def test_lengths(length: int, stored: bytes) -> None:
    assert length_bytes(length) == stored
    assert read_length(b"?" + stored + b"!", 1) == (length, 1 + len(stored))


@pytest.mark.parametrize("first", [0x82, 0xBF, 0xC0, 0xC3, 0xFF])
def test_invalid_lengths(first: int) -> None:
    with pytest.raises(CorruptData):
        read_length(bytes((first,)) + bytes(9), 0)


@given(st.integers(-(2**63), 2**63 - 1))
def test_counters_and_times_may_be_negative(number: int) -> None:
    assert read_signed_length(signed_length_bytes(number), 0)[0] == number
    assert read_time(time_bytes(number), 0) == (number, 8)


@pytest.mark.parametrize(
    ("stored", "value"),
    [(b"\x03-.5", -0.5), (b"\x041e20", 1e20), (b"\x03inf", inf), (b"\xfe", inf), (b"\xff", -inf)],
)
def test_doubles_as_text(stored: bytes, value: float) -> None:
    assert read_double(b"?" + stored + b"!", 1) == (value, 1 + len(stored))


def test_doubles_that_are_none() -> None:
    assert isnan(read_double(b"\xfd", 0)[0])
    with pytest.raises(CorruptData):
        read_double(b"\x03abc", 0)
