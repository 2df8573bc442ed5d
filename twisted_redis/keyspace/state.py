"""The state that all databases of a server share: the time, the statistics of look-ups, hooks and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.own import OwnValue

if TYPE_CHECKING:
    from twisted_redis.keyspace.database import Database
    from twisted_redis.keyspace.own_keys import Told

__all__ = ["KeyspaceState", "WrongTypeError"]


class WrongTypeError(Exception):
    """The value of a key has another type than the caller asked for."""


def _expire_silently(database: Database, key: bytes) -> None:
    database.delete(key)


def _ignore() -> None:
    pass


class KeyspaceState:
    """The state that the databases of a server share.

    ``now`` is the wall time in ms, fixed for a unit of execution.  ``expire(database, key)`` is called when an access
    finds an expired key; it removes the key.  ``hide_expired`` is true on a replica: expired keys are hidden there, but
    only the master deletes them.  ``applying_master_stream`` is true while a command from the master or from a file
    runs.  Such a command finds an expired key, since its sender decides when the key is deleted.
    """

    __slots__ = (
        "access_expired",
        "added",
        "applying_master_stream",
        "before",
        "compacting",
        "expire",
        "expiry_paused",
        "hide_expired",
        "hits",
        "lfu_decay_time",
        "lfu_log_factor",
        "memory",
        "memory_limit",
        "missed",
        "misses",
        "now",
        "overrun",
        "overwritten",
        "own_types",
        "served",
        "told",
        "touching",
        "wrong_type",
    )

    def __init__(self, wrong_type: type[Exception] = WrongTypeError) -> None:
        self.now = 0
        #: Wall time (ms) of the previous unit of execution: nothing has been accessed between the two.
        self.before = 0
        #: Whether an access counts as use of the key (false for a client with CLIENT NO-TOUCH).
        self.touching = True
        #: Whether the orders of keys may close their gaps (DEBUG DICT-RESIZING).
        self.compacting = True
        #: In a node of a cluster, one byte for each slot: 1 if the node serves it.  The databases have an index of
        #: their keys by slot then, from their creation on.
        self.served: bytearray | None = None
        self.hits = 0
        self.misses = 0
        self.hide_expired = False
        #: Whether expiry is suspended (CLIENT PAUSE).
        self.expiry_paused = False
        self.applying_master_stream = False
        #: Whether all commands find expired keys and fields (DEBUG SET-ALLOW-ACCESS-EXPIRED).
        self.access_expired = False
        self.expire: Callable[[Database, bytes], None] = _expire_silently
        #: Called with (database, key) when a read finds nothing; None while nothing listens.
        self.missed: Callable[[Database, bytes], None] | None = None
        #: Called with (database, key) for each new key; None while nothing listens.
        self.added: Callable[[Database, bytes], None] | None = None
        #: Called with (database, key, value before, new value) when a command has replaced a whole value; None while
        #: nothing listens.  The databases are told with ``Database.choose_quick`` when that changes.
        self.overwritten: Callable[[Database, bytes, Any, Any], None] | None = None
        self.wrong_type = wrong_type
        #: The value classes that modules have declared, by the names of their types.
        self.own_types: dict[str, type[OwnValue]] = {}
        #: Those of them whose values are told where they are.
        self.told: dict[type, Told] = {}
        #: How access frequencies rise and fall (``access.AccessCounts``): the directives of the same names.
        self.lfu_log_factor = 10
        self.lfu_decay_time = 1
        #: The total of all accounts (``account.Account``) in bytes, and its limit.
        self.memory = 0
        self.memory_limit = 1 << 62
        #: Called when a change leaves ``memory`` above the limit.
        self.overrun: Callable[[], None] = _ignore
