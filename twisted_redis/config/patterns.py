"""Glob patterns for the names of directives, for CONFIG GET.

The rules are those of all globs of Redis, without regard to case. Names are short and contain only ``a-z 0-9 - _``, so
a small matcher is enough: each element except ``*`` matches exactly one byte, and after a mismatch the matcher only has
to return to the last ``*``.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["is_pattern", "matcher"]

_ANY = frozenset(range(256))
_STAR = None
_NAME_MAX = 64


def is_pattern(text: bytes) -> bool:
    """True if ``text`` is a pattern for CONFIG GET, and not a name."""
    return b"*" in text or b"?" in text or b"[" in text


def matcher(pattern: bytes) -> Callable[[str], bool]:
    """Compiles ``pattern`` to a function that returns True for a matching name in lower case."""
    elements = _parse(pattern)
    if sum(element is not _STAR for element in elements) > _NAME_MAX:
        return lambda name: False
    return lambda name: _matches(elements, name.encode())


def _matches(elements: list[frozenset[int] | None], name: bytes) -> bool:
    position = at = 0
    star = back = -1
    while at < len(name):
        element = elements[position] if position < len(elements) else frozenset()
        if element is None:
            star, back = position, at
            position += 1
        elif name[at] in element:
            position += 1
            at += 1
        elif star >= 0:
            back += 1
            position, at = star + 1, back
        else:
            return False
    return all(element is _STAR for element in elements[position:])


def _parse(pattern: bytes) -> list[frozenset[int] | None]:
    elements: list[frozenset[int] | None] = []
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        if byte == 0x2A:  # *
            if not elements or elements[-1] is not _STAR:
                elements.append(_STAR)
        elif byte == 0x3F:  # ?
            elements.append(_ANY)
        elif byte == 0x5B:  # [
            members, at = _class(pattern, at + 1)
            elements.append(members)
        else:
            if byte == 0x5C and at + 1 < len(pattern):  # a backslash before another character
                at += 1
                byte = pattern[at]
            elements.append(frozenset((_lower(byte),)))
        at += 1
    return elements


def _class(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """Parses a class after its opening bracket. Returns its bytes, and the index of its last byte in the pattern."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(pattern):
        byte = pattern[at]
        if byte == 0x5C and at + 1 < len(pattern):
            at += 1
            members.add(pattern[at])  # as it is: upper case never matches
        elif byte == 0x5D:  # ]
            break
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((_signed(byte), _signed(pattern[at + 2])))
            members.update(range(max(_lower(low), 0), _lower(high) + 1))
            at += 2
        else:
            members.add(_lower(byte))
        at += 1
    else:
        at -= 1  # a class without a closing bracket ends with the pattern
    return (_ANY - members if negated else frozenset(members)), at


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _lower(value: int) -> int:
    """``tolower`` of C, which makes negative bytes positive, except -1, which is EOF."""
    if value < -1:
        return value + 256
    return value + 32 if 65 <= value <= 90 else value
