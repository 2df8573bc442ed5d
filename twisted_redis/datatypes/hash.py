"""Hashes: fields with values, and optional expiry times of fields.

A hash whose fields never had a TTL is a dict and three empty slots.  The first TTL adds ``times``, a dict of fields and
times (ms), and a schedule of these times.  An entry of the schedule that differs from ``times`` is stale.

Two facts represent the encoding that Redis would choose.  Neither is ever reversed: ``large`` (a hash table in Redis),
and whether there are ``times`` (if the hash is not large, a listpack with times in Redis).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import compress, islice, repeat
from random import Random
from typing import ClassVar, Protocol

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.order import RANDOM, Order, take_some
from twisted_redis.datatypes.schedule import Schedule

__all__ = ["Hash", "HashLimits", "RestingHash", "shared_names"]


_NAMES_MOST = 4096
_names: dict[bytes, bytes] = {}
"""Recent field names of small hashes.  All hashes that have such a field share one object."""


def shared_names(names: list[bytes]) -> list[bytes]:
    """Returns the field names of a small hash, as the objects that other small hashes have."""
    known = _names.setdefault
    shared = [known(name, name) for name in names]
    if len(_names) > _NAMES_MOST:
        _names.clear()
    return shared


class HashLimits(Protocol):
    """The directives that limit a small hash.  A hash beyond one of them is ``large``."""

    hash_max_listpack_entries: int
    hash_max_listpack_value: int


class Hash:
    """A hash.  Callers may read ``fields`` directly.  Changes go through the methods, which maintain TTLs and cursors.

    An expired field exists until it is removed.  Commands ask ``expired`` before they read a field of a hash that has
    ``times``.  The server's active expire cycle calls ``expire_fields`` on hashes whose ``next_expiry`` has come.  A
    caller that removes the last field deletes the key.
    """

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_order", "_schedule", "times", "fields")

    __slots__ = ("_order", "_schedule", "fields", "large", "times")

    def __init__(self, fields: dict[bytes, bytes] | None = None) -> None:
        self.fields: dict[bytes, bytes] = {} if fields is None else fields
        self.times: dict[bytes, int] | None = None
        self._schedule: Schedule | None = None
        self._order: Order | None = None
        self.large = False

    @classmethod
    def of_small(cls, names: list[bytes], values: list[bytes]) -> Hash:
        """Returns a hash that is not large, of different names and their values."""
        return cls(dict(zip(shared_names(names), values, strict=True)))

    def moved(self, cls: type[Hash]) -> Hash:
        """Returns a ``cls`` with everything that this hash has.  This one must not be used any more."""
        made = cls(self.fields)
        made.times = self.times
        made._schedule = self._schedule
        made._order = self._order
        made.large = self.large
        return made

    def __len__(self) -> int:
        """The number of fields, including expired ones."""
        return len(self.fields)

    def copy(self) -> Hash:
        """Returns an independent hash with the same fields and times."""
        twin = Hash(self.fields.copy())
        twin.large = self.large
        if self.times is not None:
            twin.times = self.times.copy()
            twin._schedule = Schedule(twin.times)
        return twin

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING."""
        if self.large:
            return "hashtable"
        return "listpack" if self.times is None else "listpackex"

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the hash in bytes."""
        fields = self.fields
        size = 80 + sizes.of_container(fields)
        holders = 1 + (self._order is not None) + (2 if self.times else 0)
        # Small hashes share field names.  The dict of these has two references to each, as key and as value.
        size += sizes.of_items(fields, how, holders, kept=0 if self.large else 2)
        size += sizes.of_items(fields.values(), how)
        if self.times is not None and self._schedule is not None:
            size += sizes.of_container(self.times) + self._schedule.memory()
        if self._order is not None:
            size += 8 * len(self._order)
        return size

    # fields

    def get(self, field: bytes, now: int) -> bytes | None:
        """Returns the value of ``field``, or None if it is missing or has expired at ``now`` (ms)."""
        if self.times and self.times.get(field, now) < now:
            return None
        return self.fields.get(field)

    def set(self, field: bytes, value: bytes) -> bool:
        """Sets the value of ``field`` and removes its TTL; returns whether the field is new."""
        fields = self.fields
        if field in fields:
            fields[field] = value
            if self.times:
                self.times.pop(field, None)
            return False
        if self.large:
            fields[field] = value
            if self._order is not None:
                self._order.append(field)
        else:
            fields[_names.setdefault(field, field)] = value
            if len(_names) > _NAMES_MOST:
                _names.clear()
        return True

    def put(self, field: bytes, value: bytes) -> bool:
        """Sets the value of ``field`` and keeps its TTL; returns whether the field is new."""
        if field in self.fields:
            self.fields[field] = value
            return False
        return self.set(field, value)

    def update(self, pairs: Sequence[bytes], keep: bool = False) -> None:
        """Sets fields to values, which alternate in ``pairs``; removes their TTLs unless ``keep``."""
        fields = self.fields
        names, values = pairs[::2], pairs[1::2]
        if not self.large:
            for field, value in zip(names, values, strict=True):
                if field in fields:
                    fields[field] = value
                else:
                    self.set(field, value)
        else:
            if self._order is not None:
                for field in dict.fromkeys(names):
                    if field not in fields:
                        self._order.append(field)
            fields.update(zip(names, values, strict=True))
        if self.times and not keep:
            deque(map(self.times.pop, names, repeat(None)), 0)

    def remove(self, field: bytes) -> bool:
        """Removes ``field``; returns whether it existed."""
        if self.fields.pop(field, None) is None:
            return False
        if self.times:
            self.times.pop(field, None)
        if self._order is not None:
            self._order.discard(field)
        return True

    def take(self, fields: Sequence[bytes]) -> list[bytes | None]:
        """Removes ``fields``; returns their values, None for missing fields and for the second mention of one."""
        values = list(map(self.fields.pop, fields, repeat(None)))
        if self.times:
            deque(map(self.times.pop, fields, repeat(None)), 0)
        if self._order is not None:
            deque(map(self._order.discard, compress(fields, [value is not None for value in values])), 0)
        return values

    def fit(self, items: Sequence[bytes], config: HashLimits) -> None:
        """Makes the hash ``large`` if its size, or the length of one of the new ``items``, is beyond a limit.

        ``items`` are alternating fields and values.
        """
        entries = config.hash_max_listpack_entries
        # Redis converts the hash before it knows how many of the fields are duplicates.
        if len(self.fields) > entries or len(items) > 2 * entries:
            self.large = True
            return
        longest = config.hash_max_listpack_value
        for item in items:
            if len(item) > longest:
                self.large = True
                return

    # times

    def expired(self, field: bytes, now: int) -> bool:
        """Returns whether ``field`` has expired at ``now`` (ms)."""
        return self.times is not None and self.times.get(field, now) < now

    def time(self, field: bytes) -> int | None:
        """Returns the time (ms) at which ``field`` expires, or None."""
        return self.times.get(field) if self.times is not None else None

    def allow_times(self) -> None:
        """Prepares for times, which shows in the encoding even if no time is set after all."""
        if self.times is None:
            self.times = {}
            self._schedule = Schedule(self.times)

    def set_time(self, field: bytes, when: int) -> None:
        """Lets ``field``, which must exist, expire at ``when`` (ms)."""
        self.allow_times()
        times, schedule = self.times, self._schedule
        assert times is not None and schedule is not None
        if times.get(field) == when:
            return
        times[field] = when
        schedule.add(field, when)
        schedule.drop_stale()

    def set_times(
        self, fields: Sequence[bytes], when: int, allows: Callable[[int | None], bool] | None = None
    ) -> list[bool | None]:
        """Lets ``fields`` expire at ``when`` (ms).  Returns for each whether its time was set, None if it is missing.

        ``allows`` is called with the present time of a field, or None, and decides; without it all times are set.
        """
        self.allow_times()
        times, schedule = self.times, self._schedule
        assert times is not None and schedule is not None
        known = self.fields
        outcome: list[bool | None]
        if allows is None:
            outcome = [True if field in known else None for field in fields]
            done = list(compress(fields, outcome)) if None in outcome else fields
            times.update(dict.fromkeys(done, when))
        else:
            outcome = []
            before = times.get
            for field in fields:
                if field not in known:
                    outcome.append(None)
                elif allows(before(field)):
                    outcome.append(True)
                    times[field] = when
                else:
                    outcome.append(False)
            done = list(compress(fields, outcome))
        if done:
            schedule.add_all(done, when)
            schedule.drop_stale()
        return outcome

    def persist(self, field: bytes) -> bool:
        """Removes the TTL of ``field``; returns whether it had one."""
        return bool(self.times) and self.times.pop(field, None) is not None  # type: ignore[union-attr]

    def next_expiry(self) -> int | None:
        """Returns the earliest time (ms) at which a field expires, or None."""
        return self._schedule.next() if self.times and self._schedule is not None else None

    def next_look(self) -> int | None:
        """Returns a lower bound (ms) of ``next_expiry``, or None if no field expires.

        This is O(1), while ``next_expiry`` first drops the stale times before its result.
        """
        return self._schedule.first if self.times and self._schedule is not None else None

    def expire_fields(self, now: int, limit: int) -> list[bytes]:
        """Removes fields that have expired at ``now`` (ms); returns them, the earliest first.

        It examines at most ``limit`` entries, some of which may be stale.
        """
        removed: list[bytes] = []
        schedule = self._schedule
        if not self.times or schedule is None:
            return removed
        while limit > 0 and schedule.is_due(now):
            limit -= 1
            field = schedule.pop()
            if field is not None:
                self.remove(field)
                removed.append(field)
        return removed

    def live(self, now: int) -> dict[bytes, bytes]:
        """Returns the fields that have not expired at ``now`` (ms): ``fields`` itself if that is all of them."""
        due = self.next_expiry()
        if due is None or due >= now:
            return self.fields
        time = self.times.get  # type: ignore[union-attr]
        return {field: value for field, value in self.fields.items() if time(field, now) >= now}

    # cursors and random picks

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Returns the next cursor and the names of some fields, or of all fields if the hash is not large."""
        if not self.large:
            return 0, list(self.fields)
        return self._ordered().scan(cursor, count)

    def random(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a random field, or None if there is none."""
        fields = self.fields
        if self.large:
            return self._ordered().random(rng)
        return next(islice(fields, int(rng.random() * len(fields)), None), None)

    def choices(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` random fields, each picked from all fields, of which there must be some."""
        if self.large and count * 4 < len(self.fields):
            return self._ordered().choices(count, rng)
        return rng.choices(list(self.fields), k=count)

    def sample(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns up to ``count`` different random fields."""
        if self.large and count * 4 < len(self.fields):
            return self._ordered().sample(count, rng)
        return take_some(list(self.fields), count, rng)

    @property
    def order(self) -> Order | None:
        """The order of the fields, or None if nothing has needed it.  Callers must not change it."""
        return self._order

    def _ordered(self) -> Order:
        if self._order is None:
            self._order = Order(self.fields)
        return self._order


class RestingHash(Hash):
    """A hash that was not accessed since the last look for hashes to pack (``datatypes.packed``)."""

    __slots__ = ()
