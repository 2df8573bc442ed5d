"""The settings of the module in one server."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from twisted_redis.extending import Client
from twisted_redis.modules.timeseries.aggregators import AGGREGATORS
from twisted_redis.modules.timeseries.series import COMPRESSED, POLICIES, UNCOMPRESSED

__all__ = ["Compaction", "Settings", "apply_arguments", "parse_compactions", "settings_of"]

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


def settings_of(ctx: Client) -> Settings:
    """Returns the settings by the directives of the server of a client."""
    config = ctx.config
    return Settings(
        config.ts_retention_policy,
        config.ts_chunk_size_bytes,
        UNCOMPRESSED if config.ts_encoding == "uncompressed" else COMPRESSED,
        POLICIES.index(config.ts_duplicate_policy.encode()),
        config.ts_ignore_max_time_diff,
        config.ts_ignore_max_val_diff,
        parse_compactions(config.ts_compaction_policy.encode()),
    )


#: The directives by the names of the older arguments of ``loadmodule``.
_ARGUMENTS = {
    b"RETENTION_POLICY": "ts-retention-policy",
    b"CHUNK_SIZE_BYTES": "ts-chunk-size-bytes",
    b"DUPLICATE_POLICY": "ts-duplicate-policy",
    b"ENCODING": "ts-encoding",
    b"CHUNK_TYPE": "ts-encoding",
    b"COMPACTION_POLICY": "ts-compaction-policy",
    b"IGNORE_MAX_TIME_DIFF": "ts-ignore-max-time-diff",
    b"IGNORE_MAX_VAL_DIFF": "ts-ignore-max-val-diff",
}


def apply_arguments(server: Any, words: tuple[bytes, ...]) -> None:
    """Sets directives of a server by the arguments of ``loadmodule``; raises ValueError if one of them is not valid."""
    if len(words) % 2:
        raise ValueError(f"the argument {words[-1].decode('latin-1')!r} has no value")
    for name, value in zip(words[::2], words[1::2], strict=True):
        directive = _ARGUMENTS.get(name.upper())
        if directive is None:
            raise ValueError(f"there is no argument {name.decode('latin-1')!r}")
        server.config.set([(directive.encode(), value)])
