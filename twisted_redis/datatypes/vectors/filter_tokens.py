"""The words of a FILTER expression.

The rules are those of Redis, also where they are odd: the text ends at the first NUL byte; an operator is the longest
one that the letters and signs at a place begin with, so ``andnot`` is two words; and ``null`` is a word only where
letters and signs end behind it, so ``(null)`` is an error and ``(null )`` is none.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

Scalar = float | bytes | None
Value = Scalar | tuple["Value", ...]
"""A value of the language: a number, a string, null, or an array."""

OPEN: Final = b"("
CLOSE: Final = b")"

OPERATORS: Final = {
    OPEN: OPEN,
    CLOSE: CLOSE,
    b"!": b"!",
    b"not": b"!",
    b"**": b"**",
    b"*": b"*",
    b"/": b"/",
    b"%": b"%",
    b"+": b"+",
    b"-": b"-",
    b">": b">",
    b">=": b">=",
    b"<": b"<",
    b"<=": b"<=",
    b"==": b"==",
    b"!=": b"!=",
    b"in": b"in",
    b"and": b"and",
    b"&&": b"and",
    b"or": b"or",
    b"||": b"or",
}
"""The operators by their spellings."""

_MAX_NUMBER = 255
"""The most bytes of a number."""

_spaces = re.compile(rb"\s*").match
_word = re.compile(rb"[A-Za-z+\-*%/!()<>=|&]*").match
_null = re.compile(rb"null(?![A-Za-z+\-*%/!()<>=|&])").match
_operator = re.compile(b"|".join(re.escape(name) for name in sorted(OPERATORS, key=len, reverse=True))).match
_number = re.compile(rb"-?[0-9.eE]*").match
_valid_number = re.compile(rb"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][0-9]+)?\Z").match
_string = re.compile(rb"""(?s)"([^"\\]*(?:\\.[^"\\]*)*)"|'([^'\\]*(?:\\.[^'\\]*)*)'""").match
_selector = re.compile(rb"\.([A-Za-z0-9_-]+|\Z)").match

_DIGITS = b"0123456789"
_QUOTES = b"\"'"


class FilterError(Exception):
    """The expression is no valid filter; ``near`` is the part of it that the error reply shows."""

    def __init__(self, near: bytes) -> None:
        super().__init__(near)
        self.near = near


class BadWord(Exception):
    """No word ends at ``at``, a place in the text."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class Constant(NamedTuple):
    """A number, a string, an array of both, or null."""

    value: Value


class Selector(NamedTuple):
    """A field of the attribute.  No field has the empty name, which a dot at the end of the expression gives."""

    field: bytes


class Operator(NamedTuple):
    """An operator or a parenthesis, by its first spelling."""

    name: bytes


Token = Constant | Selector | Operator


def tokenize(text: bytes) -> list[Token]:
    """The words of an expression without NUL bytes; raises BadWord."""
    tokens: list[Token] = []
    at = _skip_spaces(text, 0)
    while at < len(text):
        last = tokens[-1] if tokens else Operator(OPEN)
        token, at = _token(text, at, sign_allowed=isinstance(last, Operator) and last.name != CLOSE)
        tokens.append(token)
        at = _skip_spaces(text, at)
    return tokens


def _token(text: bytes, at: int, *, sign_allowed: bool) -> tuple[Token, int]:
    """The word at a place, and the place behind it.  A minus before a digit is a sign where a value is expected."""
    first = text[at : at + 1]
    if first in _DIGITS or (sign_allowed and first == b"-" and text[at + 1 : at + 2].isdigit()):
        number, at = _parse_number(text, at)
        return Constant(number), at
    if first in _QUOTES:
        string, at = _parse_string(text, at)
        return Constant(string), at
    if first == b"[":
        elements, at = _parse_array(text, at + 1)
        return Constant(elements), at
    if found := _selector(text, at):
        return Selector(found[1]), found.end()
    if found := _null(text, at):
        return Constant(None), found.end()
    if found := _operator(text, at):
        return Operator(OPERATORS[found[0]]), found.end()
    raise BadWord(at + len(_matched(_word(text, at))))


def _parse_number(text: bytes, at: int) -> tuple[float, int]:
    """The number at a place, and the place behind it."""
    digits = _matched(_number(text, at))
    if len(digits) > _MAX_NUMBER:
        raise BadWord(at + _MAX_NUMBER)
    if not _valid_number(digits):
        raise BadWord(at + len(digits))
    return float(digits), at + len(digits)


def _parse_string(text: bytes, at: int) -> tuple[bytes, int]:
    """The string at a place, with its backslashes, and the place behind it."""
    if not (found := _string(text, at)):
        raise BadWord(len(text))
    return found[found.lastindex or 0], found.end()


def _parse_array(text: bytes, at: int) -> tuple[tuple[Value, ...], int]:
    """The elements of an array whose bracket stands before a place, and the place behind the closing bracket."""
    elements: list[Value] = []
    at = _skip_spaces(text, at)
    while text[at : at + 1] != b"]":
        first = text[at : at + 1]
        element: Value
        if first and first in b"-" + _DIGITS:
            element, at = _parse_number(text, at)
        elif first and first in _QUOTES:
            element, at = _parse_string(text, at)
        else:
            raise BadWord(at)
        elements.append(element)
        at = _skip_spaces(text, at)
        if text[at : at + 1] == b"]":
            break
        if text[at : at + 1] != b",":
            raise BadWord(at)
        at = _skip_spaces(text, at + 1)
    return tuple(elements), at + 1


def _skip_spaces(text: bytes, at: int) -> int:
    return at + len(_matched(_spaces(text, at)))


def _matched(found: re.Match[bytes] | None) -> bytes:
    """The text of a match of a pattern that matches everywhere."""
    return found[0] if found else b""
