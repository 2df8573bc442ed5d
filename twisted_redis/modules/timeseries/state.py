"""What the module keeps in one server, and the series at a key."""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import Client, CommandError, WrongType
from twisted_redis.modules.timeseries.labels import Indexes, LabelIndex
from twisted_redis.modules.timeseries.module import module
from twisted_redis.modules.timeseries.series import Series
from twisted_redis.modules.timeseries.settings import apply_arguments

__all__ = ["find", "index_of", "read_series", "write_series"]

NO_KEY = "ERR TSDB: the key does not exist"
WRONG_TYPE = "ERR WRONGTYPE Operation against a key holding the wrong kind of value"


@module.on_load
def load(server: Any, *words: bytes) -> Indexes:
    """Sets the directives of the module from the arguments of ``loadmodule``: names and values in turn."""
    apply_arguments(server, words)
    return Indexes()


def index_of(ctx: Client) -> LabelIndex:
    """Returns the index of the database of a client."""
    indexes: Indexes = module.state(ctx)
    return indexes.of(ctx.db.index)


def find(ctx: Client, key: bytes) -> Series | None:
    """Returns the series at ``key`` for a change, or None."""
    try:
        return ctx.db.write(key, Series)
    except WrongType:
        return None


def read_series(ctx: Client, key: bytes) -> Series:
    """Returns the series at ``key`` for reading; raises CommandError if there is none."""
    try:
        series = ctx.db.read(key, Series)
    except WrongType:
        raise CommandError(WRONG_TYPE) from None
    if series is None:
        raise CommandError(NO_KEY)
    return series


def write_series(ctx: Client, key: bytes) -> Series:
    """Returns the series at ``key`` for a change; raises CommandError if there is none."""
    try:
        series = ctx.db.write(key, Series)
    except WrongType:
        raise CommandError(WRONG_TYPE) from None
    if series is None:
        raise CommandError(NO_KEY)
    return series
