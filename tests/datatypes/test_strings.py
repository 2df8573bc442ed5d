"""The encodings of strings, including integers."""

from __future__ import annotations

import pytest

from twisted_redis.datatypes.strings import Text, as_bytes, encoding, integer_value, is_integer_encoded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"7", 7),
        (b"-1", -1),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", None),
        (b"-9223372036854775809", None),
        (b"99999999999999999999", None),
        (b"", None),
        (b"-", None),
        (b"-0", None),
        (b"+1", None),
        (b"01", None),
        (b" 1", None),
        (b"1 ", None),
        (b"1\n", None),
        (b"1_0", None),
        (b"1.0", None),
        (b"0x1", None),
    ],
)
def test_integers_have_one_form(text: bytes, value: int | None) -> None:
    assert integer_value(text) == value
    assert is_integer_encoded(text) is (value is not None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"12", "int"),
        (b"", "embstr"),
        (b"x" * 41, "embstr"),
        (b"x" * 42, "raw"),
        (bytearray(b"12"), "raw"),
        (bytearray(b"short"), "raw"),
        (Text(b"12"), "embstr"),
    ],
)
def test_encoding(value: bytes | bytearray, expected: str) -> None:
    assert encoding(value) == expected


@pytest.mark.parametrize(("key", "longest"), [(1, 40), (10, 31), (33, 8), (41, 0)])
def test_a_long_key_leaves_less_room_for_a_string(key: int, longest: int) -> None:
    assert encoding(b"v" * longest, b"k" * key) == "embstr"
    assert encoding(b"v" * (longest + 1), b"k" * key) == "raw"


def test_as_bytes_does_not_follow_later_writes() -> None:
    value = bytearray(b"abc")
    taken = as_bytes(value)
    value[0] = 120
    assert taken == b"abc"
    plain = b"abc"
    assert as_bytes(plain) is plain
