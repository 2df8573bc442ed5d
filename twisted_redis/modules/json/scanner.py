"""A reader of JSON that accepts and refuses what RedisJSON does, with the same errors.

It is written for its errors and its rounding, not for speed: ``text.parse`` asks it only when a fast parser has refused
a text, or would read it in another way.  The rules are those of the Rust library serde_json: the first value counts and
what follows it is ignored, an integer of more than 64 bits becomes a float, and a number with more digits than a float
has may be off by one in its last place.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

__all__ = ["JsonError", "float_of", "integer_of", "scan"]

MOST_UNSIGNED, MOST_SIGNED, LEAST_SIGNED = (1 << 64) - 1, (1 << 63) - 1, -(1 << 63)

_MOST_EXPONENT = (1 << 31) - 1
_TABLE = 308
"""The largest exponent whose power of ten is multiplied at once."""

_POWERS = [float(f"1e{exponent}") for exponent in range(_TABLE + 1)]

_ESCAPES = {34: '"', 92: "\\", 47: "/", 98: "\b", 102: "\f", 110: "\n", 114: "\r", 116: "\t"}
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_SPACES = b" \n\t\r"
_CONTROL = "control character (\\u0000-\\u001F) found while parsing a string"


class JsonError(Exception):
    """The text is not JSON; the argument is the text of the error, with the line and column."""


class OutOfRange(ValueError):
    """A number is too large for a float."""


def float_of(text: str) -> float:
    """Returns the float of a number as it is written; raises OutOfRange if it is too large.

    The result is that of serde_json, which drops the digits that do not fit into 64 bits and rounds more than once.
    """
    if len(text) <= 21 and "e" not in text and "E" not in text:
        if len(text) < 17:
            return float(text)  # which is exact, and so is the way of serde_json
        whole, _, fraction = text.partition(".")
        number = int(whole + fraction)
        if number and -MOST_UNSIGNED <= number <= MOST_UNSIGNED:
            return float(number) / _POWERS[len(fraction)]
    negative = text.startswith("-")
    mantissa, _, power = text.lstrip("-").replace("E", "e").partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = 0
    significand = 0
    dropped = False
    for digits, after in ((whole, False), (fraction, True)):
        if len(digits) + len(str(significand)) < 19 and not dropped:
            significand = int(str(significand) + digits)
            exponent -= len(digits) if after else 0
            continue
        for digit in digits:
            if not dropped:
                longer = significand * 10 + int(digit)
                dropped = longer > MOST_UNSIGNED
            if not dropped:
                significand = longer
                exponent -= after
            elif not after:
                exponent += 1
        if not after and dropped:
            # The digits behind the point are tried again, and dropped at once unless they are zeros that fit.
            dropped = False
    if power:
        raised = int(power) if len(power) < 12 else (-1 if power.startswith("-") else 1) * (_MOST_EXPONENT + 1)
        if abs(raised) > _MOST_EXPONENT:
            if significand and raised > 0:
                raise OutOfRange
            return -0.0 if negative else 0.0
        exponent += raised
    value = _raised(float(significand), exponent)
    return -value if negative else value


def _raised(value: float, exponent: int) -> float:
    """``value`` times ten to the power of ``exponent``, rounded as serde_json does."""
    while abs(exponent) > _TABLE:
        if value == 0.0:
            return value
        if exponent >= 0:
            raise OutOfRange
        value /= _POWERS[_TABLE]
        exponent += _TABLE
    if exponent >= 0:
        value *= _POWERS[exponent]
        if value == float("inf"):
            raise OutOfRange
        return value
    return value / _POWERS[-exponent]


def integer_of(text: str) -> int | float:
    """Returns the number of an integer as it is written; a float if it has more than 64 bits, or is ``-0``."""
    if len(text) < 19:
        return int(text) if text != "-0" else -0.0
    if len(text) > 21:
        return float_of(text)
    value = int(text)
    return value if LEAST_SIGNED <= value <= MOST_UNSIGNED else float_of(text)


class _Scanner:
    """A parse of ``data``; ``pos`` is the place of the next byte, and ``deepest`` the most containers in each other."""

    __slots__ = ("data", "deepest", "depth", "pos")

    def __init__(self, data: bytes, deepest: int) -> None:
        self.data = data
        self.pos = 0
        self.depth = 0
        self.deepest = deepest

    def fail(self, message: str, ahead: int = 0) -> NoReturn:
        """Raises a JsonError for the place before ``pos``, or for the byte ``ahead`` of it."""
        before = self.data[: min(self.pos + ahead, len(self.data))]
        column = len(before) - before.rfind(b"\n") - 1
        raise JsonError(f"{message} at line {before.count(10) + 1} column {column}")

    def peek(self) -> int:
        """The next byte, or -1."""
        return self.data[self.pos] if self.pos < len(self.data) else -1

    def next_word(self) -> int:
        """The next byte that is not a space, or -1."""
        data, pos, length = self.data, self.pos, len(self.data)
        while pos < length and data[pos] in _SPACES:
            pos += 1
        self.pos = pos
        return data[pos] if pos < length else -1

    def value(self) -> Any:
        first = self.next_word()
        if first < 0:
            self.fail("EOF while parsing a value", 1)
        if first == 34:
            self.pos += 1
            return self.string()
        if first == 45 or 48 <= first <= 57:
            return self.number()
        if first in b"[{":
            if self.depth == self.deepest:
                self.fail("recursion limit exceeded", 1)
            self.depth += 1
            self.pos += 1
            made = self.array() if first == 91 else self.object()
            self.depth -= 1
            return made
        for word, constant in ((b"null", None), (b"true", True), (b"false", False)):
            if first == word[0]:
                for expected in word:
                    found = self.peek()
                    if found < 0:
                        self.fail("EOF while parsing a value")
                    self.pos += 1
                    if found != expected:
                        self.fail("expected ident")
                return constant
        return self.fail("expected value", 1)

    def array(self) -> list[Any]:
        made: list[Any] = []
        while True:
            found = self.next_word()
            if found == 93:
                self.pos += 1
                return made
            if found < 0:
                self.fail("EOF while parsing a list", 1)
            if made:
                if found != 44:
                    self.fail("expected `,` or `]`", 1)
                self.pos += 1
                if self.next_word() == 93:
                    self.fail("trailing comma", 1)
            made.append(self.value())

    def object(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        first = True
        while True:
            found = self.next_word()
            if found == 125:
                self.pos += 1
                return made
            if found < 0:
                self.fail("EOF while parsing an object", 1)
            if not first:
                if found != 44:
                    self.fail("expected `,` or `}`", 1)
                self.pos += 1
                found = self.next_word()
                if found == 125:
                    self.fail("trailing comma", 1)
                if found < 0:
                    self.fail("EOF while parsing a value", 1)
            first = False
            if found != 34:
                self.fail("key must be a string", 1)
            self.pos += 1
            key = self.string()
            found = self.next_word()
            if found != 58:
                self.fail("expected `:`" if found >= 0 else "EOF while parsing an object", 1)
            self.pos += 1
            made[key] = self.value()

    def string(self) -> str:
        data, length = self.data, len(self.data)
        parts: list[str] = []
        while True:
            start = self.pos
            self.pos = pos = _PLAIN.match(data, start).end()  # type: ignore[union-attr]
            parts.append(data[start:pos].decode("utf-8"))
            if pos == length:
                self.fail("EOF while parsing a string")
            self.pos += 1
            if data[pos] == 34:
                return "".join(parts)
            if data[pos] != 92:
                self.fail(_CONTROL)
            parts.append(self.escape())

    def escape(self) -> str:
        kind = self.peek()
        if kind < 0:
            self.fail("EOF while parsing a string")
        self.pos += 1
        if kind != 117:
            if kind not in _ESCAPES:
                self.fail("invalid escape")
            return _ESCAPES[kind]
        code = self.hex()
        if 0xDC00 <= code <= 0xDFFF:
            self.fail("lone leading surrogate in hex escape")
        if 0xD800 <= code <= 0xDBFF:
            for expected in b"\\u":
                found = self.peek()
                if found < 0:
                    self.fail("EOF while parsing a string")
                self.pos += 1
                if found != expected:
                    self.fail("unexpected end of hex escape")
            low = self.hex()
            if not 0xDC00 <= low <= 0xDFFF:
                self.fail("lone leading surrogate in hex escape")
            code = 0x10000 + ((code - 0xD800) << 10 | low - 0xDC00)
        return chr(code)

    def hex(self) -> int:
        digits = self.data[self.pos : self.pos + 4]
        if len(digits) < 4:
            self.pos = len(self.data)
            self.fail("EOF while parsing a string")
        for digit in digits:
            self.pos += 1
            if digit not in _HEX:
                self.fail("invalid escape")
        return int(digits, 16)

    def number(self) -> int | float:
        start = self.pos
        if self.peek() == 45:
            self.pos += 1
        found = self.peek()
        if not 48 <= found <= 57:
            if found >= 0:
                self.pos += 1
            self.fail("invalid number" if found >= 0 else "EOF while parsing a value")
        self.digits()
        whole = self.data[start : self.pos].lstrip(b"-")
        if len(whole) > 1 and whole[0] == 48:
            self.pos = self.data.index(b"0", start) + 1
            self.fail("invalid number", 1)
        if self.peek() == 46:
            self.pos += 1
            if not 48 <= self.peek() <= 57:
                self.fail("invalid number" if self.peek() >= 0 else "EOF while parsing a value", 1)
            self.digits()
        if self.peek() in (69, 101):
            self.pos += 1
            if self.peek() in (43, 45):
                self.pos += 1
            found = self.peek()
            if not 48 <= found <= 57:
                if found >= 0:
                    self.pos += 1
                self.fail("invalid number" if found >= 0 else "EOF while parsing a value")
            self.digits()
        text = self.data[start : self.pos].decode("ascii")
        try:
            return integer_of(text) if text.lstrip("-").isdigit() else float_of(text)
        except OutOfRange:
            power = text.lower().partition("e")[2]
            digits = power.lstrip("+-")
            # The reader stops at the first digit with which the exponent itself is too large.
            enough = next((end for end in range(1, len(digits)) if int(digits[:end]) > _MOST_EXPONENT), len(digits))
            self.pos -= len(digits) - enough
            self.fail("number out of range")

    def digits(self) -> None:
        self.pos = _DIGITS.match(self.data, self.pos).end()  # type: ignore[union-attr]


def scan(data: bytes, deepest: int, whole: bool = False) -> Any:
    """Returns the first value in ``data``, which is valid UTF-8; raises JsonError.

    ``deepest`` is the most arrays and objects within each other.  If ``whole``, nothing but spaces may follow.
    """
    scanner = _Scanner(data, deepest)
    value = scanner.value()
    if whole and scanner.next_word() >= 0:
        scanner.fail("trailing characters", 1)
    return value
