"""The state of the module in one server: its settings, and the index of each database."""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import Client, CommandError, WrongType
from twisted_redis.modules.timeseries.labels import LabelIndex
from twisted_redis.modules.timeseries.module import module
from twisted_redis.modules.timeseries.series import Series
from twisted_redis.modules.timeseries.settings import Settings, parse_settings

__all__ = ["State", "read_series", "state_of", "write_series"]

NO_KEY = "ERR TSDB: the key does not exist"
WRONG_TYPE = "ERR WRONGTYPE Operation against a key holding the wrong kind of value"


class State:
    """The settings, and the indexes by the numbers of the databases."""

    __slots__ = ("indexes", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.indexes: dict[int, LabelIndex] = {}

    def index(self, number: int) -> LabelIndex:
        """Returns the index of a database."""
        found = self.indexes.get(number)
        if found is None:
            found = self.indexes[number] = LabelIndex()
        return found


@module.on_load
def load(server: Any, *words: bytes, **settings: bytes) -> State:
    """Reads the arguments of ``loadmodule``: names and values in turn, as Redis' module has them."""
    named = (word for name, value in settings.items() for word in (name.replace("-", "_").encode(), value))
    return State(parse_settings((*words, *named), Settings()))


def state_of(ctx: Client) -> State:
    """Returns the state in the server of a client."""
    found: State = module.state(ctx)
    return found


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
