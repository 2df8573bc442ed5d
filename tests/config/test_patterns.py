"""The glob patterns of CONFIG GET match like those of the keyspace."""

from __future__ import annotations

import random

import pytest

from twisted_redis.config import BY_NAME
from twisted_redis.config.patterns import is_pattern, matcher
from twisted_redis.keyspace.glob import glob_match


@pytest.mark.parametrize(
    "pattern",
    [
        b"*",
        b"max*",
        b"*-max-*",
        b"MAX*",
        b"*[0-9a-d]*",
        b"???",
        b"[^a]*",
        b"h[^y]",
        b"\\h?",
        b"[",
        b"*[^",
        b"save*",
    ],
)
def test_same_as_the_globs_of_keys(pattern: bytes) -> None:
    is_match = matcher(pattern)
    for name in BY_NAME:
        assert is_match(name) == glob_match(pattern, name.encode(), nocase=True)


def test_random_patterns() -> None:
    source = random.Random(1)
    names = [*BY_NAME, "a", "ab", "-", "_", "a-z"]
    for _ in range(5000):
        pattern = bytes(source.choices(b"*?[]^-\\abezA_Z\xff\x80", k=source.randrange(1, 9)))
        is_match = matcher(pattern)
        for name in source.sample(names, 5) + names[-5:]:
            assert is_match(name) == glob_match(pattern, name.encode(), nocase=True), (pattern, name)


def test_long_patterns_end_soon() -> None:
    assert not matcher(b"a*" * 5000)("a" * 30)
    assert not matcher(b"*a" * 25 + b"b")("a" * 40)
    assert matcher(b"*" * 100000)("a")


def test_texts_that_are_patterns() -> None:
    assert all(map(is_pattern, (b"a*", b"a?", b"[a")))
    assert not any(map(is_pattern, (b"a", b"a\\b", b"a]", b"")))
