"""The keys of a database by their hash slots, which only a node of a cluster keeps.

    >>> index = SlotIndex([b"user:{7}:name", b"user:{7}:age", b"x"])
    >>> index.count(key_slot(b"7"))
    2

The database tells the index of every key that it adds and removes, at the same places at which it tells its order of
keys.  A slot without keys takes 8 bytes, and a key takes about 40 bytes beside what it takes anyway.
"""

from __future__ import annotations

from binascii import crc32, crc_hqx
from collections.abc import Iterable
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

from twisted_redis.keyspace.slots import SLOTS, key_slot

if TYPE_CHECKING:
    from twisted_redis.datatypes.order import Order

__all__ = ["SlotIndex"]

_LAST: Final = SLOTS - 1
#: The bit that distinguishes a cursor within a slot from one of an order of keys.
_IN_SLOT: Final = 1 << 62
#: Keys beyond which a slot is not scanned on its own, because each call looks at all of them.
_MOST_SCANNED: Final = 20_000


class SlotIndex:
    """The keys in each slot.  ``order`` is the order of the same keys, which ``append`` and ``discard`` change too."""

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_slots",)

    __slots__ = ("_order", "_slots")

    def __init__(self, keys: Iterable[bytes], order: Order | None = None) -> None:
        self._order = order
        self._slots: list[set[bytes] | None] = [None] * SLOTS
        self.add_all(keys)

    def append(self, key: bytes) -> None:
        """Adds a key that is new in the database, to the order as well."""
        if self._order is not None:
            self._order.append(key)
        # ``key_slot``, spelled out for keys without a tag: this runs for each new key.
        slot = crc_hqx(key, 0) & _LAST if 0x7B not in key else key_slot(key)
        keys = self._slots[slot]
        if keys is None:
            self._slots[slot] = {key}
        else:
            keys.add(key)

    def discard(self, key: bytes) -> None:
        """Removes a key that has left the database, from the order as well."""
        if self._order is not None:
            self._order.discard(key)
        slot = key_slot(key)
        keys = self._slots[slot]
        if keys is not None:
            keys.discard(key)
            if not keys:
                self._slots[slot] = None

    def add_all(self, keys: Iterable[bytes]) -> None:
        """Adds keys that are in the order already."""
        slots = self._slots
        for key in keys:
            slot = crc_hqx(key, 0) & _LAST if 0x7B not in key else key_slot(key)
            known = slots[slot]
            if known is None:
                slots[slot] = {key}
            else:
                known.add(key)

    def count(self, slot: int) -> int:
        """The number of keys in a slot, those included that have expired but are not deleted yet."""
        keys = self._slots[slot]
        return 0 if keys is None else len(keys)

    def keys(self, slot: int, count: int | None = None) -> list[bytes]:
        """The keys in a slot, or ``count`` of them, in no particular order."""
        keys = self._slots[slot]
        return [] if keys is None else list(islice(keys, count))

    def scan(self, slot: int, cursor: int, count: int) -> tuple[int, list[bytes]] | None:
        """Returns the cursor of the next call and about ``count`` keys of a slot; None if the order must be scanned.

        The keys come in the order of a checksum, which no change of the slot alters.  So a scan returns every key that
        is there from its first call to its last, and returns none twice.  A call costs O(N) for N keys in the slot.
        """
        keys = self._slots[slot] or ()
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

    def counts(self) -> dict[int, int]:
        """The number of keys in each slot that has any."""
        return {slot: len(keys) for slot, keys in enumerate(self._slots) if keys is not None}
