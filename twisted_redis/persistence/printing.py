"""``python -m twisted_redis rdb FILE --json``: what is in a snapshot, as lines of JSON.

A line is an object: of a key (``db``, ``key``, ``type``, ``value`` and, where it expires, ``expire_ms``), of a fact
about the file (``aux``, ``value``) or of a library (``function``).  A string that is not UTF-8 is ``{"base64": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO

from twisted_redis.config import Config
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import Group
from twisted_redis.datatypes.stream_ids import id_text
from twisted_redis.engine.values import type_of
from twisted_redis.persistence.loading import LoadError
from twisted_redis.persistence.progress import Bar
from twisted_redis.persistence.rdb.own import ANY_TYPE, Foreign
from twisted_redis.persistence.rdb.records import Aux, Function, Key, ModuleAux, Record, SelectDb
from twisted_redis.persistence.scanning import Scan

__all__ = ["main", "print_json"]


def _text(data: bytes) -> Any:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _texts(items: Iterable[bytes]) -> list[Any]:
    return [_text(item) for item in items]


def _hash(value: Any) -> Any:
    times = value.times or {}
    return [
        [_text(field), _text(content), *([times[field]] if field in times else [])]
        for field, content in value.fields.items()
    ]


def _stream(value: Stream) -> Any:
    return {
        "last_id": id_text(value.last_id).decode(),
        "entries_added": value.entries_added,
        "max_deleted_id": id_text(value.max_deleted_id).decode(),
        "entries": [[f"{ms}-{sequence}", _texts(row)] for ms, sequence, row in value.range()],
        "groups": [{"name": _text(name), **_group(group)} for name, group in value.groups.items()],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "last_id": id_text(group.last_id).decode(),
        "entries_read": group.entries_read,
        "pending": [
            {
                "id": id_text(entry_id).decode(),
                "consumer": _text(consumer),
                "delivered_ms": time,
                "count": count,
            }
            for entry_id, (consumer, time, count) in group.pending_from()
        ],
        "consumers": [
            {"name": _text(consumer.name), "seen_ms": consumer.seen_time, "active_ms": consumer.active_time}
            for consumer in group.consumers.values()
        ],
    }


#: How a value is shown, by its type: scores beside members, times (ms) beside fields that expire.
_VALUES: dict[bytes, Callable[[Any], Any]] = {
    b"string": _text,
    b"list": _texts,
    b"set": _texts,
    b"zset": lambda value: [[_text(member), _number(score)] for member, score in value.pairs(0, len(value))],
    b"hash": _hash,
    b"stream": _stream,
}


def _number(score: float) -> Any:
    # JSON has no infinity.
    return score if score - score == 0 else str(score)


def _foreign(value: Foreign) -> list[Any]:
    shown = []
    for item in value.items:
        if isinstance(item, bytes):
            shown.append(_text(item))
        else:
            shown.append(_number(item) if isinstance(item, float) else item)
    return shown


def _line(record: Record, db: int) -> dict[str, Any] | None:
    if isinstance(record, Key):
        if record.value is None:
            return None
        value = record.value
        kind = value.name.encode() if isinstance(value, Foreign) else type_of(value)
        line: dict[str, Any] = {"db": db, "key": _text(record.key), "type": kind.decode()}
        if record.expire is not None:
            line["expire_ms"] = record.expire
        if record.idle is not None:
            line["idle_s"] = record.idle
        if record.freq is not None:
            line["freq"] = record.freq
        line["value"] = _foreign(value) if isinstance(value, Foreign) else _VALUES[kind](value)
        return line
    if isinstance(record, Aux):
        return {"aux": _text(record.name), "value": _text(record.value)}
    if isinstance(record, Function):
        return {"function": _text(record.code)}
    if isinstance(record, ModuleAux):
        return {"module_aux": record.name}
    return None


def print_json(file: BinaryIO, say: Callable[[str], object], config: Config, bar: Bar | None = None) -> None:
    """Gives ``say`` a line for each thing in a snapshot; LoadError where it is wrong."""
    scan = Scan(file, config)
    db = 0
    for record in scan:
        if bar is not None:
            bar.show(scan.position)
        if isinstance(record, SelectDb):
            db = record.number
            continue
        line = _line(record, db)
        if line is not None:
            say(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


def main(arguments: Sequence[str]) -> int:
    """Prints the file that the arguments name; the exit code."""
    names = [argument for argument in arguments if argument != "--json"]
    if len(names) != 1 or len(arguments) != 2:
        print("Usage: python -m twisted_redis rdb <rdb-file-name> --json", file=sys.stderr)
        return 1
    try:
        file = open(names[0], "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        print(f"Cannot open {names[0]}: {error.strerror}", file=sys.stderr)
        return 1
    with file:
        bar = Bar(os.fstat(file.fileno()).st_size)
        # Who reads the lines on the same terminal sees by them how far it is.
        bar.wanted = bar.wanted and not sys.stdout.isatty()
        try:
            config = Config()
            config.own_types = ANY_TYPE
            print_json(file, print, config, bar)
        except LoadError as error:
            bar.clear()
            print(f"[offset {error.offset}] {error.reason}", file=sys.stderr)
            return 1
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        bar.clear()
    return 0
