"""How the commands of the sketches read keywords: in the way of Redis' module, which looks for them everywhere."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["letter", "place_of", "signed"]


def place_of(keyword: bytes, words: Sequence[bytes]) -> int:
    """The index of the first of ``words`` that is ``keyword`` (in upper case) in any case, or -1."""
    for at, word in enumerate(words):
        if len(word) == len(keyword) and word.upper() == keyword:
            return at
    return -1


def letter(word: bytes, at: int) -> bytes:
    """The byte at ``at`` of ``word`` in lower case; empty if ``word`` ends before it."""
    return word[at : at + 1].lower()


def signed(number: int) -> int:
    """A number of 64 bits as the signed integer that a reply shows."""
    return number - (1 << 64) if number >= 1 << 63 else number
