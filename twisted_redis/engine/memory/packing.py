"""Packs the small collections that nobody has accessed for ``pack-idle-seconds`` (``datatypes.packed``).

A pass looks at every key.  It packs the collections that still rest since the pass before, and lets live ones rest.
So a collection is packed after one to two times ``pack-idle-seconds``.  Passes run in slices, and pause in between:
shortly while nobody sends requests, and long otherwise, so that few requests meet a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.packed import LIVE_CLASS, STILL, Encoded, encoded, finished, packed, rested
from twisted_redis.datatypes.sizes import QUICK
from twisted_redis.datatypes.strings import SMALL_INTEGERS
from twisted_redis.datatypes.table import value_size
from twisted_redis.engine.memory.gaps import HAS_POOLS, fill_gaps, size_classes
from twisted_redis.engine.memory.pressure import put_to_rest
from twisted_redis.engine.memory.resident import resident_bytes
from twisted_redis.engine.memory.trim import clear_free_lists, prepare, trim
from twisted_redis.engine.memory.walk import Walk
from twisted_redis.keyspace.renewal import renew_keys

if TYPE_CHECKING:
    from twisted_redis.config import Config
    from twisted_redis.engine.clock import Clocks
    from twisted_redis.engine.figures import LoopFigures
    from twisted_redis.engine.introspect.info_fields import Fields
    from twisted_redis.keyspace.database import Database

__all__ = ["Packing"]

_SLICE_NS = 1_000_000

_KEYS = 16
"""Keys between two looks at the clock; to pack a collection of a hundred elements takes about 30 us."""

_PAUSE, _PAUSE_UNDER_LOAD = 0.002, 0.1
"""The time between two slices (s), without and with requests since the last slice."""

_AT_ONCE = 256
"""Collections that are replaced and freed together.  What is allocated one after the other stands side by side, and
memory that is freed together is in one piece: others can use it, or it can be given back."""

_ELEMENTS_AT_ONCE = 1 << 15
"""Elements of these collections; to free so many takes about a millisecond."""

_WORTH_RETURNING = 4 << 20
"""Bytes packed, in one pass or in several, from which the free memory is returned to the system."""

_MOST_RENEWED = 1 << 20
"""Keys of a database beyond which they are not allocated anew, which takes 1 to 2 us a key."""

_SETTLE = 2.0
"""The time for which gaps stay filled after the keys are allocated anew (s)."""

_FREED = 32
"""Old keys, or lists of what fills gaps, that are freed in one step."""

_SAMPLE = 1000
"""The keys of a database that tell how long its keys are."""

_END: Final[Any] = object()

_COUNTED_AT_ONCE = 2000
"""The number of keys up to which the figures are counted when they are asked for."""


class Packing:
    """The passes of one engine.  ``values`` and ``bytes`` tell what was packed at the end of the last pass."""

    def __init__(
        self,
        clocks: Clocks,
        config: Config,
        databases: Sequence[Database],
        loop: LoopFigures,
        activity: Callable[[], object],
        must_wait: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        """``activity`` returns something else whenever a key may have been accessed since its last call.

        ``must_wait`` tells whether nothing may be packed now; ``changed`` is called after a pass that has packed.
        """
        self._activity = activity
        #: The activity when a pass began that found nothing to do; None if the last one did something.
        self._settled: object = None
        self._did_something = False
        self._began: object = None
        self._clocks = clocks
        self._config = config
        self._all = databases
        self._loop = loop
        self._told_to_wait = must_wait
        self._changed = changed
        #: The walk through one database; None between two passes.
        self._walk: Walk | None = None
        #: What is left to do to return memory to the system; None if there is nothing.
        self._returning: Iterator[float | None] | None = None
        #: The time (monotonic, s) of the next pass; None until ``tick`` is called for the first time.
        self._next: float | None = None
        self._databases: list[Database] = []
        self.values = 0
        self.bytes = 0
        #: Whether the process exists for the server alone.
        self.owns_process = False
        #: Called to allocate anew what stays for long, wherever it was allocated.
        self.renewers: list[Callable[[], None]] = []
        self._seen_values = 0
        self._seen_bytes = 0
        self._requests = 0
        #: Collections that are encoded, and not replaced yet.
        self._encoded: list[tuple[Database, bytes, Any, Encoded]] = []
        self._encoded_elements = 0
        #: Bytes of the collections packed since memory was returned to the system, by database.
        self._new: dict[Database, int] = {}
        #: Whether this pass has packed any.
        self._has_packed = False
        config.on_apply(("pack-idle-seconds",), self._begin_anew)

    def _begin_anew(self) -> None:
        self._next = None

    def tick(self, now: float) -> None:
        """Begins a pass if one is due; ``now`` is a monotonic time (s).  The periodic work calls this."""
        config = self._config
        if config.pack_always:
            self.pack_everything()
            return
        idle = config.pack_idle_seconds
        if self._returning is not None:
            return
        if self._walk is not None:
            if not self._walk.running:
                # The database was emptied or swapped meanwhile.
                self._continue(0)
            return
        if not idle:
            return
        if self._next is None:
            self._next = now + idle
        if now < self._next or self.must_wait():
            return
        self._next = now + idle
        self._began = self._activity()
        if self._began == self._settled:
            return  # everything is as the last pass has left it
        self._did_something = False
        self._databases = [db for db in self._all if db.data]
        if self._databases:
            prepare()
        self._seen_values = self._seen_bytes = 0
        self._continue(0)

    def must_wait(self) -> bool:
        """Whether nothing may be packed now."""
        # A child that saves shares the memory of the values.
        return Order.saving or self._told_to_wait()

    def _continue(self, taken: int) -> None:
        """Goes on with the next database; ``taken`` is the time of the one before (ns)."""
        self._walk = None
        if not self._databases:
            self._replace()
            self._settled = None if self._did_something else self._began
            self.values, self.bytes = self._seen_values, self._seen_bytes
            self._give_back()
            return
        db = self._databases.pop()
        visit = partial(self._visit, db)
        self._walk = Walk(self._clocks, db, visit, self._continue, slice_ns=_SLICE_NS, keys=_KEYS, pause=self._pause)

    def _pause(self) -> float:
        requests = self._loop.calls
        busy = requests != self._requests
        self._requests = requests
        return _PAUSE_UNDER_LOAD if busy else _PAUSE

    def _visit(self, db: Database, keys: list[bytes]) -> None:
        """Takes the next step with the collections at ``keys``: lets them rest, or packs them.

        Strings that are small integers become the objects that INCR uses, too.
        """
        if self.must_wait():
            self._did_something = True  # these keys are left for the next pass
            return
        data = db.data
        for key in keys:
            value = data[key]
            cls = value.__class__
            if cls is bytes:
                if len(value) < 5 and value.isdigit():
                    shared = SMALL_INTEGERS[int(value)]
                    if value is not shared and value == shared:
                        db.change_form(key, value, shared)
                continue
            if cls not in LIVE_CLASS:
                if put_to_rest(db, key, value):
                    self._did_something = True
                continue
            if cls in STILL:
                self._seen_values += 1
                self._seen_bytes += value_size(value, QUICK)
            else:
                self._encoded.append((db, key, value, encoded(value)))
                self._encoded_elements += len(value)
                self._did_something = True
        if len(self._encoded) >= _AT_ONCE or self._encoded_elements >= _ELEMENTS_AT_ONCE:
            self._replace()

    def _replace(self) -> None:
        """Replaces the collections that are encoded, if they still rest, and frees them."""
        for db, key, value, content in self._encoded:
            if db.data.get(key) is not value:
                continue
            still = finished(content)
            db.change_form(key, value, still)
            size = value_size(still, QUICK)
            self._new[db] = self._new.get(db, 0) + size
            self._has_packed = True
            self._seen_values += 1
            self._seen_bytes += size
        self._encoded.clear()
        self._encoded_elements = 0

    def _give_back(self) -> None:
        """Returns the memory that a pass has freed to the system, in slices as well."""
        if not self._has_packed:
            return
        self._has_packed = False
        self._changed()
        new = self._new
        if HAS_POOLS and sum(new.values()) >= _WORTH_RETURNING:
            self._new = {}
            self._returning = self._return([db for db in new if len(db.data) <= _MOST_RENEWED])
            self._go_on()

    def _return(self, databases: list[Database]) -> Iterator[float | None]:
        """Does a part of the work with each step; yields the time to wait before the next step (s), or None."""
        clear_free_lists(owns_process=self.owns_process)
        held: list[Any] = []
        for size in sorted(size_classes(key for db in databases for key in islice(db.data, _SAMPLE))):
            yield from fill_gaps(size, held, resident_bytes())
        for renew in self.renewers:
            renew()
        for db in databases:
            yield from renew_keys(db, held)
        # What comes and goes all the time, as the samples of rates do, finds other places in the meantime.
        yield _SETTLE
        while held:
            del held[-_FREED:]
            yield None
        clear_free_lists(owns_process=self.owns_process)
        trim()

    def _go_on(self) -> None:
        """Runs a slice of ``_returning``."""
        steps = self._returning
        if steps is None:
            return
        clock = self._clocks.clock_ns
        started = clock()
        while not self.must_wait() and clock() - started < _SLICE_NS:
            pause = next(steps, _END)
            if pause is _END:
                self._returning = None
                return
            if pause is not None:
                self._clocks.time.call_later(pause, self._go_on)
                return
        wait = _PAUSE_UNDER_LOAD if self.must_wait() else self._pause()
        self._clocks.time.call_later(wait, self._go_on)

    def pack_everything(self) -> None:
        """Packs all collections that can be packed, at once and whether they are idle or not."""
        if self.must_wait():
            return
        for db in self._all:
            for key, value in list(db.data.items()):
                if value.__class__ in STILL:
                    continue
                resting = value if value.__class__ in LIVE_CLASS else rested(value)
                if resting is not None:
                    db.change_form(key, value, packed(resting))

    def count(self) -> tuple[int, int]:
        """Returns the number of packed collections and their bytes; of many keys, those of the last pass."""
        databases = self._all
        keys = sum(len(db.data) for db in databases)
        if keys <= _COUNTED_AT_ONCE:
            still = [value for db in databases for value in db.data.values() if value.__class__ in STILL]
            sizes = [value_size(value, QUICK) for value in still]
            self.values, self.bytes = len(sizes), sum(sizes)
        elif self.values > keys:
            self.bytes = self.bytes * keys // self.values
            self.values = keys
        return self.values, self.bytes

    def note_packed(self, values: int, size: int, db: Database | None = None) -> None:
        """Notes so many packed collections, of ``size`` bytes together, that do not come from a pass.

        With ``db`` they were live there, and the next pass returns the memory that is free now.
        """
        self.values += values
        self.bytes += size
        if db is not None and size:
            self._new[db] = self._new.get(db, 0) + size
            self._has_packed = True
            self._settled = None

    def fields(self) -> Fields:
        """Returns the fields of INFO packing."""
        values, size = self.count()
        return [("packed_values", values), ("packed_bytes", size)]
