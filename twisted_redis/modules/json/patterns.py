"""The regular expressions of filters, which are those of Rust, for the linear search that modules have.

A backtracking search, such as that of ``re``, takes exponential time for some expressions.  The linear one works on
bytes, so what stands for any character must be written as what stands for the bytes of any character.  Expressions that
Rust does not have, such as those with a look ahead, match nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from twisted_redis.extending import BackReference, RegexError, compile_regex

__all__ = ["matches"]

_MULTIBYTE = b"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf][\x80-\xbf][\x80-\xbf]"
_ANY = b"([^\n\x80-\xff]|%b)" % _MULTIBYTE
_SPECIAL = {".": _ANY, r"\w": b"([[:alnum:]_]|%b)" % _MULTIBYTE, r"\W": b"[^[:alnum:]_\x80-\xff]"}
_SPECIAL |= {r"\D": b"([^[:digit:]\x80-\xff]|%b)" % _MULTIBYTE, r"\S": b"([^[:space:]\x80-\xff]|%b)" % _MULTIBYTE}
_SPECIAL |= {r"\A": b"^", r"\z": b"$"}
_TOKEN = re.compile(
    r"\{[0-9,]+\}|\(\?[a-z]+\)|\\.|\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]|\(\?P?<\w+>|\(\?[=!<].*|.", re.DOTALL
)
_CLASS_ESCAPES = {r"\d": "0-9", r"\w": "a-zA-Z0-9_", r"\s": " \t\n\r\v\f", r"\n": "\n", r"\t": "\t", r"\r": "\r"}


def _class(text: str) -> bytes:
    """A class of characters such as ``[^a-z]``."""
    negated = text.startswith("[^")
    content = text[2 if negated else 1 : -1]
    content = re.sub(r"\\.", lambda found: _CLASS_ESCAPES.get(found[0], found[0][1:]), content)
    plain = "".join(char for char in content if char.isascii())
    others = [char for char in content if not char.isascii()]
    # In this syntax, a closing bracket stands first and a hyphen last.
    for sign, arranged in (("]", "]{}"), ("^", "{}^")):
        if sign in plain and ":]" not in plain:
            plain = arranged.format(plain.replace(sign, ""))
    inner = plain.encode("ascii")
    if negated:
        return b"([^%b\x80-\xff]|%b)" % (inner, _MULTIBYTE)
    choices = [b"[%b]" % inner] if inner else []
    return b"(%b)" % b"|".join([*choices, *(char.encode("utf-8") for char in others)])


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    """The expression ready for searches, or None if it is wrong."""
    parts = []
    groups = 0
    before = ""
    for found in _TOKEN.finditer(pattern):
        token = found[0]
        groups += (token[0] == "(" and token[-1] != ")") - (token == ")")
        repeats = token in ("*", "+", "?") or token.startswith("{")
        if groups < 0 or token.startswith(("(?=", "(?!", "(?<=", "(?<!")):
            return None
        if repeats and (before in ("", "(", "|") or before.startswith("(?")):
            return None
        before = token
        if token in _SPECIAL:
            parts.append(_SPECIAL[token])
        elif token.startswith("[") and len(token) > 1:
            parts.append(_class(token))
        elif token.startswith("(?") and len(token) > 2:
            parts.append(token.encode("utf-8") if token.endswith(")") else b"(")
        else:
            literal = token.encode("utf-8")
            parts.append(b"(%b)" % literal if len(literal) > 1 and literal[0] not in b"{\\" else literal)
    try:
        return compile_regex(b"".join(parts))
    except (RegexError, BackReference):
        return None


def matches(pattern: str, text: str) -> bool:
    """Whether any part of ``text`` matches."""
    regex = _compiled(pattern)
    return regex is not None and regex.search(text.encode("utf-8"))
