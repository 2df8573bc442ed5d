"""JSON as text: parsing and serialization, with the results of RedisJSON whatever library does the work.

orjson parses and serializes if it is installed, and the standard library otherwise.  Both read some numbers in another
way than RedisJSON, and say something else about text that is not JSON.  ``scanner`` has the last word about both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from twisted_redis.modules.json.scanner import JsonError, float_of, integer_of, scan

try:
    import orjson
except ImportError:
    orjson = None

__all__ = [
    "DEEPEST_ARGUMENT",
    "DEEPEST_DOCUMENT",
    "Codec",
    "Form",
    "JsonError",
    "depth_of",
    "dumps",
    "duplicate",
    "float_text",
    "formatted",
    "loaded",
    "parse",
    "parse_whole",
    "restored",
]

DEEPEST_ARGUMENT = 127
"""The most arrays and objects within each other in an argument."""

DEEPEST_DOCUMENT = 200
"""As above, in a document: commands can put one value into another.  RedisJSON has no limit."""

_MARKS = bytes.maketrans(
    bytes(range(256)),
    bytes(48 if byte in b"0123456789." else 101 if byte in b"eE" else 32 for byte in range(256)),
)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_LONG_RUN, _WITH_EXPONENT = b"0" * 17, b"0e"
_LONG_NUMBER = re.compile(rb"(?=[0-9.]{17})[0-9]+\.|[0-9]{20}|-[0-9]{19}")
_EXPONENT = re.compile(rb"(?:^|[\s:,\[-])[0-9][0-9.]*[eE]")
_MINUS_ZERO = re.compile(rb"-0(?![.0-9])")
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F]"
_LONE_SURROGATE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_STRING_OR_EXPONENT = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?e[+-][0-9]+')

Form = tuple[str, str, str]
"""How to lay out text: the indent of a level, the end of a line, and the space behind a colon."""


class Codec:
    """A library for JSON: ``loads`` takes str and raises ValueError, ``dumps`` returns bytes."""

    def __init__(self, loads: Callable[[str], Any], dumps: Callable[[Any], bytes], checks_surrogates: bool) -> None:
        self.loads = loads
        self.dumps = dumps
        self.checks_surrogates = checks_surrogates


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_exact = json.JSONDecoder(parse_float=float_of, parse_int=integer_of, parse_constant=_refuse).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def float_text(value: float) -> str:
    """A float as RedisJSON writes it: the shortest digits that give it again, ``1e22`` and ``0.00001``."""
    text = repr(value)
    mantissa, found, power = text.partition("e")
    if not found:
        return text
    if power == "-05":
        sign = "-" if mantissa.startswith("-") else ""
        return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"
    return f"{mantissa}e{int(power)}"


def _respelled(text: bytes) -> bytes:
    """``text`` with the exponents of its numbers as RedisJSON writes them."""
    return _STRING_OR_EXPONENT.sub(
        lambda found: found[0] if found[0].startswith(b'"') else float_text(float(found[0])).encode("ascii"), text
    )


def _standard_dumps(value: Any) -> bytes:
    text = _encode(value).encode("utf-8")
    return _respelled(text) if b"e+" in text or b"e-" in text else text


def _fast_dumps(value: Any) -> bytes:
    text = orjson.dumps(value)
    return _respelled(text) if b"e+" in text else text


STANDARD = Codec(json.JSONDecoder(parse_constant=_refuse).decode, _standard_dumps, False)
"""The standard library."""

FASTEST = STANDARD if orjson is None else Codec(orjson.loads, _fast_dumps, True)
"""orjson if it is installed."""

dumps = FASTEST.dumps


def restored(text: bytes) -> Any:
    """The value of a text that ``dumps`` has made, with exactly the same floats."""
    return FASTEST.loads(text.decode("utf-8"))


def loaded(data: bytes) -> Any:
    """The value of a text from a file; raises JsonError or UnicodeDecodeError.

    If the text is one that ``dumps`` writes, the floats are exactly those that were saved.  RedisJSON rounds them.
    """
    try:
        value = restored(data)
        if dumps(value) == data and not _too_deep(data, value, DEEPEST_DOCUMENT):
            return value
    except (ValueError, TypeError, RecursionError):
        pass
    return parse(data, DEEPEST_DOCUMENT)


def duplicate(value: Any) -> Any:
    """An independent copy of a value."""
    if value.__class__ is dict:
        return {key: duplicate(item) for key, item in value.items()}
    return [duplicate(item) for item in value] if value.__class__ is list else value


def depth_of(value: Any) -> int:
    """The number of arrays and objects within each other."""
    depth = 0
    level = [value] if value.__class__ in (dict, list) else []
    while level:
        depth += 1
        level = [
            item
            for container in level
            for item in (container.values() if container.__class__ is dict else container)
            if item.__class__ in (dict, list)
        ]
    return depth


def _too_deep(data: bytes, value: Any, deepest: int) -> bool:
    """Whether ``value`` has more than ``deepest`` levels; ``data`` is its text, which mostly gives the answer fast."""
    brackets = data.translate(None, _NOT_BRACKETS)
    if len(brackets) <= 2 * deepest:
        return False
    # A round takes away one level or two.  Brackets within strings may end that early.
    for _ in range(deepest // 2):
        rest = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not rest:
            return False
        if len(rest) == len(brackets):
            break
        brackets = rest
    return depth_of(value) > deepest


def _needs_rounding(data: bytes) -> bool:
    """Whether a number in the text may be one that RedisJSON reads in a way of its own."""
    marks = data.translate(_MARKS)
    return bool(
        (_LONG_RUN in marks and _LONG_NUMBER.search(data))
        or (_WITH_EXPONENT in marks and _EXPONENT.search(data))
        or (b"-0" in data and _MINUS_ZERO.search(data))
    )


def _has_lone_surrogate(data: bytes) -> bool:
    """Whether an escape stands for half a character; the fast way of the standard library accepts that."""
    return _LONE_SURROGATE.search(data.replace(rb"\\", b"_")) is not None


def parse(data: bytes, deepest: int = DEEPEST_ARGUMENT, codec: Codec = FASTEST) -> Any:
    """Returns the value of a text; raises JsonError with RedisJSON's text for it, or UnicodeDecodeError."""
    text = data.decode("utf-8")
    rounding = _needs_rounding(data)
    try:
        if (rounding or not codec.checks_surrogates) and b"\\u" in data and _has_lone_surrogate(data):
            return scan(data, deepest)
        value = _exact(text) if rounding else codec.loads(text)
    except (ValueError, RecursionError):
        return scan(data, deepest)
    if _too_deep(data, value, deepest):
        return scan(data, deepest)
    return value


def parse_whole(data: bytes) -> Any:
    """As ``parse``, for an argument that nothing but spaces may follow."""
    text = data.decode("utf-8")
    if len(text) < 1_000 and b"\\u" not in data and not _needs_rounding(data):
        try:
            value = FASTEST.loads(text)
            if value.__class__ is not dict and value.__class__ is not list:
                return value
        except (ValueError, RecursionError):
            pass
    return scan(data, DEEPEST_ARGUMENT, whole=True)


def formatted(value: Any, form: Form) -> bytes:
    """The text of a value in a layout."""
    parts: list[bytes] = []
    _write(value, [part.encode("utf-8") for part in form], 0, parts.append)
    return b"".join(parts)


def _write(value: Any, form: list[bytes], level: int, write: Callable[[bytes], None]) -> None:
    kind = value.__class__
    if (kind is not dict and kind is not list) or not value:
        write(dumps(value))
        return
    indent, newline, space = form
    inner = newline + indent * (level + 1)
    separator = b""
    write(b"{" if kind is dict else b"[")
    for item in value:
        write(separator + inner)
        separator = b","
        if kind is dict:
            write(dumps(item) + b":" + space)
            item = value[item]
        _write(item, form, level + 1, write)
    write(newline + indent * level + (b"}" if kind is dict else b"]"))
