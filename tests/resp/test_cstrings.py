"""C strings among arguments."""

from __future__ import annotations

from twisted_redis.resp.cstrings import c_string, keyword


def test_a_c_string_ends_at_the_first_zero_byte() -> None:
    assert c_string(b"plain") == b"plain"
    assert c_string(b"a\0b\0c") == b"a"
    assert c_string(b"\0") == b""


def test_a_keyword_is_compared_in_capitals() -> None:
    assert keyword(b"eX\0junk") == b"EX"
    assert keyword(b"match") == b"MATCH"
