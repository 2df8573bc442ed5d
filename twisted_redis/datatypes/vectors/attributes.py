"""Fields of the JSON attributes of elements, as FILTER reads them.

Redis takes one field out of the text without parsing the rest, and so does this module.  That differs from a parser of
JSON: the first of several fields with the same name counts; what stands behind the field may be anything; names are
compared with their backslashes; an escape other than ``\\n``, ``\\r`` and ``\\t`` is the letter behind the backslash;
and an object is no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Final

from twisted_redis.datatypes.vectors.filter_tokens import Value


class Missing(Enum):
    """The attribute has no such field, or its value is none that FILTER reads."""

    MISSING = 0


MISSING: Final = Missing.MISSING

Extract = Callable[[bytes], "Value | Missing"]

_MAX_NUMBER = 255
"""The most bytes of a number; what stands behind them is not part of it."""

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_NUMBER = rb"[-+.eE0-9]+"
_FLAT = rb'[^\[\]{}"]*(?:' + _STRING + rb'[^\[\]{}"]*)*'
_SIMPLE = rb"(?:" + b"|".join((_STRING, _NUMBER, b"true", b"false", b"null", rb"\[" + _FLAT + rb"\]")) + rb")"
"""A value without other brackets than those around a flat array."""

_MEMBER = _STRING + rb"\s*:\s*" + _SIMPLE + rb"\s*"
_PLAIN_STRING = rb'"[^"\\]*"'
_STRINGS = rb"\[\s*(" + _PLAIN_STRING + rb"(?:\s*,\s*" + _PLAIN_STRING + rb")*)\s*\]"
_VALUE = rb'(?:([-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)(?![-+.eE0-9])|"([^"\\]*)"|' + _STRINGS + rb"|)"
"""A number (group 1), a string without escapes (group 2), an array of such strings (3), or something else (none)."""

_begin = re.compile(rb"\s*\{").match
_name = re.compile(rb"(?s)\s*(" + _STRING + rb")\s*:\s*").match
_separator = re.compile(rb"\s*,").match
_spaces = re.compile(rb"\s*").match
_skip_simple = re.compile(rb"(?s)" + _SIMPLE).match
_string = re.compile(rb"(?s)" + _STRING).match
_number = re.compile(_NUMBER).match
_valid_number = re.compile(rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z").match
_plain_strings = re.compile(rb'"([^"]*)"').findall
_literal = re.compile(rb"(true|false|null)(?=[\s,\]}]|\Z)").match
_next_bracket = {
    b"{": re.compile(rb"(?s)" + _STRING + rb'|[{}"]').search,
    b"[": re.compile(rb"(?s)" + _STRING + rb'|[\[\]"]').search,
}
_unescape = re.compile(rb"(?s)\\(.)").sub

_LITERALS: Final[dict[bytes, Value]] = {b"true": 1.0, b"false": 0.0, b"null": None}
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def extractor(field: bytes) -> Extract:
    """A function that takes the value of a field out of an attribute.

    :param field: letters, digits, ``_`` and ``-``.
    """
    # Most attributes are small and flat, and one match finds a field there, or that there is none.
    name = b'"' + re.escape(field) + b'"'
    skipped = rb"(?:(?!" + name + b")" + _MEMBER + rb",\s*)*"
    absent = _MEMBER + rb"(\})"
    find = re.compile(
        rb"(?s)\s*\{\s*" + skipped + b"(?:" + name + rb"\s*:\s*(?=.)" + _VALUE + b"|" + absent + b")"
    ).match

    def extract(attribute: bytes) -> Value | Missing:
        found = find(attribute)
        if found is None:
            at = _seek(attribute, field)
            return MISSING if at is None else _parse_value(attribute, at)
        number, string, strings, end = found.groups()
        if string is not None:
            return string
        if number is not None:
            return float(number) if len(number) <= _MAX_NUMBER else _parse_value(attribute, found.start(1))
        if strings is not None:
            return tuple(_plain_strings(strings))
        return MISSING if end else _parse_value(attribute, found.end())

    return extract


def _seek(attribute: bytes, field: bytes) -> int | None:
    """The place of the value of a field, or None."""
    found = _begin(attribute)
    wanted = b'"' + field + b'"'
    while found and (name := _name(attribute, found.end())):
        if name[1] == wanted:
            return name.end() if name.end() < len(attribute) else None
        behind = _skip(attribute, name.end())
        if behind is None:
            return None
        found = _separator(attribute, behind)
    return None


def _skip(attribute: bytes, at: int) -> int | None:
    """The place behind the value at a place, or None.  Brackets of the other kind within brackets do not count."""
    if found := _skip_simple(attribute, at):
        return found.end()
    search = _next_bracket.get(attribute[at : at + 1])
    if search is None:
        return None
    depth = 1
    at += 1
    while depth:
        if not (found := search(attribute, at)) or found[0] == b'"':
            return None
        if found[0] in b"[{":
            depth += 1
        elif found[0] in b"]}":
            depth -= 1
        at = found.end()
    return at


def _parse_value(attribute: bytes, at: int) -> Value | Missing:
    """The value at a place behind spaces.  Arrays may be nested to any depth."""
    open_arrays: list[list[Value]] = []
    while True:
        value: Value | Missing
        if attribute[at : at + 1] == b"[":
            at = _behind_spaces(attribute, at + 1)
            if attribute[at : at + 1] != b"]":
                open_arrays.append([])
                continue
            value, at = (), at + 1
        else:
            value, at = _parse_scalar(attribute, at)
            if value is MISSING:
                return MISSING
        while open_arrays:
            open_arrays[-1].append(value)
            at = _behind_spaces(attribute, at)
            if attribute[at : at + 1] == b",":
                at = _behind_spaces(attribute, at + 1)
                break
            if attribute[at : at + 1] != b"]":
                return MISSING
            value, at = tuple(open_arrays.pop()), at + 1
        else:
            return value


def _parse_scalar(attribute: bytes, at: int) -> tuple[Value | Missing, int]:
    """The number, string, boolean or null at a place, and the place behind it."""
    if found := _literal(attribute, at):
        return _LITERALS[found[1]], found.end()
    if found := _string(attribute, at):
        return _unescape(lambda escape: _ESCAPES.get(escape[1], escape[1]), found[0][1:-1]), found.end()
    if attribute[at : at + 1] != b"." and (found := _number(attribute, at)):
        digits = found[0][:_MAX_NUMBER]
        if _valid_number(digits):
            return float(digits), at + len(digits)
    return MISSING, at


def _behind_spaces(attribute: bytes, at: int) -> int:
    found = _spaces(attribute, at)
    return found.end() if found else at
