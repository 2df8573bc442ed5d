"""Frees large values in small steps, so that no client waits for it.

CPython frees a collection when the last reference to it goes, a million elements at once, and a thread would hold the
interpreter's lock during that time.  So large values are taken apart here, in slices of about a millisecond, and the
server handles its clients in between.  Where a garbage collector frees memory (PyPy), dropping the reference is enough.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.own import OwnValue
from twisted_redis.datatypes.stream_nodes import Node
from twisted_redis.datatypes.table import TYPES, type_of

if TYPE_CHECKING:
    from twisted_redis.engine.clock import Clocks
    from twisted_redis.keyspace.database import Database

__all__ = ["LazyFree"]

_AT_ONCE = 64
"""Values with at most this many parts are freed at once, as in Redis: keeping a record would take longer."""

_SLICE_NS = 1_000_000
_STEP = 512
"""The number of elements freed between two reads of the clock."""

_BLOCK = 256
_WHOLE = 8192
"""A container of this many elements is freed in a fraction of a slice."""

_COUNTS_REFERENCES = sys.implementation.name == "cpython"


class LazyFree:
    """The values to be freed.  ``pending`` and ``freed`` count objects as INFO does: values, or keys of a database."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._timer: Any = None
        #: The containers to be freed, with the number of objects that each job counts for.
        self._jobs: list[tuple[list[Any], int]] = []
        self.pending = 0
        self.freed = 0

    def reset(self) -> None:
        """Resets the count of freed objects (CONFIG RESETSTAT)."""
        self.freed = 0

    def remove(self, db: Database, key: bytes, later: bool) -> bool:
        """Deletes ``key``; a large value is freed later if ``later`` is true.  Returns False without such a key."""
        value = db.data.get(key) if later else None
        if not db.delete(key):
            return False
        if value is not None and type_of(value).effort(value) > _AT_ONCE:
            self.free([value], 1)
        return True

    def flush(self, db: Database, later: bool) -> int:
        """Empties ``db``, frees its contents now or ``later``, and returns the number of keys it had."""
        if not later or not db.data:
            return db.flush()
        held: list[Any] = [_Nested(db.data), db.order, db.expires, db.field_wheel.places]
        if db.access_log is not None:
            held.append(db.access_log.noted)
        if db.slots is not None:
            held.append(db.slots.sets)
        count = db.flush()
        if count:
            self.free(held, count)
        return count

    def free(self, values: Iterable[Any], objects: int) -> None:
        """Frees those of ``values`` that nothing else refers to; together they count as this many ``objects``.

        Work that fits into one slice is done at once.
        """
        self.pending += objects
        self._jobs.append((list(values), objects))
        if self._timer is None:
            self._run()

    def _run(self) -> None:
        self._timer = None
        clock = self._clocks.clock_ns
        deadline = clock() + _SLICE_NS
        jobs = self._jobs
        while jobs:
            stack, objects = jobs[-1]
            if _COUNTS_REFERENCES and not _take_apart(stack, deadline, clock):
                self._timer = self._clocks.time.call_later(0, self._run)
                return
            jobs.pop()
            self.pending -= objects
            self.freed += objects


class _Nested:
    """A dict whose values may be large themselves."""

    __slots__ = ("data",)

    def __init__(self, data: dict[Any, Any]) -> None:
        self.data = data


def _take_apart(stack: list[Any], deadline: int, clock: Callable[[], int]) -> bool:
    """Frees the contents of ``stack`` until the deadline (ns); True if nothing is left."""
    while stack:
        top = stack[-1]
        if top.__class__ in _CONTAINERS:
            # The blocks of an order and the nodes of a stream have some hundred elements each.
            # So has the middle of a list, as far as its elements are large; its blocks may be of both forms.
            weight = _BLOCK if top and isinstance(top, list) and not _BLOCKS.isdisjoint(map(type, top[-_STEP:])) else 1
            # Removing elements one by one takes ten times as long as freeing the container.
            if len(top) * weight <= _WHOLE:
                stack.pop()
            else:
                _free_some(top, _STEP // weight)
        elif isinstance(top, _Nested):
            taken: list[tuple[Any, Any]] = list(islice(iter(top.data.popitem, None), min(_STEP, len(top.data))))
            if not top.data:
                stack.pop()
            stack += [value for _, value in taken if _is_divisible(value) and len(value) > _STEP]
            del taken
        else:
            stack.pop()
            stack += _unshared_parts(top)
        del top
        if clock() > deadline:
            return False
    return True


def _free_some(container: Any, count: int) -> None:
    """Removes ``count`` elements from a container that has more, with loops that run in C."""
    if isinstance(container, list):
        del container[-count:]
    else:
        pop = container.popitem if isinstance(container, dict) else container.pop
        deque(islice(iter(pop, None), count), 0)


def _part_names(value: Any) -> tuple[str, ...]:
    """Returns the attributes that hold the elements of ``value``, which is the value of a key or a part of one."""
    found = TYPES.get(value.__class__)
    if found is not None:
        return found.parts
    # Values of modules are not taken apart, since only their classes know their parts.
    return () if isinstance(value, OwnValue) else getattr(value.__class__, "PARTS", ())


def _is_divisible(value: Any) -> bool:
    cls = value.__class__
    return cls is not bytes and (cls in _CONTAINERS or bool(_part_names(value)))


def _unshared_parts(value: Any) -> list[Any]:
    """Returns the containers in ``value`` that nothing else holds; a reply may still refer to a container."""
    found: list[Any] = []
    index_references: list[int] = []
    nested = getattr(value.__class__, "NESTED_PARTS", ())
    for name in _part_names(value):
        part = getattr(value, name)
        if _part_names(part):
            # An order or a schedule refers to the container that it indexes, which comes later.
            index_references += [id(referent) for referent in _referents(part)]
            found.append(part)
        elif part.__class__ in _CONTAINERS and sys.getrefcount(part) <= 3 + index_references.count(id(part)):
            # The three references are the value, this variable and the argument of the call.
            found.append(_Nested(part) if name in nested else part)
    return found


def _referents(value: Any) -> Iterator[Any]:
    """Yields the objects that ``value`` refers to, and those that its parts other than containers refer to."""
    for referent in gc.get_referents(value):
        yield referent
        if _part_names(referent):
            yield from _referents(referent)


_CONTAINERS = frozenset((dict, list, set))
_BLOCKS = frozenset((list, Node))
