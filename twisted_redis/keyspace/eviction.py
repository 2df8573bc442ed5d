"""The choice of the next key to evict: the best of a few random ones, as Redis chooses.

Each choice looks at a few keys of every database and keeps the best ones in a pool.  Over many choices that finds
nearly the oldest or the least used of all keys, without an order of all keys.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Sequence

from twisted_redis.datatypes.order import Order
from twisted_redis.keyspace.access import AccessCounts, AccessTimes
from twisted_redis.keyspace.database import Database

__all__ = ["POOL_SIZE", "Chooser"]

POOL_SIZE = 16

#: (score, index of the database, key): the key with the highest score is evicted first.
_Candidate = tuple[int, int, bytes]


_Scores = Callable[[Database, "list[bytes]"], "list[int]"]


def _ages(db: Database, keys: list[bytes]) -> list[int]:
    # Times, not ages: a score in the pool must compare with those that come later.
    log = db.access_log
    return [-time for time in log.times(keys)] if isinstance(log, AccessTimes) else [0] * len(keys)


def _rarities(db: Database, keys: list[bytes]) -> list[int]:
    log = db.access_log
    return [-counter for counter in log.frequencies(keys)] if isinstance(log, AccessCounts) else [0] * len(keys)


def _nearnesses(db: Database, keys: list[bytes]) -> list[int]:
    expires = db.expires
    return [-expires[key].time(key) for key in keys]


_SCORES: dict[str, _Scores] = {"lru": _ages, "lrm": _ages, "lfu": _rarities, "ttl": _nearnesses}


class Chooser:
    """Chooses keys of ``databases`` by ``policy``, a value of ``maxmemory-policy`` other than ``noeviction``.

    Policies of keys with an expiry need ``Account.volatile``.
    """

    __slots__ = ("_databases", "_next", "_pool", "_score", "_volatile")

    def __init__(self, databases: Sequence[Database], policy: str) -> None:
        which, _, how = policy.partition("-")
        self._databases = databases
        self._volatile = which == "volatile"
        self._score = _SCORES.get(how)
        self._pool: list[_Candidate] = []
        self._next = 0

    def choose(self, samples: int) -> tuple[Database, bytes] | None:
        """A database and the key of it to evict, after a look at ``samples`` keys in each; None if no key may go."""
        return self._any() if self._score is None else self._best(samples, self._score)

    @staticmethod
    def _visible(db: Database, keys: Iterable[bytes], some: list[bytes]) -> list[bytes]:
        """Those of ``some`` that are not hidden, or any other key that is not."""
        return db.visible(some) or db.visible(list(keys))[: len(some)]

    def _order(self, db: Database) -> Order | None:
        """The order of the keys to choose from."""
        if not self._volatile:
            return db.order
        return None if db.account is None else db.account.volatile

    def _any(self) -> tuple[Database, bytes] | None:
        """A random key, from each database in turn."""
        databases = self._databases
        for _ in databases:
            self._next = (self._next + 1) % len(databases)
            db = databases[self._next]
            order = self._order(db)
            key = order.random() if order is not None else None
            if key is not None and db.slots is not None and db.slots.hidden and db.slots.is_hidden(key):
                # Hardly ever: a slot is on the move.
                key = next(iter(db.visible(list(db.expires if self._volatile else db.data))), None)
            if key is not None:
                return db, key
        return None

    def _best(self, samples: int, scores: _Scores) -> tuple[Database, bytes] | None:
        pool = self._pool
        volatile = self._volatile
        while True:
            found = False
            for place, db in enumerate(self._databases):
                order = self._order(db)
                keys = db.expires if volatile else db.data
                if not keys or order is None:
                    continue
                some = order.some(samples) if len(keys) > samples else list(keys)
                if db.slots is not None and db.slots.hidden:
                    some = self._visible(db, keys, some)
                    if not some:
                        continue
                found = True
                for score, key in zip(scores(db, some), some, strict=True):
                    if len(pool) < POOL_SIZE:
                        insort(pool, (score, place, key))
                    elif score > pool[0][0]:
                        pool[0] = (score, place, key)
                        pool.sort()
            if not found:
                pool.clear()
                return None
            while pool:
                _, place, key = pool.pop()
                db = self._databases[place]
                # The key may have been deleted meanwhile, or be in the pool twice.
                if key in (db.expires if volatile else db.data) and db.visible([key]):
                    return db, key
