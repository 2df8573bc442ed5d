"""INFO keysizes: the distribution of the lengths of keys, for each type, by powers of two.

With ``key-memory-histograms`` or the memory in ``cluster-slot-stats-enabled``, the memory of collections has
distributions as well.

Redis counts with every change; this server counts only on request.  A database of some thousand keys is counted at
once, and the result is valid until something changes.  A larger one is counted in the background, from the first
request on.  Until that is done, the answer is an estimate from random keys; later, it is the result of the last walk.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.table import TYPES, value_size
from twisted_redis.engine.memory.walk import Walk

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["KeySizes", "label"]

_AT_ONCE = 20_000
"""A database with at most this many keys is counted while the client waits."""

_SAMPLE = 1000
"""The number of random keys from which a larger database is estimated."""

_WHILE_SAVING = 200
"""The same while a child process saves: to look at a key copies pages that the two processes share."""

_PAUSE_FACTOR = 50
"""The pause between two walks is this many times as long as the walk."""

#: For each type: length -> number of keys of that length.
_Lengths = dict[str, "Counter[int]"]


def label(length: int) -> str:
    """Names the bin of a length by its lower bound: ``0``, ``1``, ``2``, ``4`` ... ``512``, ``1K`` ... ``4E``."""
    if not length:
        return "0"
    power = length.bit_length() - 1
    return f"{1 << power % 10}{' KMGTPE'[power // 10].strip()}"


def _memory_name(name: str) -> str:
    """The name of the distribution of memory of the type whose lengths are called ``name``; empty for strings."""
    kind, _, unit = name.partition("_")
    return f"{kind}_sizes" if unit == "items" else ""


def _count(lengths: _Lengths, values: list[Any], *, memory: bool) -> None:
    """Adds the lengths of ``values`` to ``lengths``, and with ``memory`` the bytes that they take."""
    for kind in {value.__class__ for value in values}:
        found = TYPES.get(kind)
        if found is not None and found.keysizes:
            counter = lengths.setdefault(found.keysizes, Counter())
            counter.update([found.length(value) for value in values if value.__class__ is kind])
            name = _memory_name(found.keysizes) if memory else ""
            if name:
                counter = lengths.setdefault(name, Counter())
                counter.update([value_size(value) for value in values if value.__class__ is kind])


def _fields(db: Database, lengths: _Lengths) -> list[tuple[str, str]]:
    found = []
    names = dict.fromkeys(kind.keysizes for kind in TYPES.values())
    for name in (*names, *filter(None, map(_memory_name, names))):
        if name in lengths:
            bins: dict[str, int] = {}
            for length, count in sorted(lengths[name].items()):
                bins[label(length)] = bins.get(label(length), 0) + count
            found.append((f"db{db.index}_distrib_{name}", ",".join(f"{at}={count}" for at, count in bins.items())))
    return found


class KeySizes:
    """The distributions of an engine's databases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: The last result for each database, with the order and the state of the data that it describes.
        self._known: dict[Database, tuple[Any, tuple[int, ...], _Lengths]] = {}
        self._walks: dict[Database, Walk] = {}
        self._not_before: dict[Database, float] = {}
        self._memory = engine.memory_tracking.is_on

    def apply(self) -> None:
        """Forgets what it has counted if the memory tracking was switched off."""
        if self._memory != self._engine.memory_tracking.is_on:
            self._memory = not self._memory
            self._known.clear()
            self._walks.clear()

    def fields(self) -> list[tuple[str, str]]:
        """Returns the fields of the section."""
        return [field for db in self._engine.databases if db.data for field in _fields(db, self._lengths(db))]

    def _state(self, db: Database) -> tuple[int, ...]:
        stats = self._engine.stats
        return self._engine.effects.dirty, stats.expired_fields, stats.expired_keys, len(db.data)

    def _lengths(self, db: Database) -> _Lengths:
        state = self._state(db)
        order, known_state, known = self._known.get(db, (None, (), {}))
        is_same_data = order is db.order
        if is_same_data and known_state == state:
            return known
        if len(db.data) <= _AT_ONCE:
            lengths: _Lengths = {}
            _count(lengths, list(db.data.values()), memory=self._memory)
            self._known[db] = (db.order, state, lengths)
            return lengths
        self._start(db)
        if is_same_data:
            return known
        # Keep an estimate until the walk ends, instead of making another one for each INFO.
        lengths = self._sampled(db)
        self._known[db] = (db.order, (), lengths)
        return lengths

    def _sampled(self, db: Database) -> _Lengths:
        lengths: _Lengths = {}
        sample = _WHILE_SAVING if Order.saving else _SAMPLE
        keys = [key for key in (db.order.random() for _ in range(sample)) if key is not None]
        _count(lengths, [db.data[key] for key in keys], memory=self._memory)
        for counts in lengths.values():
            for length in counts:
                counts[length] = round(counts[length] * len(db.data) / len(keys))
        return lengths

    def _start(self, db: Database) -> None:
        walk = self._walks.get(db)
        if walk is not None and walk.running:
            return
        now = self._engine.time.monotonic()
        order, _, _ = self._known.get(db, (None, (), {}))
        if order is db.order and now < self._not_before.get(db, now):
            return
        state, order = self._state(db), db.order
        lengths: _Lengths = {}

        def visit(keys: list[bytes]) -> None:
            _count(lengths, [db.data[key] for key in keys], memory=self._memory)

        def done(taken: int) -> None:
            self._known[db] = (order, state, lengths)
            self._not_before[db] = self._engine.time.monotonic() + _PAUSE_FACTOR * taken / 1e9

        self._walks[db] = Walk(self._engine, db, visit, done)
