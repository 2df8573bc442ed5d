"""The whole data set of a server: snapshots in memory, and the conversion from and to Python values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.table import copy_value
from twisted_redis.engine.blocking import signal_database
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.hash_fields import note_times
from twisted_redis.library.hints import number
from twisted_redis.library.values import Argument, argument

if TYPE_CHECKING:
    from twisted_redis.library.client import LocalClient

__all__ = ["Snapshot", "SortedSet", "StreamEntries", "dump", "restore", "seed", "take_snapshot"]


class SortedSet(dict[Any, float]):
    """A sorted set as a dict from members to scores; a plain dict stands for a hash."""


class StreamEntries(list[tuple[Any, Mapping[Any, Any]]]):
    """A stream as a list of (ID, fields); a plain list stands for a list.  For the ID ``*`` the server chooses one."""


@dataclass(frozen=True)
class Snapshot:
    """All keys of a server at one moment; it can be restored any number of times."""

    _databases: dict[int, tuple[dict[bytes, Any], dict[bytes, int]]]
    _functions: tuple[bytes, ...]

    def __len__(self) -> int:
        return sum(len(data) for data, _ in self._databases.values())


def _copy(values: Mapping[bytes, Any]) -> dict[bytes, Any]:
    # Most values are plain strings, which do not change and can be shared.
    return {key: value if value.__class__ is bytes else copy_value(value) for key, value in values.items()}


def take_snapshot(engine: Engine) -> Snapshot:
    """Takes a snapshot of all keys; strings are shared, all other values are copied."""
    databases = {db.index: (_copy(db.data), db.wheel.times()) for db in engine.databases if db.data}
    return Snapshot(databases, tuple(engine.scripting.libraries.codes()))


def restore(engine: Engine, snapshot: Snapshot) -> None:
    """Replaces all data by those of a snapshot; raises RuntimeError with replicas or an append-only file.

    Watched keys count as changed, clients that wait for a key are woken, and clients that cache keys are invalidated.
    """
    if engine.effects.recording:
        raise RuntimeError("a server with replicas or an append-only file cannot be restored")
    with engine.in_turn:
        engine.tracking.flushed()
        for client in engine.clients.values():
            client.dirty_cas = client.dirty_cas or bool(client.watching)
        engine.scripting.libraries.flush()
        for db in engine.databases:
            db.flush()
            data, expires = snapshot._databases.get(db.index, ({}, {}))
            db.data.update(_copy(data))
            db.rebuild_from_data()
            for key, when in expires.items():
                db.expire_at(key, when)
            for key, value in db.data.items():
                note_times(db, key, value)
            signal_database(engine, db)
        for code in snapshot._functions:
            engine.scripting.libraries.load(code, limited=False)


def seed(client: LocalClient, data: Mapping[Any, Any], ttl: float | None) -> None:
    """Stores Python values at keys, in place of their old values; ``ttl`` (s) holds for all of them."""
    if not isinstance(data, Mapping):
        raise TypeError(f"seed takes a mapping of keys to values, not {data!r}")
    milliseconds = None if ttl is None else int(number(ttl, "ttl") * 1000)
    if milliseconds is not None and milliseconds <= 0:
        raise ValueError(f"ttl must be more than 0 seconds, not {ttl!r}")
    # Everything is checked before anything is stored.
    wanted = [(name := argument(key), _arguments(name, value)) for key, value in data.items()]
    for key, commands in wanted:
        client.execute("DEL", key)
        for command in commands:
            client.execute(*command)
        if milliseconds is not None:
            client.execute("PEXPIRE", key, milliseconds)


def _arguments(key: bytes, value: Any) -> list[list[bytes]]:
    try:
        return [[argument(each) for each in command] for command in _commands(key, value)]
    except TypeError as error:
        raise TypeError(f"the value of {key!r} cannot be stored: {error}") from None


@dataclass(frozen=True)
class _PythonForm:
    """How Python values stand for the values of one type."""

    classes: tuple[type, ...]
    """The classes of Python values that are stored as this type."""
    commands: Callable[[bytes, Any], list[tuple[Argument, ...]]]
    """Returns the commands that create the value at a key; none for an empty collection."""
    read: tuple[Argument, ...]
    """The command that reads the value, without the key, which is the first argument."""
    made: Callable[[Any], Any] = lambda reply: reply
    """Returns the Python value for the reply of that command."""


def _adding(name: str, items: Callable[[Any], list[Any]] = list) -> Callable[[bytes, Any], list[tuple[Argument, ...]]]:
    """Makes the function that adds all items of a collection with one command."""
    return lambda key, value: [(name, key, *items(value))] if value else []


def _flat(pairs: Mapping[Any, Any]) -> list[Any]:
    return [each for pair in pairs.items() for each in pair]


def _scores_first(pairs: Mapping[Any, Any]) -> list[Any]:
    return [each for member, score in pairs.items() for each in (score, member)]


def _adding_entries(key: bytes, value: Any) -> list[tuple[Argument, ...]]:
    return [("XADD", key, entry, *_flat(fields)) for entry, fields in value]


def _entries(reply: Any) -> StreamEntries:
    return StreamEntries((entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in reply)


#: Name of a type to its form.  A Python value is stored as the first type that has its class.
_FORMS: dict[bytes, _PythonForm] = {
    b"zset": _PythonForm(
        (SortedSet,),
        _adding("ZADD", _scores_first),
        ("ZRANGE", 0, -1, "WITHSCORES"),
        lambda reply: SortedSet(map(tuple, reply)),
    ),
    b"stream": _PythonForm((StreamEntries,), _adding_entries, ("XRANGE", "-", "+"), _entries),
    b"hash": _PythonForm((Mapping,), _adding("HSET", _flat), ("HGETALL",)),
    b"list": _PythonForm((list, tuple), _adding("RPUSH"), ("LRANGE", 0, -1)),
    b"set": _PythonForm((set, frozenset), _adding("SADD"), ("SMEMBERS",)),
    b"string": _PythonForm((object,), lambda key, value: [("SET", key, argument(value))], ("GET",)),
}


def _commands(key: bytes, value: Any) -> Iterable[tuple[Argument, ...]]:
    return next(form.commands(key, value) for form in _FORMS.values() if isinstance(value, form.classes))


def dump(client: LocalClient) -> dict[bytes, Any]:
    """All keys of the client's database with values as ``seed`` takes them; values of other types as their DUMP."""
    found: dict[bytes, Any] = {}
    for key in sorted(client.execute("KEYS", "*")):
        form = _FORMS.get(client.execute("TYPE", key))
        if form is None:
            found[key] = client.execute("DUMP", key)
        else:
            found[key] = form.made(client.execute(form.read[0], key, *form.read[1:]))
    return found
