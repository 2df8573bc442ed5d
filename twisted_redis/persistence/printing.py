"""``python -m twisted_redis rdb FILE --json [--aux]``: prints a snapshot as lines of JSON.

Each line is an object: a key (``db``, ``key``, ``type``, ``value`` and, if it expires, ``expire_ms``).  With ``--aux``
the fields of the file (``aux``, ``value``), libraries (``function``) and data of modules (``module_aux``) follow in the
order of the file.  A string that is not UTF-8 is ``{"base64": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from twisted_redis.config import Config
from twisted_redis.datatypes.table import type_name, type_of
from twisted_redis.persistence.loading import LoadError
from twisted_redis.persistence.progress import Bar
from twisted_redis.persistence.rdb.own import ANY_TYPE, Foreign
from twisted_redis.persistence.rdb.records import Aux, Function, Key, ModuleAux, Record, SelectDb
from twisted_redis.persistence.scanning import Scan

__all__ = ["main", "print_json"]


def _text(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _number(score: float) -> Any:
    # JSON has no infinity
    return score if score - score == 0 else str(score)


def _json(shown: Any) -> Any:
    """The form in which a type shows a value (``DataType.shown``), in terms of JSON."""
    if isinstance(shown, bytes):
        return _text(shown)
    if isinstance(shown, float):
        return _number(shown)
    if isinstance(shown, dict):
        return {name: _json(each) for name, each in shown.items()}
    if isinstance(shown, list):
        return [_json(each) for each in shown]
    return shown


def _line(record: Record, db: int) -> dict[str, Any] | None:
    if isinstance(record, Key):
        if record.value is None:
            return None
        value = record.value
        kind = value.name if isinstance(value, Foreign) else type_name(value).decode()
        line: dict[str, Any] = {"db": db, "key": _text(record.key), "type": kind}
        if record.expire is not None:
            line["expire_ms"] = record.expire
        if record.idle is not None:
            line["idle_s"] = record.idle
        if record.freq is not None:
            line["freq"] = record.freq
        line["value"] = _json(type_of(value).shown(value))
        return line
    if isinstance(record, Aux):
        return {"aux": _text(record.name), "value": _text(record.value)}
    if isinstance(record, Function):
        return {"function": _text(record.code)}
    if isinstance(record, ModuleAux):
        return {"module_aux": record.name}
    return None


def print_json(
    file: BinaryIO, say: Callable[[str], object], config: Config, bar: Bar | None = None, *, aux: bool = False
) -> None:
    """Calls ``say`` with a line for each key of a snapshot, and for each other record if ``aux``.

    Raises LoadError if the snapshot is wrong.
    """
    scan = Scan(file, config)
    db = 0
    for record in scan:
        if bar is not None:
            bar.show(scan.position)
        if isinstance(record, SelectDb):
            db = record.number
            continue
        line = _line(record, db) if aux or isinstance(record, Key) else None
        if line is not None:
            say(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


def main(arguments: Sequence[str]) -> int:
    """Prints the file that the arguments name; returns the exit code."""
    options = [argument for argument in arguments if argument in ("--json", "--aux")]
    names = [argument for argument in arguments if argument not in options]
    if len(names) != 1 or sorted(options) not in (["--json"], ["--aux", "--json"]):
        print("Usage: python -m twisted_redis rdb <rdb-file-name> --json [--aux]", file=sys.stderr)
        return 1
    try:
        file = open(names[0], "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        print(f"Cannot open {names[0]}: {error.strerror}", file=sys.stderr)
        return 1
    with file:
        bar = Bar(os.fstat(file.fileno()).st_size)
        # Lines on the same terminal show the progress already.
        bar.wanted = bar.wanted and not sys.stdout.isatty()
        try:
            config = Config()
            config.own_types = ANY_TYPE
            print_json(file, print, config, bar, aux="--aux" in options)
        except LoadError as error:
            bar.clear()
            print(f"[offset {error.offset}] {error.reason}", file=sys.stderr)
            return 1
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        bar.clear()
    return 0
