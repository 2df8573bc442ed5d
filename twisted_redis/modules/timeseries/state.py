"""The state of the module in one server, and the series at a key."""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import Client, CommandError, WrongType
from twisted_redis.modules.timeseries.labels import LabelIndex
from twisted_redis.modules.timeseries.module import module
from twisted_redis.modules.timeseries.series import Series
from twisted_redis.modules.timeseries.settings import Settings, apply_arguments, settings_of

__all__ = ["State", "find", "read_series", "settings_for", "state_of", "write_series"]

NO_KEY = "ERR TSDB: the key does not exist"
WRONG_TYPE = "ERR WRONGTYPE Operation against a key holding the wrong kind of value"


class State:
    """The indexes by the numbers of the databases, and the key that is being renamed."""

    __slots__ = ("indexes", "renamed")

    def __init__(self) -> None:
        self.indexes: dict[int, LabelIndex] = {}
        self.renamed = b""

    def index(self, ctx: Client) -> LabelIndex:
        """Returns the index of the database of a client, brought up to date."""
        found = self.indexes.get(ctx.db.index)
        if found is None:
            found = self.indexes[ctx.db.index] = LabelIndex()
        keys = ctx.db.keys_of(Series)
        found.update(keys, list(map(ctx.db.data.__getitem__, keys)))
        return found


@module.on_load
def load(server: Any, *words: bytes) -> State:
    """Sets the directives of the module from the arguments of ``loadmodule``: names and values in turn."""
    apply_arguments(server.config, words)
    return State()


def state_of(ctx: Client) -> State:
    """Returns the state in the server of a client."""
    found: State = module.state(ctx)
    return found


def settings_for(ctx: Client) -> Settings:
    """Returns the settings in the server of a client."""
    return settings_of(ctx.config)


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


@module.on_event("rename_from", "rename_to", "restore", "copy_to")
def arrive(server: Any, number: int, key: bytes, event: str) -> None:
    """Tells a series its new key, and the series at the other ends of its rules."""
    if event == "rename_from":
        module.state_of(server).renamed = key
        return
    data = server.databases[number].data
    series = data.get(key)
    if not isinstance(series, Series):
        return
    series.key = key
    if event == "rename_to":
        before = module.state_of(server).renamed
        source = None if series.source is None else data.get(series.source)
        if isinstance(source, Series):
            for rule in source.rules:
                if rule.target == before:
                    rule.target = key
        for rule in series.rules:
            target = data.get(rule.target)
            if isinstance(target, Series) and target.source == before:
                target.source = key
