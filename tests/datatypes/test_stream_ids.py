"""IDs of stream entries: parsing and formatting."""

from __future__ import annotations

import pytest

from twisted_redis.datatypes.stream_ids import (
    MAX_ID,
    MAX_PART,
    id_text,
    parse_added_id,
    parse_bound,
    parse_id,
)


@pytest.mark.parametrize(
    ("text", "ms", "sequence"),
    [
        (b"0-0", 0, 0),
        (b"5-3", 5, 3),
        (b"5", 5, 9),
        (b"0", 0, 9),
        (b"18446744073709551615-18446744073709551615", MAX_PART, MAX_PART),
        (b"007-008", 7, 8),
        (b" 5-+3", 5, 3),
        (b"5--0", 5, 0),
        (b"5- -1", 5, MAX_PART),
        (b"5-3\0junk", 5, 3),
        (b"0" * 120 + b"1-2", 1, 2),
    ],
)
def test_reads_ids(text: bytes, ms: int, sequence: int) -> None:
    assert parse_id(text, 9) == ms << 64 | sequence


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b"+",
        b"5-",
        b"-5",
        b"5--3",
        b"5-3-1",
        b"5-*",
        b"x",
        b"5-x",
        b"5 ",
        b"1.0",
        b"18446744073709551616",
        b"1-18446744073709551616",
        b"0" * 127 + b"1",
        b"1_000",
        "٣".encode(),
    ],
)
def test_refuses_what_is_no_id(text: bytes) -> None:
    assert parse_id(text) is None


def test_bounds_have_two_signs_of_their_own() -> None:
    assert parse_bound(b"-", 7) == 0
    assert parse_bound(b"+", 7) == MAX_ID
    assert parse_bound(b"3", 7) == 3 << 64 | 7
    assert parse_bound(b"--") is None


def test_added_ids_may_leave_the_sequence_open() -> None:
    assert parse_added_id(b"5-*") == (5 << 64, False)
    assert parse_added_id(b"5-1") == (5 << 64 | 1, True)
    assert parse_added_id(b"5") == (5 << 64, True)
    assert parse_added_id(b"5-1-*") is None
    assert parse_added_id(b"*-*") is None
    assert parse_added_id(b"-*") is None
    assert parse_added_id(b"+") is None


def test_text_of_an_id() -> None:
    assert id_text(0) == b"0-0"
    assert id_text(5 << 64 | 3) == b"5-3"
    assert id_text(MAX_ID) == b"18446744073709551615-18446744073709551615"
