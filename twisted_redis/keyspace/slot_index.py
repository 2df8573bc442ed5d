"""The keys of a database by their hash slots, which only a node of a cluster keeps.

    >>> index = SlotIndex({b"user:{7}:name": 1, b"user:{7}:age": 2, b"x": 3})
    >>> index.count(key_slot(b"7"))
    2

The database tells the index of every key that it adds and removes, at the same places at which it tells its order of
keys.  A slot without keys takes 8 bytes.  A key takes 40 bytes with a million keys, and 90 with a hundred thousand.
"""

from __future__ import annotations

from binascii import crc32, crc_hqx
from collections.abc import Iterable
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted_redis.datatypes import sizes
from twisted_redis.keyspace.slots import SLOTS, key_slot

if TYPE_CHECKING:
    from twisted_redis.datatypes.order import Order
    from twisted_redis.keyspace.database import Database

__all__ = ["NO_INDEX", "SlotIndex", "random_visible_key"]

_LAST: Final = SLOTS - 1
#: The bit that distinguishes a cursor within a slot from one of an order of keys.
_IN_SLOT: Final = 1 << 62
#: Keys beyond which a slot is not scanned on its own, because each call looks at all of them.
_MOST_SCANNED: Final = 20_000
#: The number of changed slots beyond which the keys of all slots are counted again.
_MOST_RECOUNTED: Final = 64


class SlotIndex:
    """The keys of ``data`` in each slot.  ``order`` is their order, which ``append`` and ``discard`` change too.

    ``served`` has one byte for each slot: 1 if this node serves every key of the slot without looking at any rule.
    ``home`` is ``data`` itself as long as every key is in such a slot, and an empty dict otherwise.  So a key that is
    in ``home`` needs no further question, and its slot need not be computed.
    """

    __slots__ = ("_counted", "_data", "_foreign", "_order", "_served", "hidden", "home", "leaving", "put_off", "sets")

    def __init__(self, data: dict[bytes, Any], order: Order | None = None, served: bytearray | None = None) -> None:
        self._served = bytearray(SLOTS) if served is None else served
        #: The contents of ``_served`` when the keys were last counted.
        self._counted = bytes(self._served)
        #: The keys of each slot.
        self.sets: list[set[bytes] | None] = []
        self.home: dict[bytes, Any] = {}
        #: The number of keys in slots that are not served.
        self._foreign = 0
        #: Slots whose keys nobody sees: they are still on their way to this node, or about to be removed from it.
        self.hidden: frozenset[int] = frozenset()
        #: Those of them whose keys are about to be removed: no file holds them any more.
        self.leaving: frozenset[int] = frozenset()
        #: Keys in such slots that were due to expire, and that have to be looked at again.
        self.put_off: list[bytes] = []
        self.build(data, order)

    def memory(self) -> int:
        """The memory of the index (bytes).  O(slots)."""
        return sizes.of_container(self.sets) + sum([sizes.of_container(keys) for keys in self.sets if keys])

    def build(self, data: dict[bytes, Any], order: Order | None) -> None:
        """Begins anew with the keys of ``data``."""
        self._data = data
        self._order = order
        self.sets = [None] * len(self._served)
        self._foreign = 0
        self.home = data
        self.add_all(data)

    def use(self, data: dict[bytes, Any]) -> None:
        """Uses ``data``, which has the same keys, in place of the dict before."""
        if self.home is self._data:
            self.home = data
        self._data = data

    def serve(self, served: bytearray) -> None:
        """Uses these slots, and counts again which keys are in them; called when they have changed as well."""
        before = self._counted
        self._served = served
        self._counted = bytes(served)
        if not self._data:
            return
        # A reshard changes one slot at a time, and a look at all of them would take a millisecond.
        changed = int.from_bytes(before, "little") ^ int.from_bytes(served, "little")
        if changed.bit_count() > _MOST_RECOUNTED:
            self._recount()
            return
        foreign = self._foreign
        while changed:
            slot = (changed.bit_length() - 1) >> 3
            changed ^= 1 << (slot << 3)
            foreign += -self.count(slot) if served[slot] else self.count(slot)
        self._count_foreign(foreign)

    def _recount(self) -> None:
        served = self._served
        self._count_foreign(
            sum([len(keys) for slot, keys in enumerate(self.sets) if keys is not None and not served[slot]])
        )

    def swap(self, other: SlotIndex) -> None:
        """Exchanges the contents with those of another index that uses the same slots."""
        for name in ("_data", "_order", "sets"):
            mine = getattr(self, name)
            setattr(self, name, getattr(other, name))
            setattr(other, name, mine)
        # The slots may have changed since the keys of the other index were added.
        for each in (self, other):
            each._recount()
            each._counted = bytes(each._served)

    def _count_foreign(self, count: int) -> None:
        self._foreign = count
        self.home = {} if count else self._data

    def append(self, key: bytes) -> None:
        """Adds a key that is new in the database, to the order as well."""
        if self._order is not None:
            self._order.append(key)
        # ``key_slot``, spelled out for keys without a tag: this runs for each new key.
        slot = crc_hqx(key, 0) & _LAST if 0x7B not in key else key_slot(key)
        keys = self.sets[slot]
        if keys is None:
            self.sets[slot] = {key}
        else:
            keys.add(key)
        if not self._served[slot]:
            self._count_foreign(self._foreign + 1)

    def discard(self, key: bytes) -> None:
        """Removes a key that has left the database, from the order as well."""
        if self._order is not None:
            self._order.discard(key)
        slot = key_slot(key)
        keys = self.sets[slot]
        if keys is not None and key in keys:
            keys.remove(key)
            if not keys:
                self.sets[slot] = None
            if not self._served[slot]:
                self._count_foreign(self._foreign - 1)

    def exchange(self, key: bytes) -> None:
        """Puts ``key``, another object, in the place of the equal one that is there."""
        keys = self.sets[key_slot(key)]
        if keys is not None:
            keys.discard(key)
            keys.add(key)

    def add_all(self, keys: Iterable[bytes]) -> None:
        """Adds keys that are in the order already."""
        sets = self.sets
        served = self._served
        foreign = self._foreign
        for key in keys:
            slot = crc_hqx(key, 0) & _LAST if 0x7B not in key else key_slot(key)
            known = sets[slot]
            if known is None:
                sets[slot] = {key}
            else:
                known.add(key)
            if not served[slot]:
                foreign += 1
        self._count_foreign(foreign)

    def count(self, slot: int) -> int:
        """The number of keys in a slot, those included that have expired but are not deleted yet."""
        keys = self.sets[slot]
        return 0 if keys is None else len(keys)

    def keys(self, slot: int, count: int | None = None) -> list[bytes]:
        """The keys in a slot, or ``count`` of them, in no particular order."""
        keys = self.sets[slot]
        return [] if keys is None else list(islice(keys, count))

    def scan(self, slot: int, cursor: int, count: int) -> tuple[int, list[bytes]] | None:
        """Returns the cursor of the next call and about ``count`` keys of a slot; None if the order must be scanned.

        The keys come in the order of a checksum, which no change of the slot alters.  So a scan returns every key that
        is there from its first call to its last, and returns none twice.  A call costs O(N) for N keys in the slot.
        """
        keys = self.sets[slot] or ()
        if not cursor:
            if len(keys) <= 10 * count:
                return 0, list(keys)
            if len(keys) > _MOST_SCANNED:
                return None
        elif not cursor & _IN_SLOT:
            return None
        first = cursor & ~_IN_SLOT
        waiting = [(place, key) for key in keys if (place := crc32(key)) >= first]
        found = nsmallest(count, waiting)
        if len(found) == len(waiting):
            return 0, [key for _, key in found]
        # Keys with the same checksum must not be on both sides of a cursor.
        last = found[-1][0]
        return _IN_SLOT | last + 1, [key for place, key in waiting if place <= last]

    # hidden slots

    def is_hidden(self, key: bytes) -> bool:
        """Whether nobody may see ``key`` because of its slot."""
        return key_slot(key) in self.hidden

    def visible(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those of ``keys`` that are not hidden."""
        hidden = self.hidden
        return [key for key in keys if key_slot(key) not in hidden]

    def count_hidden(self) -> int:
        """The number of hidden keys."""
        return sum(map(self.count, self.hidden))

    def counts(self) -> dict[int, int]:
        """The number of keys in each slot that has any."""
        return {slot: len(keys) for slot, keys in enumerate(self.sets) if keys is not None}


NO_INDEX: Final = SlotIndex({}, None, bytearray())
"""The index of a server without cluster mode: it has no slots, and nothing is at home."""


def random_visible_key(db: Database, slots: SlotIndex) -> bytes | None:
    """Returns a key of ``db`` that has not expired and is not hidden, or None; used while ``slots`` hides keys."""
    for _ in range(100):
        key = db.order.random()
        if key is not None and not slots.is_hidden(key) and not (key in db.expires and db.expired(key)):
            return key
    # Hardly any key is visible.
    return next((key for key in list(db.data) if not slots.is_hidden(key) and db.exists(key)), None)
