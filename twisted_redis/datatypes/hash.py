"""Hashes: fields with values, and a time to live for those fields that were given one.

A hash whose fields never had a TTL is a dict and three empty slots. The first TTL gives it ``times`` (field
to ms) and a schedule of the same times, whose entries are stale where ``times`` says otherwise.

Redis' rules of encoding are kept as two facts that never turn back: ``large`` (a hash table in Redis) and
whether there are ``times`` (a listpack with times, if not large).
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

__all__ = ["Hash", "HashLimits"]


_NAMES_MOST = 4096
_names: dict[bytes, bytes] = {}
"""Names of fields of small hashes, seen of late: one object serves all hashes that have such a field."""


class HashLimits(Protocol):
    """The directives that a hash obeys: beyond one of them it is ``large``."""

    hash_max_listpack_entries: int
    hash_max_listpack_value: int


class Hash:
    """A hash. ``fields`` is read directly; whoever writes uses the methods, for TTLs and cursors to follow.

    A field whose time has come is still there until somebody removes it: commands ask ``expired`` before they
    read a field of a hash that has ``times``, and the server's cycle calls ``expire_fields`` on those hashes
    whose ``next_expiry`` has come. Both remove fields, and whoever removed the last one deletes the key.
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

    def __len__(self) -> int:
        """The number of fields, with those whose time has come."""
        return len(self.fields)

    def copy(self) -> Hash:
        """Returns a hash of its own with the same fields and times."""
        twin = Hash(self.fields.copy())
        twin.large = self.large
        if self.times is not None:
            twin.times = self.times.copy()
            twin._schedule = Schedule(twin.times)
        return twin

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        if self.large:
            return "hashtable"
        return "listpack" if self.times is None else "listpackex"

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the bytes that the hash takes."""
        fields = self.fields
        size = 80 + sizes.of_container(fields)
        holders = 1 + (self._order is not None) + (2 if self.times else 0)
        # Small hashes share the names of fields, which a dict of them keeps as key and value.
        size += sizes.of_items(fields, how, holders, kept=0 if self.large else 2)
        size += sizes.of_items(fields.values(), how)
        if self.times is not None and self._schedule is not None:
            size += sizes.of_container(self.times) + self._schedule.memory()
        if self._order is not None:
            size += 8 * len(self._order)
        return size

    # fields

    def get(self, field: bytes, now: int) -> bytes | None:
        """Returns the value of ``field``, None if it is missing or its time has passed at ``now`` (ms)."""
        if self.times and self.times.get(field, now) < now:
            return None
        return self.fields.get(field)

    def set(self, field: bytes, value: bytes) -> bool:
        """Gives ``field`` a value and takes its time; tells whether it is new."""
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
        """Gives ``field`` a value and leaves its time alone; tells whether it is new."""
        if field in self.fields:
            self.fields[field] = value
            return False
        return self.set(field, value)

    def update(self, pairs: Sequence[bytes], keep: bool = False) -> None:
        """Gives fields their values, which stand by turns in ``pairs``; takes their times unless ``keep``."""
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
        """Removes ``field``; tells whether it was there."""
        if self.fields.pop(field, None) is None:
            return False
        if self.times:
            self.times.pop(field, None)
        if self._order is not None:
            self._order.discard(field)
        return True

    def take(self, fields: Sequence[bytes]) -> list[bytes | None]:
        """Removes ``fields``; returns their values, None for those that are not there (any more)."""
        values = list(map(self.fields.pop, fields, repeat(None)))
        if self.times:
            deque(map(self.times.pop, fields, repeat(None)), 0)
        if self._order is not None:
            deque(map(self._order.discard, compress(fields, [value is not None for value in values])), 0)
        return values

    def fit(self, items: Sequence[bytes], config: HashLimits) -> None:
        """Makes the hash ``large`` if its size, or one of ``items`` that were put into it, demands that.

        ``items`` are fields and values in turn.
        """
        entries = config.hash_max_listpack_entries
        # Redis converts before it knows how many of the fields are the same.
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
        """Tells whether the time of ``field`` has passed at ``now`` (ms)."""
        return self.times is not None and self.times.get(field, now) < now

    def time(self, field: bytes) -> int | None:
        """Returns when ``field`` expires (ms), None if it does not."""
        return self.times.get(field) if self.times is not None else None

    def allow_times(self) -> None:
        """Makes room for times, which Redis' encoding shows even if none is set in the end."""
        if self.times is None:
            self.times = {}
            self._schedule = Schedule(self.times)

    def set_time(self, field: bytes, when: int) -> None:
        """Lets ``field``, which is there, expire at ``when`` (ms)."""
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
        """Lets ``fields`` expire at ``when`` (ms); tells of each whether it does, None where there is no such field.

        ``allows`` decides by the time that a field has so far (None: it has none); without it all do.
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
        """Takes the time of ``field``; tells whether it had one."""
        return bool(self.times) and self.times.pop(field, None) is not None  # type: ignore[union-attr]

    def next_expiry(self) -> int | None:
        """Returns the earliest time (ms) at which a field expires, None if none does."""
        return self._schedule.next() if self.times and self._schedule is not None else None

    def next_look(self) -> int | None:
        """Returns a moment (ms) that is not after ``next_expiry``, None if no field expires.

        It takes no time, where ``next_expiry`` drops all the times before it that fields have no longer.
        """
        return self._schedule.first if self.times and self._schedule is not None else None

    def expire_fields(self, now: int, limit: int) -> list[bytes]:
        """Removes fields whose time (ms) is up to ``now``; returns them, earliest first.

        At most ``limit`` entries are looked at, some of which may be of times that fields have no longer.
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
        """Returns the fields whose time has not passed at ``now`` (ms): ``fields`` itself if that is all."""
        due = self.next_expiry()
        if due is None or due >= now:
            return self.fields
        time = self.times.get  # type: ignore[union-attr]
        return {field: value for field, value in self.fields.items() if time(field, now) >= now}

    # cursors and random picks

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Returns the next cursor and the names of some fields: of all of them if the hash is not large."""
        if not self.large:
            return 0, list(self.fields)
        return self._ordered().scan(cursor, count)

    def random(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a random field, None if there is none."""
        fields = self.fields
        if self.large:
            return self._ordered().random(rng)
        return next(islice(fields, int(rng.random() * len(fields)), None), None)

    def choices(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` fields of a hash that has some, each picked from all of them."""
        if self.large and count * 4 < len(self.fields):
            return self._ordered().choices(count, rng)
        return rng.choices(list(self.fields), k=count)

    def sample(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns up to ``count`` different fields."""
        if self.large and count * 4 < len(self.fields):
            return self._ordered().sample(count, rng)
        return take_some(list(self.fields), count, rng)

    @property
    def order(self) -> Order | None:
        """The order of the fields, if something has asked for one; to be looked at only."""
        return self._order

    def _ordered(self) -> Order:
        if self._order is None:
            self._order = Order(self.fields)
        return self._order
