"""Glob patterns as Redis reads them (KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET, ACL).

A pattern is a sequence of elements.  ``*`` matches any run of bytes.  Every other element matches exactly one byte:
``?``, a class ``[...]``, an escaped byte ``\\x`` or the byte itself.  Some rules are surprising:

- An empty text matches only the empty pattern; even ``*`` does not match it.
- A class without a closing bracket ends with the pattern: ``[ab`` is ``[ab]``.  A class without members matches
  nothing; a negated one (``[^``) matches any byte.
- Only ``^`` negates a class; ``!`` is an ordinary member.  ``[b-a]`` is ``[a-b]``.  The end of a range may be any byte,
  even ``]`` or a backslash: ``[a-]`` is an unclosed class with the range from ``]`` to ``a``.
- Bytes above 127 are negative in a range, because ``char`` is signed on the machines that Redis runs on.
- An escaped byte inside a class is compared exactly even if case is ignored.
- A pattern with more than 1000 runs of ``*`` that have something after them matches nothing.

A pattern is translated once, into a function that takes time linear in the length of the text.  All elements but ``*``
have a fixed width.  So the leftmost place for each part between two stars is always the right one, and there is no
backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import methodcaller

Matcher = Callable[[bytes], bool]

_MAX_STARS = 1000
"""A pattern with more runs of ``*`` that have something after them matches nothing."""

_CACHED_LENGTH = 512
"""Longer patterns (bytes) are not cached, so that clients cannot fill the cache with them."""

_REGEX_LENGTH = 4096
"""Parts with more elements are matched byte by byte: to build a regular expression would take longer."""

_STAR = -1
_ANY = frozenset(range(256))

# An element is _STAR, a byte (int), or the set of the bytes it matches.
_Element = int | frozenset[int]
_Part = list[_Element]


def glob_match(pattern: bytes, text: bytes, nocase: bool = False) -> bool:
    """Returns whether the whole of ``text`` matches ``pattern``; ``nocase`` ignores the case of ASCII letters."""
    return compile_glob(pattern, nocase)(text)


def compile_glob(pattern: bytes, nocase: bool = False) -> Matcher:
    """Returns a function that says whether a text matches ``pattern``.  Short patterns are cached."""
    if len(pattern) <= _CACHED_LENGTH:
        return _cached(pattern, nocase)
    return _translate(pattern, nocase)


def _translate(pattern: bytes, nocase: bool) -> Matcher:
    parts = _parse(pattern, nocase)
    if len(parts) == 1:
        return _whole(parts[0])
    first, *middle, last = parts
    if len(middle) + bool(last) > _MAX_STARS:
        return _never
    if not middle:
        if not first and not last:
            return bool
        if not last and (literal := _literal(first)) is not None:
            return methodcaller("startswith", literal)
        if not first and (literal := _literal(last)) is not None:
            return methodcaller("endswith", literal)
    elif len(middle) == 1 and not first and not last and (literal := _literal(middle[0])) is not None:
        return _containing(literal)
    return _pieces(first, middle, last)


_cached = lru_cache(maxsize=1024)(_translate)


def _never(text: bytes) -> bool:
    return False


def _containing(literal: bytes) -> Matcher:
    def matches(text: bytes) -> bool:
        return literal in text

    return matches


def _whole(part: _Part) -> Matcher:
    literal = _literal(part)
    if literal is not None:
        return literal.__eq__
    size = len(part)
    matches_at = _matcher_at(part)

    def matches(text: bytes) -> bool:
        return len(text) == size and matches_at(text, 0)

    return matches


def _pieces(first: _Part, middle: list[_Part], last: _Part) -> Matcher:
    """The general form: an anchored start, parts to find one after the other, and an anchored end."""
    first_size, last_size = len(first), len(last)
    least = first_size + last_size + sum(map(len, middle))
    # Texts that are too short are refused before the functions for a long pattern are built.
    prepared: list[tuple[_At, list[_Find], _At]] = []

    def matches(text: bytes) -> bool:
        size = len(text)
        if size < least:
            return False
        if not prepared:
            prepared.append((_matcher_at(first), [_finder(part) for part in middle], _matcher_at(last)))
        starts, finders, ends = prepared[0]
        if not starts(text, 0) or not ends(text, size - last_size):
            return False
        position, limit = first_size, size - last_size
        for find in finders:
            position = find(text, position, limit)
            if position < 0:
                return False
        return True

    return matches


_At = Callable[[bytes, int], bool]
_Find = Callable[[bytes, int, int], int]


def _matcher_at(part: _Part) -> _At:
    """Returns a function (text, position) that says whether ``part`` matches there; the text must be long enough."""
    literal = _literal(part)
    if literal is not None:

        def literally(text: bytes, position: int) -> bool:
            return text.startswith(literal, position)

        return literally
    if len(part) > _REGEX_LENGTH:

        def bytewise(text: bytes, position: int) -> bool:
            return _walk(part, text, position)

        return bytewise
    match = re.compile(_regex(part), re.DOTALL).match

    def by_regex(text: bytes, position: int) -> bool:
        return match(text, position) is not None

    return by_regex


def _finder(part: _Part) -> _Find:
    """Returns a function (text, start, end) that gives the end of the leftmost match of ``part``, or -1."""
    size = len(part)
    literal = _literal(part)
    if literal is not None:

        def find_literal(text: bytes, start: int, end: int) -> int:
            found = text.find(literal, start, end)
            return found if found < 0 else found + size

        return find_literal
    if size > _REGEX_LENGTH:

        def find_bytewise(text: bytes, start: int, end: int) -> int:
            for position in range(start, end - size + 1):
                if _walk(part, text, position):
                    return position + size
            return -1

        return find_bytewise
    search = re.compile(_regex(part), re.DOTALL).search

    def find_by_regex(text: bytes, start: int, end: int) -> int:
        found = search(text, start, end)
        return found.end() if found else -1

    return find_by_regex


def _walk(part: _Part, text: bytes, position: int) -> bool:
    for element in part:
        byte = text[position]
        if element != byte if isinstance(element, int) else byte not in element:
            return False
        position += 1
    return True


def _literal(part: _Part) -> bytes | None:
    """The bytes that ``part`` spells, or None if an element matches several bytes or none."""
    try:
        return bytes(part)  # type: ignore[arg-type]  # a set among the elements raises TypeError
    except TypeError:
        return None


def _regex(part: _Part) -> bytes:
    out = bytearray()
    for element in part:
        if isinstance(element, int):
            out += re.escape(bytes((element,)))
        elif element is _ANY:
            out += b"."
        elif not element:
            out += b"(?!)"
        elif len(element) == 256:
            out += b"."
        else:
            out += b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(element)) + b"]"
    return bytes(out)


def _parse(pattern: bytes, nocase: bool) -> list[_Part]:
    """Splits a pattern at its stars: ``a*b`` gives two parts, ``*`` two empty ones, ``a`` a single one."""
    parts: list[_Part] = [[]]
    position, size = 0, len(pattern)
    while position < size:
        byte = pattern[position]
        if byte == 0x2A:  # *
            if parts[-1] or len(parts) == 1:
                parts.append([])
            position += 1
            continue
        if byte == 0x3F:  # ?
            parts[-1].append(_ANY)
        elif byte == 0x5B:  # [
            members, position = _parse_class(pattern, position + 1, nocase)
            parts[-1].append(min(members) if len(members) == 1 else members)
        else:
            if byte == 0x5C and position + 1 < size:  # a backslash that escapes a byte
                position += 1
                byte = pattern[position]
            parts[-1].append(_either_case(byte) if nocase and _is_letter(byte) else byte)
        position += 1
    return parts


def _parse_class(pattern: bytes, position: int, nocase: bool) -> tuple[frozenset[int], int]:
    """Reads a class that begins after its bracket; returns its bytes and the position of its last byte."""
    size = len(pattern)
    negated = position < size and pattern[position] == 0x5E  # ^
    if negated:
        position += 1
    members: set[int] = set()
    while position < size:
        byte = pattern[position]
        left = size - position
        if byte == 0x5C and left >= 2:
            position += 1
            members.add(pattern[position])
        elif byte == 0x5D:  # ]
            break
        elif left >= 3 and pattern[position + 1] == 0x2D:  # -
            members |= _range(byte, pattern[position + 2], nocase)
            position += 2
        elif nocase:
            members |= _either_case(byte)
        else:
            members.add(byte)
        position += 1
    else:
        position -= 1
    return (_ANY - members if negated else frozenset(members)), position


def _range(start: int, end: int, nocase: bool) -> set[int]:
    start, end = sorted((_signed(start), _signed(end)))
    if nocase:
        # The ends are put in order before they are lowered: [_-Z] becomes Z-_, then z-_, and so matches nothing.
        start, end = _lower(start), _lower(end)
        return {byte for byte in _ANY if start <= _lower(_signed(byte)) <= end}
    return {value & 0xFF for value in range(start, end + 1)}


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _lower(value: int) -> int:
    """The result of tolower() in C, which makes negative bytes positive, except -1, which is EOF."""
    if value < -1:
        return value + 256
    return value + 32 if 65 <= value <= 90 else value


def _is_letter(byte: int) -> bool:
    return 97 <= byte | 0x20 <= 122


def _either_case(byte: int) -> frozenset[int]:
    return frozenset((byte, byte ^ 0x20)) if _is_letter(byte) else frozenset((byte,))
