"""The common kinds of directives: yes or no, text, one of several names, a set of names, a number.

A kind parses the arguments of a line or of CONFIG SET, formats the value for CONFIG GET, and makes the lines for CONFIG
REWRITE. Values are plain Python objects: bool, str, int, frozenset. A text that is not UTF-8 keeps its bytes as lone
surrogates (``to_text``, ``to_bytes``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted_redis.config import numbers
from twisted_redis.config.errors import ConfigError
from twisted_redis.resp.cstrings import c_string, keyword

__all__ = [
    "Bool",
    "Enum",
    "Kind",
    "Line",
    "Names",
    "Number",
    "Text",
    "memory_text",
    "quoted",
    "to_bytes",
    "to_text",
]

T = TypeVar("T")

#: A line for the configuration file, and whether CONFIG REWRITE adds it if the file does not contain the directive.
Line = tuple[str, bool]

_MESSAGE_MAX = 255


def to_text(value: bytes) -> str:
    """Converts bytes to a text that ``to_bytes`` converts back to the same bytes."""
    return value.decode("utf-8", "surrogateescape")


def to_bytes(value: str) -> bytes:
    """Converts the text of a directive to bytes."""
    return value.encode("utf-8", "surrogateescape")


class Kind(Generic[T]):
    """A type of values of directives."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: T) -> T:
        """Parses ``arguments``, which is one argument unless the directive is multi-arg. Raises ConfigError."""
        raise NotImplementedError

    def show(self, value: T) -> str:
        """Formats the value for CONFIG GET."""
        raise NotImplementedError

    def lines(self, name: str, value: T, default: T) -> list[Line]:
        """Returns the lines for CONFIG REWRITE. Without any, it removes the lines of the directive from the file."""
        return [(f"{name} {self.show(value)}", value != default)]


class Bool(Kind[bool]):
    """``yes`` or ``no``, as a bool."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: bool) -> bool:
        word = keyword(arguments[0])
        if word == b"YES":
            return True
        if word == b"NO":
            return False
        raise ConfigError("argument must be 'yes' or 'no'")

    def show(self, value: bool) -> str:
        return "yes" if value else "no"


class Text(Kind[str]):
    """A text. With ``absent``, an empty text means no value. With ``binary``, the text may contain NUL bytes."""

    __slots__ = ("absent", "binary", "check")

    def __init__(
        self, check: Callable[[str], None] | None = None, *, absent: bool = False, binary: bool = False
    ) -> None:
        self.check = check
        self.absent = absent
        self.binary = binary

    def parse(self, arguments: list[bytes], current: str) -> str:
        value = to_text(arguments[0] if self.binary else c_string(arguments[0]))
        if self.check is not None:
            self.check(value)
        return value

    def show(self, value: str) -> str:
        return value

    def lines(self, name: str, value: str, default: str) -> list[Line]:
        if self.absent and not value:
            return []
        return [(f"{name} {quoted(value)}", value != default)]


class Enum(Kind[str]):
    """One of several names, in any case. The value is the declared name, and for synonyms the first of them."""

    __slots__ = ("names", "same")

    def __init__(self, *names: str, same: dict[str, str] | None = None) -> None:
        self.names = names
        self.same = same or {}

    def parse(self, arguments: list[bytes], current: str) -> str:
        word = to_text(c_string(arguments[0]).lower()) if len(arguments) == 1 else ""
        name = next((name for name in self.names if name.lower() == word), None)
        if name is None:
            raise _not_among(self.names)
        return self.same.get(name, name)

    def show(self, value: str) -> str:
        return value


class Names(Kind[frozenset[str]]):
    """A set of names. The first of the names means the empty set, and ``everything`` means all other names."""

    __slots__ = ("check", "everything", "names")

    def __init__(
        self, *names: str, check: Callable[[frozenset[str]], None] = lambda _: None, everything: str | None = None
    ) -> None:
        self.names = names
        self.check = check
        self.everything = everything

    def parse(self, arguments: list[bytes], current: frozenset[str]) -> frozenset[str]:
        chosen = [to_text(c_string(argument).lower()) for argument in arguments]
        nothing, *others = self.names
        known = self.names if self.everything is None else (nothing, self.everything, *others)
        if not chosen or any(name not in known for name in chosen):
            raise _not_among(known)
        value = frozenset(others if self.everything in chosen else chosen) - {nothing}
        self.check(value)
        return value

    def show(self, value: frozenset[str]) -> str:
        if self.everything is not None and len(value) == len(self.names) - 1:
            return self.everything
        return " ".join(name for name in self.names if name in value) or self.names[0]


class Number(Kind[int]):
    """An integer between two bounds, both included.

    ``unit`` is ``""`` for a plain number, ``memory`` for bytes with a unit, ``percent`` for bytes or a percentage (as a
    negative number), or ``octal``. ``unsigned`` compares the number as unsigned 64 bits, so that -1 is too large.
    """

    __slots__ = ("high", "low", "unit", "unsigned")

    def __init__(self, low: int, high: int, unit: str = "", *, unsigned: bool = False) -> None:
        self.low = low
        self.high = high
        self.unit = unit
        self.unsigned = unsigned

    def parse(self, arguments: list[bytes], current: int) -> int:
        number = self._read(arguments[0])
        if self.unsigned:
            number &= numbers.U64_MAX
        elif self.unit == "percent" and number < 0:
            if number < self.low:
                raise ConfigError(f"percentage argument must be less or equal to {-self.low}")
            return number
        if not self.low <= number <= self.high:
            form = "o" if self.unit == "octal" else "d"
            raise ConfigError(f"argument must be between {self.low:{form}} and {self.high:{form}} inclusive")
        return number

    def _read(self, text: bytes) -> int:
        if self.unit == "":
            number = numbers.strict_integer(text)
            if number is not None:
                return number
            raise ConfigError("argument couldn't be parsed into an integer")
        if self.unit == "octal":
            read = numbers.saturated(text, octal=True)
            if read is not None and read[1]:
                return read[0]
            raise ConfigError("argument couldn't be parsed as an octal number")
        number = numbers.memory(text)
        if number is not None:
            return numbers.signed_64(number)
        if self.unit == "memory":
            raise ConfigError("argument must be a memory value")
        if text.endswith(b"%"):
            number = numbers.strict_integer(text[:-1])
            if number is not None and number >= 0:
                return -number
        raise ConfigError("argument must be a memory or percent value")

    def show(self, value: int) -> str:
        if self.unit == "octal":
            return f"{value:o}"
        if self.unit == "percent" and value < 0:
            return f"{-value}%"
        return str(value)

    def lines(self, name: str, value: int, default: int) -> list[Line]:
        text = memory_text(value) if self.unit in ("memory", "percent") and value >= 0 else self.show(value)
        return [(f"{name} {text}", value != default)]


class Real(Kind[float]):
    """A finite number between two bounds, both included."""

    __slots__ = ("high", "low")

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    def parse(self, arguments: list[bytes], current: float) -> float:
        found = numbers.float_number(arguments[0])
        if found is None:
            raise ConfigError("argument couldn't be parsed into a number")
        if not self.low <= found <= self.high:
            raise ConfigError(f"argument must be between {self.low:g} and {self.high:g} inclusive")
        return found

    def show(self, value: float) -> str:
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def memory_text(size: int) -> str:
    """Formats bytes in the largest unit that divides them."""
    for unit, factor in (("gb", 1024**3), ("mb", 1024**2), ("kb", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _not_among(names: tuple[str, ...]) -> ConfigError:
    return ConfigError(f"argument(s) must be one of the following: {', '.join(names)}"[:_MESSAGE_MAX])


_ESCAPES = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x07: "\\a", 0x08: "\\b", 0x5C: "\\\\", 0x22: '\\"'}
_needs_escape = re.compile(rb'[^ -~]|[\\"]').sub


def quoted(value: str | bytes) -> str:
    """Quotes ``value`` as ASCII, so that the parser for lines can read it back."""
    raw = to_bytes(value) if isinstance(value, str) else value
    return f'"{_needs_escape(_escape, raw).decode("ascii")}"'


def _escape(found: re.Match[bytes]) -> bytes:
    byte = found[0][0]
    return _ESCAPES.get(byte, f"\\x{byte:02x}").encode()
