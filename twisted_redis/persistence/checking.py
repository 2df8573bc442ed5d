"""``python -m twisted_redis check-rdb FILE``: tells whether a snapshot is valid, and where it is not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from twisted_redis.config import REDIS_VERSION, Config
from twisted_redis.datatypes.table import type_of
from twisted_redis.persistence.loading import LoadError
from twisted_redis.persistence.progress import Bar
from twisted_redis.persistence.rdb.codec import Limits
from twisted_redis.persistence.rdb.own import ANY_TYPE
from twisted_redis.persistence.rdb.records import Aux, Key, ModuleAux, SelectDb
from twisted_redis.persistence.rdb.table import encoding_name
from twisted_redis.persistence.scanning import DISABLED, MATCHES, Scan

__all__ = ["check", "main"]


def _has_times(value: Any) -> bool:
    next_expiry = type_of(value).next_expiry
    return next_expiry is not None and next_expiry(value) is not None


def check(
    file: BinaryIO, say: Callable[[str], object], config: Limits, bar: Bar | None = None, scan: Scan | None = None
) -> bool:
    """Goes through a snapshot and reports its contents and its first error; returns True if it is valid.

    ``scan`` goes through ``file``; pass one to learn afterwards where the snapshot ends.
    """
    scan = scan or Scan(file, config)
    now = int(time.time() * 1000)
    keys = expires = expired = timed = 0

    def tell(text: str) -> None:
        if bar is not None:
            bar.clear()
        say(text)

    error: LoadError | None = None
    try:
        for record in scan:
            if bar is not None:
                bar.show(scan.position)
            if isinstance(record, Key):
                keys += 1
                if record.expire is not None:
                    expires += 1
                    expired += record.expire < now
                timed += record.value is not None and _has_times(record.value)
            elif isinstance(record, SelectDb):
                tell(f"[offset {scan.position}] Selecting DB ID {record.number}")
            elif isinstance(record, Aux):
                name, value = (text.decode("utf-8", "backslashreplace") for text in record)
                tell(f"[offset {scan.position}] AUX FIELD {name} = '{value}'")
            elif isinstance(record, ModuleAux):
                tell(f"[offset {scan.position}] MODULE AUX for: {record.name}")
    except LoadError as problem:
        error = problem
    if error is None:
        if scan.checksum == MATCHES:
            tell(f"[offset {scan.position}] Checksum OK")
        elif scan.checksum == DISABLED:
            tell(f"[offset {scan.position}] RDB file was saved with checksum disabled: no check performed.")
    else:
        tell("--- RDB ERROR DETECTED ---")
        say(f"[offset {error.offset}] {error.reason}")
        say(f"[additional info] While doing: {scan.doing}")
        if scan.key is not None:
            say(f"[additional info] Reading key '{scan.key.decode('utf-8', 'backslashreplace')}'")
        if scan.kind is not None:
            say(f"[additional info] Reading type {scan.kind} ({encoding_name(scan.kind)})")
        keys += scan.key is not None
    if error is None:
        say(f"[offset {scan.position}] \\o/ RDB looks OK! \\o/")
    say(f"[info] {keys} keys read")
    say(f"[info] {expires} expires")
    say(f"[info] {expired} already expired")
    say(f"[info] {timed} subexpires")
    return error is None


def main(arguments: Sequence[str]) -> int:
    """Checks the file that is the only argument; returns the exit code."""
    if len(arguments) != 1:
        print("Usage: python -m twisted_redis check-rdb <rdb-file-name>", file=sys.stderr)
        return 1
    if arguments[0] in ("-v", "--version"):
        print(f"redis-check-rdb {REDIS_VERSION}")
        return 0
    try:
        file = open(arguments[0], "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        print(f"Cannot open {arguments[0]}: {error.strerror}", file=sys.stderr)
        return 1
    with file:
        print(f"[offset 0] Checking RDB file {arguments[0]}")
        bar = Bar(os.fstat(file.fileno()).st_size)
        config = Config()
        config.own_types = ANY_TYPE
        return 0 if check(file, print, config, bar) else 1
