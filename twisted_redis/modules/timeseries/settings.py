"""The settings of the module in one server."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from twisted_redis.extending import CommandError, float_number, integer_or_none
from twisted_redis.modules.timeseries.aggregators import AGGREGATORS
from twisted_redis.modules.timeseries.series import COMPRESSED, POLICIES, UNCOMPRESSED

__all__ = ["Compaction", "Settings", "parse_compactions", "parse_settings"]

#: Milliseconds of the units of time in a compaction policy.
_UNITS = {b"m": 1, b"s": 1000, b"M": 60_000, b"h": 3_600_000, b"d": 86_400_000}
_time = re.compile(rb"([0-9]+)([msMhd])\Z").match
_MOST = (1 << 63) - 1


class Compaction(NamedTuple):
    """A rule that each new series gets.  Times are in ms."""

    name: bytes
    duration: int
    retention: int
    alignment: int


class Settings(NamedTuple):
    """What a series has unless its options say otherwise, and the rules that it gets if TS.ADD creates it."""

    retention: int = 0
    chunk_size: int = 4096
    encoding: int = COMPRESSED
    policy: int = 1
    ignore_time: int = 0
    ignore_value: float = 0.0
    compactions: tuple[Compaction, ...] = ()


def parse_compactions(text: bytes) -> tuple[Compaction, ...]:
    """Returns the rules of a policy such as ``max:1M:1h;avg:1h:30d``; raises ValueError if it is not valid."""
    return tuple(_compaction(part) for part in text.split(b";") if part)


def _compaction(text: bytes) -> Compaction:
    name, *times = [part for part in text.split(b":") if part] or [b""]
    if name.lower() not in AGGREGATORS or not 2 <= len(times) <= 3:
        raise ValueError(f"{text.decode('latin-1')!r} is not a compaction policy such as 'max:1M:1h'")
    duration, retention, *alignment = map(_milliseconds, times)
    if not duration:
        raise ValueError("the duration of a bucket must be greater than zero")
    return Compaction(name.lower(), duration, retention, alignment[0] if alignment else 0)


def _milliseconds(text: bytes) -> int:
    if text == b"0":
        return 0
    found = _time(text)
    time = int(found[1]) * _UNITS[found[2]] if found and len(text) < 20 else _MOST + 1
    if time > _MOST:
        raise ValueError(f"{text.decode('latin-1')!r} is not a time such as '10s': use m (ms), s, M (minutes), h or d")
    return time


def parse_settings(words: tuple[bytes, ...], settings: Settings) -> Settings:
    """Returns the settings with changes by the arguments of ``loadmodule``: names and values in turn."""
    if len(words) % 2:
        raise ValueError(f"the argument {words[-1].decode('latin-1')!r} has no value")
    for name, value in zip(words[::2], words[1::2], strict=True):
        parse = _ARGUMENTS.get(name.upper())
        if parse is None:
            raise ValueError(f"there is no argument {name.decode('latin-1')!r}")
        settings = settings._replace(**parse(value))
    return settings


def _integer(field: str, low: int, high: int, step: int = 1) -> Any:
    def parse(text: bytes) -> dict[str, int]:
        number = integer_or_none(text)
        if number is None or not low <= number <= high or number % step:
            raise ValueError(f"{text.decode('latin-1')!r} is not a multiple of {step} from {low} to {high}")
        return {field: number}

    return parse


def _ignore_value(text: bytes) -> dict[str, float]:
    try:
        number = float_number(text)
    except CommandError:
        number = -1.0
    if number < 0:
        raise ValueError(f"{text.decode('latin-1')!r} is not a number of at least 0")
    return {"ignore_value": number}


def _policy(text: bytes) -> dict[str, int]:
    if not text or text.lower() not in POLICIES:
        raise ValueError(f"{text.decode('latin-1')!r} is not a duplicate policy")
    return {"policy": POLICIES.index(text.lower())}


def _encoding(text: bytes) -> dict[str, int]:
    encoding = {b"compressed": COMPRESSED, b"uncompressed": UNCOMPRESSED}.get(text.lower())
    if encoding is None:
        raise ValueError(f"{text.decode('latin-1')!r} is not an encoding")
    return {"encoding": encoding}


def _compactions(text: bytes) -> dict[str, tuple[Compaction, ...]]:
    return {"compactions": parse_compactions(text)}


_ARGUMENTS: dict[bytes, Any] = {
    b"RETENTION_POLICY": _integer("retention", 0, _MOST),
    b"CHUNK_SIZE_BYTES": _integer("chunk_size", 48, 1 << 20, 8),
    b"DUPLICATE_POLICY": _policy,
    b"ENCODING": _encoding,
    b"CHUNK_TYPE": _encoding,
    b"COMPACTION_POLICY": _compactions,
    b"IGNORE_MAX_TIME_DIFF": _integer("ignore_time", 0, _MOST),
    b"IGNORE_MAX_VAL_DIFF": _ignore_value,
    b"NUM_THREADS": lambda text: {},
}
