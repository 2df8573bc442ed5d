"""Regular expressions of ARGREP.  The right answers are those of Redis 8.8.0."""

from __future__ import annotations

from time import process_time

import pytest

from twisted_redis.datatypes.regex import BackReference, RegexError, compile_regex


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("h.l+o", "say hello", True),
        ("^hello$", "hello\n", False),
        ("(?n)^b$", "a\nb\nc", True),
        ("a|b*c", "xxbbc", True),
        ("*h", "hello", True),
        ("()", "anything", True),
        ("a|", "b", True),
        (")", "a)", True),
        ("[]a]", "]", True),
        ("[^]a]", "]a", False),
        ("[a-]", "-", True),
        ("[[:upper:]]", "hello", False),
        ("[[:upper:][:digit:]]", "hello 7", True),
        ("a{2,3}b", "xaab", True),
        ("^a{,2}$", "aaa", False),
        ("x{0}y", "y", True),
        ("\\<word\\>", "a word here", True),
        ("\\<word\\>", "a sword here", False),
        ("\\Bor\\B", "word", True),
        ("\\bor\\b", "word", False),
        ("^\\b-", "-", True),
        ("\\B$", " ", False),
        ("\\w+\\s\\d", "page 7", True),
        ("^\\W$", "_", False),
        ("\\x41\\x{42}", "xABx", True),
        ("\\Qa.b*\\E+", "a.b*", True),
        ("\\Qa.b*\\E", "aXb", False),
        ("(?i)HELLO", "hello", True),
        ("(?i:h)ELLO", "hello", False),
        ("a(?#comment)b", "ab", True),
        ("hxllo{~1}", "hello", False),
        ("\\.", "a", False),
    ],
)
def test_search(pattern: str, text: str, found: bool) -> None:
    assert compile_regex(pattern.encode()).search(text.encode()) == found


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("(", "Missing ')'"),
        ("[a", "Missing ']'"),
        ("[z-a]", "Invalid character range"),
        ("[a-c-e]", "Invalid character range"),
        ("[[:foo:]]", "Unknown character class name"),
        ("[[.a.]]", "Unknown collating element"),
        ("a{", "Missing '}'"),
        ("a{1", "Missing '}'"),
        ("a{}", "Invalid contents of {}"),
        ("a{3,2}", "Invalid contents of {}"),
        ("x{x}", "Invalid contents of {}"),
        ("a{256}", "Maximum repetition in {} larger than 255"),
        ("a**", "Invalid use of repetition operators"),
        ("a{1}*", "Invalid use of repetition operators"),
        ("\\", "Trailing backslash"),
        ("(a)\\2", "Invalid back reference"),
        ("(?x)", "Invalid regexp"),
    ],
)
def test_errors(pattern: str, error: str) -> None:
    with pytest.raises(RegexError) as caught:
        compile_regex(pattern.encode())
    assert str(caught.value) == error


def test_references_to_groups() -> None:
    with pytest.raises(BackReference):
        compile_regex(b"(a)\\1")


def test_case() -> None:
    assert compile_regex(b"[[:upper:]]ELLO", True).search(b"hello")
    assert not compile_regex(b"[^a]", True).search(b"A")
    for pattern in (b"\\x41", b"\\x{41}", b"\\x61"):
        assert compile_regex(pattern, True).search(b"a") and compile_regex(pattern, True).search(b"A")
    for pattern, nocase in ((b"(?i)\\x41", False), (b"(?-i)\\x41", True), (b"[\\x41]", True)):
        assert not compile_regex(pattern, nocase).search(b"a")


def test_what_is_too_large() -> None:
    for pattern in (b"(" * 200 + b")" * 200, b"((a{255}){255}){255}", b"a" + b"{2}" * 50):
        with pytest.raises(RegexError, match="Out of memory"):
            compile_regex(pattern)
    assert compile_regex(b"(((){255}){255}){255}").search(b"")


@pytest.mark.parametrize("pattern", [b"(a*)*b", b"(a|aa)+$", b"(a|a)*c", b"((a+)+)+b", b"(.*)*x", b"a*a*a*a*a*a*b"])
def test_the_time_is_linear(pattern: bytes) -> None:
    began = process_time()
    assert not compile_regex(pattern).search(b"a" * 50_000 + b"!")
    # A backtracking search would not end; the limit leaves room for a slow machine.
    assert process_time() - began < 20
