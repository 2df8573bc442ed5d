"""Splitting a line into arguments with quotes, for inline requests and for the lines of redis.conf.

The rules are Redis':

- Blanks (space, tab, CR, LF, VT, FF) before an argument are skipped; VT and FF do not end an argument.
- ``"..."`` knows the escapes ``\\n \\r \\t \\b \\a \\xHH``; a backslash before any other byte stands for
  that byte.
- ``'...'`` knows only one escape: ``\\'``.
- Quotes may begin within an argument (``a"b c"`` is ``ab c``).  A closing quote ends the argument, so a blank or
  the end of the line must follow it.
- A NUL ends the line.
"""

from __future__ import annotations

import re

__all__ = ["split_arguments"]

_unusual = re.compile(rb"[\"'\0\v\f]").search
_blanks = re.compile(rb"[ \t-\r]*").match
_plain = re.compile(rb"[^ \t\n\r\"']*").match
_double = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(?![^ \t-\r])', re.DOTALL).match
_single = re.compile(rb"'([^'\\]*(?:\\(?:'|(?!'))[^'\\]*)*)'(?![^ \t-\r])").match
_escapes = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL).sub

_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_arguments(line: bytes) -> list[bytes] | None:
    """The arguments of ``line``; an empty list for an empty line, and None if quotes are not balanced."""
    if _unusual(line) is None:
        return line.split()
    line = line.partition(b"\0")[0]
    arguments: list[bytes] = []
    size = len(line)
    at = _end(_blanks(line))
    while at < size:
        start, at = at, _end(_plain(line, at))
        argument = line[start:at]
        quote = line[at : at + 1]
        if quote == b'"':
            quoted = _double(line, at)
            if quoted is None:
                return None
            argument += _escapes(_unescape, quoted[1])
            at = quoted.end()
        elif quote == b"'":
            quoted = _single(line, at)
            if quoted is None:
                return None
            argument += quoted[1].replace(b"\\'", b"'")
            at = quoted.end()
        arguments.append(argument)
        at = _end(_blanks(line, at))
    return arguments


def _end(found: re.Match[bytes] | None) -> int:
    assert found is not None  # these patterns match the empty string
    return found.end()


def _unescape(found: re.Match[bytes]) -> bytes:
    digits, letter = found.groups()
    if digits is not None:
        return bytes((int(digits, 16),))
    return _LETTERS.get(letter, letter)
