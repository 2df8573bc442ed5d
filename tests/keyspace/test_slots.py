"""The slots of keys and patterns match the replies of CLUSTER KEYSLOT."""

from __future__ import annotations

import pytest

from twisted_redis.keyspace.slots import key_slot, pattern_slot


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (b"", 0),
        (b"123456789", 0x31C3),
        (b"foo", 12182),
        (b"{foo}bar", 12182),
        (b"a{foo}{bar}", 12182),
    ],
)
def test_slots(key: bytes, slot: int) -> None:
    assert key_slot(key) == slot
    assert pattern_slot(key) == slot


def test_empty_and_unclosed_tags_are_none() -> None:
    for key in (b"{}foo", b"foo{}{bar}", b"{foo", b"foo}"):
        assert key_slot(key) != key_slot(b"foo")
        assert pattern_slot(key) == key_slot(key)
    assert key_slot(b"{{bar}}zap") == key_slot(b"{bar")


def test_patterns() -> None:
    assert pattern_slot(b"{foo}*") == key_slot(b"foo")
    assert pattern_slot(b"x{foo}[ab]?") == key_slot(b"foo")
    for pattern in (b"*{foo}", b"f?o", b"[{]foo}", b"\\{foo}", b"{f*}", b"foo*", b"{}*"):
        assert pattern_slot(pattern) is None
