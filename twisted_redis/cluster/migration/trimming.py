"""Removal of the keys of slots that are not this node's: those handed over, and those of an import that has failed.

A request for it (``schedule``) waits while writes are held back.  Then the keys go at once, or bit by bit in the
background, which is called active.  Replicas and the append-only file get TRIMSLOTS, and remove the keys in their own
way.  The keys are hidden from the request on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twisted_redis.cluster.migration.tasks import slots_text
from twisted_redis.cluster.nodes import ranges, slots_in
from twisted_redis.engine.gates import IS_PAUSED
from twisted_redis.engine.units import SWEEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_redis.engine.engine import Engine

__all__ = ["METHODS", "Trims"]

METHODS = ("default", "none", "active", "bg")

#: A slice of the active removal, and the time between two slices (s).
_SLICE = 0.002
_REST = 0.006
#: Keys between two looks at the clock.
_STEP = 32
#: Slots with more keys are emptied bit by bit, because nobody should wait for their removal.
_MOST_AT_ONCE = 1000


class Trims:
    """The removals of one node; ``changed`` is called when the slots that are concerned have changed."""

    def __init__(self, engine: Engine, is_master: Callable[[], bool], changed: Callable[[], None]) -> None:
        self._engine = engine
        self._is_master = is_master
        self._changed = changed
        #: Sets of slots that wait for the end of a pause.
        self.pending: list[int] = []
        #: Sets of slots whose keys are removed bit by bit; the first one is being worked on.
        self.active: deque[int] = deque()
        self._keys: Iterator[bytes] | None = None
        self._timer = False
        self._logged = False
        #: One of ``METHODS``, and the time that each key takes in the active removal (us; -1: it does not run).
        self.method = "default"
        self.delay = 0
        self.started = 0
        self.completed = 0
        self.cancelled = 0
        self.current_keys = 0
        self.current_trimmed = 0

    @property
    def slots(self) -> int:
        """The slots whose keys are about to go."""
        slots = 0
        for each in (*self.pending, *self.active):
            slots |= each
        return slots

    def schedule(self, slots: int) -> None:
        """Has the keys of a set of slots removed as soon as writes are allowed."""
        self.pending.append(slots)
        self._changed()

    def process(self) -> None:
        """Begins with what waits, if it may begin."""
        engine = self._engine
        if not self.pending or self.method == "none":
            return
        if not self._is_master():
            self.cancel_pending()
            return
        if engine.gates & IS_PAUSED:
            if not self._logged:
                self._logged = True
                engine.log("notice", "Trim job is deferred since pause action is in effect.")
            return
        self._logged = False
        pending, self.pending = self.pending, []
        for slots in pending:
            self.trim(slots)
            argv = [b"TRIMSLOTS", b"RANGES", b"%d" % len(ranges(slots))]
            for first, last in ranges(slots):
                argv += [b"%d" % first, b"%d" % last]
            with engine.unit(SWEEP):
                engine.effects.propagate(engine.databases[0], argv)

    def trim(self, slots: int) -> None:
        """Removes the keys of a set of slots, at once or bit by bit."""
        engine = self._engine
        if self.method == "none":
            return
        count = self._count(slots)
        default = self.method == "default"
        cached = any(client.tracking is not None for client in engine.clients.values())
        if self.method == "active" or cached or (default and count > _MOST_AT_ONCE):
            engine.log("notice", f"Active trim scheduled for slots: {slots_text(slots)}")
            self.active.append(slots)
            if self._keys is None:
                self._begin()
        else:
            engine.log("notice", f"Background trim started for slots: {slots_text(slots)} to trim {count} keys.")
            self.trim_now(slots)
        self._changed()

    def trim_now(self, slots: int) -> None:
        """Removes the keys of a set of slots before anything else happens."""
        engine = self._engine
        db = engine.databases[0]
        values = []
        for slot in slots_in(slots):
            for key in db.slots.keys(slot) if db.slots is not None else ():
                values.append(db.data.get(key))
                db.delete(key)
                engine.effects.signal(db, key)
        if values:
            engine.lazyfree.free(values, len(values))

    def _count(self, slots: int) -> int:
        index = self._engine.databases[0].slots
        return 0 if index is None else sum(map(index.count, slots_in(slots)))

    # bit by bit

    def _begin(self) -> None:
        slots = self.active[0]
        self.started += 1
        self.current_keys = self._count(slots)
        self.current_trimmed = 0
        self._keys = self._iterate(slots)
        self._engine.log(
            "notice", f"Active trim initiated for slots: {slots_text(slots)}, to trim {self.current_keys} keys."
        )
        self._later()

    def _iterate(self, slots: int) -> Iterator[bytes]:
        for slot in slots_in(slots):
            index = self._engine.databases[0].slots
            if index is not None:
                yield from index.keys(slot)

    def _later(self) -> None:
        if not self._timer and self.active and self.delay >= 0:
            self._timer = True
            self._engine.time.call_later(_REST, self._work)

    def _work(self) -> None:
        self._timer = False
        engine = self._engine
        if not self.active or self.delay < 0 or engine.gates & IS_PAUSED:
            # ``look`` goes on when the pause is over.
            return
        with engine.in_turn:
            self._slice()
        self._later()

    def _slice(self) -> None:
        engine = self._engine
        if self.delay:
            # DEBUG asks for slow work: as many keys as the time of a slice and a rest suffices for.
            most = max(1, round((_SLICE + _REST) * 1_000_000 / self.delay))
            deadline = float("inf")
        else:
            most = 1 << 62
            deadline = engine.time.monotonic() + _SLICE
        count = 0
        keys = self._keys
        assert keys is not None
        with engine.unit(SWEEP):
            for key in keys:
                self._remove(key)
                count += 1
                if count >= most or (not count % _STEP and engine.time.monotonic() > deadline):
                    return
        self._finish()

    def _remove(self, key: bytes) -> None:
        engine = self._engine
        db = engine.databases[0]
        value = db.data.get(key)
        if db.delete(key):
            # Counts as freed in the background, in whatever way that was asked for.
            engine.lazyfree.free([value], 1)
            engine.effects.signal(db, key)
            self.current_trimmed += 1

    def _finish(self) -> None:
        slots = self.active.popleft()
        self._keys = None
        self.completed += 1
        self._engine.log(
            "notice",
            f"Active trim completed for slots: {slots_text(slots)}, {self.current_trimmed} keys trimmed.",
        )
        if self.active:
            self._begin()
        self._changed()

    def finish_now(self, slots: int) -> None:
        """Ends the removals that concern any of ``slots`` at once: new keys of these slots are about to come."""
        while any(each & slots for each in self.active):
            if self._keys is None:
                self._begin()
            with self._engine.unit(SWEEP):
                for key in self._keys or ():
                    self._remove(key)
            self._finish()

    def look(self) -> None:
        """Goes on after a pause, or after a change of the method; called ten times a second."""
        self.process()
        self._later()

    # ends

    def cancel_pending(self) -> None:
        """Drops the requests that wait."""
        for slots in self.pending:
            self._engine.log("notice", f"Cancelling the pending trim job for slots: {slots_text(slots)}")
        self.pending.clear()
        self._changed()

    def cancel(self) -> None:
        """Drops everything: the whole data set is about to go."""
        if self.pending:
            self.cancel_pending()
        if self.active:
            self._engine.log("notice", "Cancelling all active trim jobs")
            self.cancelled += len(self.active)
            self.active.clear()
            self._keys = None
            self._changed()

    def lines(self) -> list[str]:
        """The fields of CLUSTER INFO."""
        return [
            f"cluster_slot_migration_active_trim_running:{len(self.active)}",
            f"cluster_slot_migration_active_trim_current_job_keys:{self.current_keys}",
            f"cluster_slot_migration_active_trim_current_job_trimmed:{self.current_trimmed}",
            f"cluster_slot_migration_stats_active_trim_started:{self.started}",
            f"cluster_slot_migration_stats_active_trim_completed:{self.completed}",
            f"cluster_slot_migration_stats_active_trim_cancelled:{self.cancelled}",
        ]
