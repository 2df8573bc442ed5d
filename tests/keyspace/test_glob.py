"""Glob patterns: an example of each rule, then both forms of the matcher compared with a simple reference."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.keyspace import glob
from twisted_redis.keyspace.glob import compile_glob, glob_match

# The results of stringmatchlen in Redis 8.0.
CASES = [
    (b"", b"", True),
    (b"", b"a", False),
    (b"*", b"", False),
    (b"**", b"", False),
    (b"*", b"a", True),
    (b"a*", b"a", True),
    (b"a**", b"a", True),
    (b"a*b", b"ab", True),
    (b"a*b", b"a", False),
    (b"a*b*", b"axbx", True),
    (b"*a", b"ba", True),
    (b"*a", b"ab", False),
    (b"*ab*", b"xaby", True),
    (b"*ab*cd*", b"abcd", True),
    (b"*ab*bc*", b"abc", False),
    (b"a*a", b"a", False),
    (b"?", b"", False),
    (b"?", b"\n", True),
    (b"a?c", b"abc", True),
    (b"h[ae]llo", b"hello", True),
    (b"h[ae]llo", b"hillo", False),
    (b"h[^e]llo", b"hallo", True),
    (b"h[^e]llo", b"hello", False),
    (b"h[!e]llo", b"h!llo", True),
    (b"[a-c]", b"b", True),
    (b"[c-a]", b"b", True),
    (b"[a-]", b"b", False),
    (b"[a-]", b"_", True),
    (b"[a-]", b"-", False),
    (b"[ab", b"b", True),
    (b"[", b"[", False),
    (b"[", b"a", False),
    (b"[^", b"a", True),
    (b"[]", b"]", False),
    (b"[]a]", b"a]", False),
    (b"[^]", b"x", True),
    (b"[\\]]", b"]", True),
    (b"[\\", b"\\", True),
    (b"[\\a-c]", b"b", False),
    (b"[\\a-c]", b"-", True),
    (b"[a-\xff]", b"\x80", False),
    (b"[a-\xff]", b"\x05", True),
    (b"[\x80-\xff]", b"\xc3", True),
    (b"\\*", b"*", True),
    (b"\\*", b"a", False),
    (b"a\\", b"a\\", True),
    (b"\\\\", b"\\", True),
    (b"A", b"a", False),
    (b"a.c", b"abc", False),
    (b"x\ny*", b"x\ny", True),
]

NOCASE_CASES = [
    (b"maxmemory", b"MAXMEMORY", True),
    (b"Max*", b"maxmemory", True),
    (b"[a-c]", b"B", True),
    (b"[A-C]", b"b", True),
    (b"[^a]", b"A", False),
    (b"[\\a]", b"A", False),
    (b"[_-Z]", b"_", False),
    (b"\\A", b"a", True),
    (b"@", b"`", False),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), CASES)
def test_cases(pattern: bytes, text: bytes, expected: bool) -> None:
    assert glob_match(pattern, text) is expected
    assert bool(compile_glob(pattern)(text)) is expected


@pytest.mark.parametrize(("pattern", "text", "expected"), NOCASE_CASES)
def test_without_regard_to_case(pattern: bytes, text: bytes, expected: bool) -> None:
    assert glob_match(pattern, text, nocase=True) is expected


def matches_slowly(pattern: bytes, text: bytes) -> bool:
    """The same rules for patterns without classes, implemented by trying every possible match for a star."""
    if not pattern or not text:
        return not text and not pattern
    if pattern[:1] == b"*":
        rest = pattern.lstrip(b"*")
        return not rest or any(matches_slowly(rest, text[start:]) for start in range(len(text)))
    size = 2 if pattern[:1] == b"\\" and len(pattern) > 1 else 1
    byte = pattern[size - 1 : size]
    if byte not in (text[:1], b"?" if size == 1 else text[:1]):
        return False
    rest = pattern[size:]
    return not rest.strip(b"*") if len(text) == 1 else matches_slowly(rest, text[1:])


@settings(max_examples=500)
@given(st.lists(st.sampled_from(b"ab*?\\"), max_size=9), st.lists(st.sampled_from(b"ab*\\"), max_size=8))
def test_agrees_with_reference(pattern: list[int], text: list[int]) -> None:
    assert glob_match(bytes(pattern), bytes(text)) is matches_slowly(bytes(pattern), bytes(text))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(b"ab[]^-*?"), max_size=12), st.lists(st.sampled_from(b"ab-^]"), max_size=8))
def test_walking_agrees_with_regular_expressions(pattern: list[int], text: list[int]) -> None:
    expected = glob._translate(bytes(pattern), False)(bytes(text))
    limit = glob._REGEX_LENGTH
    glob._REGEX_LENGTH = 0
    try:
        assert glob._translate(bytes(pattern), False)(bytes(text)) == expected
    finally:
        glob._REGEX_LENGTH = limit


@pytest.mark.parametrize(
    ("stars", "tail", "expected"),
    [(999, b"b", True), (1000, b"b", True), (1001, b"b", False), (1001, b"", True)],
)
def test_limit_of_stars(stars: int, tail: bytes, expected: bool) -> None:
    assert glob_match(b"a*" * stars + tail, b"a" * stars + b"b") is expected


@pytest.mark.parametrize("part", [b"a*", b"[ab]*", b"?*a"])
def test_many_stars_take_no_exponential_time(part: bytes) -> None:
    started = time.process_time()
    assert glob_match(part * 200 + b"b", b"a" * 20000) is False
    assert time.process_time() - started < 2


def test_long_patterns_are_refused_before_they_are_prepared() -> None:
    started = time.process_time()
    assert glob_match(b"*" + b"[ab]" * 100_000 + b"*", b"a" * 1000) is False
    assert time.process_time() - started < 2
