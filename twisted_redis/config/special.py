"""Kinds that only one directive has: save points, buffer limits, addresses, percentiles and so on."""

from __future__ import annotations

import os
from typing import NamedTuple

from twisted_redis.config import numbers
from twisted_redis.config.errors import ConfigError
from twisted_redis.config.kinds import Kind, Line, Number, memory_text, quoted, to_bytes, to_text
from twisted_redis.resp.cstrings import c_string, keyword

__all__ = [
    "Addresses",
    "BufferLimit",
    "BufferLimits",
    "BufferLimitsKind",
    "Directory",
    "KeyspaceEvents",
    "OomScores",
    "Percentiles",
    "PowerOfTwo",
    "Primary",
    "SavePoints",
]

ADDRESSES_MAX = 16


def _int_32(number: int) -> int:
    """Truncates a number to an ``int`` of C."""
    return (number + 2**31) % 2**32 - 2**31


class SavePoints(Kind[tuple[tuple[int, int], ...]]):
    """``save``: pairs of seconds and changes. Without pairs there are no snapshots."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if arguments == [b""]:
            return ()
        read = [numbers.saturated(argument) for argument in arguments]
        values = [value[0] for value in read if value is not None]
        points = tuple((seconds, changes) for seconds, changes in zip(values[::2], values[1::2], strict=False))
        if (
            len(values) < len(arguments)
            or len(values) % 2
            or any(seconds < 1 or changes < 0 for seconds, changes in points)
        ):
            raise ConfigError("Invalid save parameters")
        return tuple((seconds, _int_32(changes)) for seconds, changes in points)

    def show(self, value: tuple[tuple[int, int], ...]) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, name: str, value: tuple[tuple[int, int], ...], default: tuple[tuple[int, int], ...]) -> list[Line]:
        if not value:
            return [(f'{name} ""', True)]
        return [(f"{name} {seconds} {changes}", True) for seconds, changes in value]


class BufferLimit(NamedTuple):
    """The limits of the output that waits for a client: hard and soft (bytes), and seconds beyond the soft limit."""

    hard: int
    soft: int
    soft_seconds: int


class BufferLimits(NamedTuple):
    """``client-output-buffer-limit`` for the three classes of clients. 0 means no limit."""

    normal: BufferLimit
    replica: BufferLimit
    pubsub: BufferLimit


class BufferLimitsKind(Kind[BufferLimits]):
    """``client-output-buffer-limit``. A line changes only the classes that it names."""

    __slots__ = ()

    _CLASSES = {b"normal": "normal", b"slave": "replica", b"replica": "replica", b"pubsub": "pubsub"}

    def parse(self, arguments: list[bytes], current: BufferLimits) -> BufferLimits:
        if len(arguments) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        changes: dict[str, BufferLimit] = {}
        for at in range(0, len(arguments), 4):
            name, hard_text, soft_text, seconds_text = arguments[at : at + 4]
            of = self._CLASSES.get(c_string(name).lower())
            if of is None:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            hard = numbers.memory(hard_text)
            soft = numbers.memory(soft_text)
            seconds = numbers.saturated(seconds_text)
            if hard is None or soft is None or seconds is None or _int_32(seconds[0]) < 0:
                raise ConfigError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            changes[of] = BufferLimit(hard, soft, _int_32(seconds[0]))
        return current._replace(**changes)

    def show(self, value: BufferLimits) -> str:
        return " ".join(
            f"{name} {limit.hard} {limit.soft} {limit.soft_seconds}"
            for name, limit in zip(("normal", "slave", "pubsub"), value, strict=True)
        )

    def lines(self, name: str, value: BufferLimits, default: BufferLimits) -> list[Line]:
        return [
            (
                f"{name} {of} {memory_text(limit.hard)} {memory_text(limit.soft)} {limit.soft_seconds}",
                limit != usual,
            )
            for of, limit, usual in zip(BufferLimits._fields, value, default, strict=True)
        ]


class KeyspaceEvents(Kind[int]):
    """``notify-keyspace-events``: letters, stored as the bits that Redis uses."""

    __slots__ = ()

    # In the order of the output. "A" means all letters of the first row.
    _OF_ALL = {"g": 2, "$": 3, "l": 4, "s": 5, "h": 6, "z": 7, "x": 8, "e": 9, "t": 10, "d": 13, "a": 23}
    # These appear only without "A": Redis shows "An" as "A".
    _HIDDEN_BY_ALL = {"n": 14, "o": 15, "c": 16}
    _OTHER = {"K": 0, "E": 1, "m": 11, "S": 19, "T": 20, "I": 21, "V": 22}
    _ALL = sum(1 << bit for bit in _OF_ALL.values())
    _BITS = {letter: 1 << bit for letter, bit in (_OF_ALL | _HIDDEN_BY_ALL | _OTHER).items()} | {"A": _ALL}

    def parse(self, arguments: list[bytes], current: int) -> int:
        value = 0
        for letter in to_text(c_string(arguments[0])):
            bits = self._BITS.get(letter)
            if bits is None:
                raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdnocaSTIV'.")
            value |= bits
        return value

    def show(self, value: int) -> str:
        every = value & self._ALL == self._ALL
        letters = [] if every else [*self._OF_ALL, *self._HIDDEN_BY_ALL]
        return "A" * every + "".join(x for x in [*letters, *self._OTHER] if value & self._BITS[x])

    def lines(self, name: str, value: int, default: int) -> list[Line]:
        return [(f"{name} {quoted(self.show(value))}", value != default)]


class PowerOfTwo(Number):
    """``array-slice-size``: a power of two between two bounds."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: int) -> int:
        number = super().parse(arguments, current)
        if number & number - 1:
            raise ConfigError("array-slice-size must be a power of two")
        return number


class Addresses(Kind[tuple[str, ...]]):
    """``bind``: addresses to listen on. An address with a leading ``-`` need not exist."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: tuple[str, ...]) -> tuple[str, ...]:
        if len(arguments) > ADDRESSES_MAX:
            raise ConfigError("Too many bind addresses specified.")
        if arguments == [b""]:
            return ()
        return tuple(to_text(c_string(argument)) for argument in arguments)

    def show(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def lines(self, name: str, value: tuple[str, ...], default: tuple[str, ...]) -> list[Line]:
        if value == default:
            return []
        return [(f"{name} {self.show(value)}" if value else f'{name} ""', True)]


class Primary(Kind["tuple[str, int] | None"]):
    """``replicaof``: host and port, or ``no one``."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: tuple[str, int] | None) -> tuple[str, int] | None:
        if len(arguments) != 2:
            raise ConfigError("wrong number of arguments")
        host, port_text = arguments
        if keyword(host) == b"NO" and keyword(port_text) == b"ONE":
            return None
        port = numbers.saturated(port_text)
        if port is None or not 0 <= _int_32(port[0]) <= 65535:
            raise ConfigError("Invalid master port")
        return to_text(host), _int_32(port[0])

    def show(self, value: tuple[str, int] | None) -> str:
        return "" if value is None else f"{value[0]} {value[1]}"

    def lines(self, name: str, value: tuple[str, int] | None, default: tuple[str, int] | None) -> list[Line]:
        return [] if value is None else [(f"{name} {self.show(value)}", True)]


class OomScores(Kind[tuple[int, ...]]):
    """``oom-score-adj-values``: three numbers, for a primary, a replica and a child process."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: tuple[int, ...]) -> tuple[int, ...]:
        if len(arguments) != 3:
            raise ConfigError("wrong number of arguments")
        read = [numbers.saturated(argument) for argument in arguments]
        value = tuple(number[0] for number in read if number is not None and abs(number[0]) <= 2000)
        if len(value) < 3:
            raise ConfigError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        return value

    def show(self, value: tuple[int, ...]) -> str:
        return " ".join(map(str, value))


class Percentiles(Kind[tuple[float, ...]]):
    """``latency-tracking-info-percentiles``: numbers from 0 to 100."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: tuple[float, ...]) -> tuple[float, ...]:
        if arguments == [b""]:
            return ()
        value = []
        for argument in arguments:
            number = numbers.float_number(argument)
            if number is None:
                raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
            if not 0.0 <= number <= 100.0:
                raise ConfigError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            value.append(number)
        return tuple(value)

    def show(self, value: tuple[float, ...]) -> str:
        return " ".join(f"{number:f}".rstrip("0").rstrip(".") for number in value)

    def lines(self, name: str, value: tuple[float, ...], default: tuple[float, ...]) -> list[Line]:
        return [(f"{name} {self.show(value)}" if value else f'{name} ""', True)]


class Directory(Kind[str]):
    """``dir``: an absolute path.

    Redis changes its working directory. Here several servers may share a process, so the directive is only a value, and
    ``Config.resolve`` joins it with the path of a file.
    """

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: str) -> str:
        path = os.fsdecode(c_string(arguments[0]))
        try:
            if not path:
                raise FileNotFoundError(2, os.strerror(2))
            resolved = os.path.realpath(os.path.join(current, path), strict=True)
            if not os.path.isdir(resolved):
                raise NotADirectoryError(20, os.strerror(20))
            if not os.access(resolved, os.X_OK):
                raise PermissionError(13, os.strerror(13))
        except OSError as error:
            raise ConfigError(error.strerror or str(error)) from None
        return to_text(os.fsencode(resolved))

    def show(self, value: str) -> str:
        return value

    def lines(self, name: str, value: str, default: str) -> list[Line]:
        return [(f"{name} {quoted(to_bytes(value))}", True)] if value else []
