"""Freeing what is large a bit at a time, so that nobody waits for it.

CPython frees a collection with the last reference to it, a million elements in one go, and a thread would hold the
interpreter's lock all the while.  So large values are taken apart here, in slices of about a millisecond with turns for
the clients between.  Where a collector frees memory (PyPy) letting go is all there is to do.
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
"""Parts of a value that are freed at once, as in Redis: taking note of them would take longer."""

_SLICE_NS = 1_000_000
_STEP = 512
"""Elements freed between two looks at the clock."""

_BLOCK = 256
_WHOLE = 8192
"""Elements that are freed in a fraction of a slice."""

_COUNTS_REFERENCES = sys.implementation.name == "cpython"


class LazyFree:
    """What is being freed.  ``pending`` and ``freed`` count objects as INFO does: values, or keys of a database."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._timer: Any = None
        #: Containers of what is to be freed, and for how many objects each one counts.
        self._jobs: list[tuple[list[Any], int]] = []
        self.pending = 0
        self.freed = 0

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        self.freed = 0

    def remove(self, db: Database, key: bytes, later: bool) -> bool:
        """Deletes ``key``, and its value ``later`` where that is large; tells whether it was there."""
        value = db.data.get(key) if later else None
        if not db.delete(key):
            return False
        if value is not None and type_of(value).effort(value) > _AT_ONCE:
            self.free([value], 1)
        return True

    def flush(self, db: Database, later: bool) -> int:
        """Empties ``db``, and frees its contents now or ``later``; returns the number of keys that were there."""
        if not later:
            return db.flush()
        held = [_Nested(db.data), db.order, db.expires, db.wheel, db.field_wheel]
        if db.access_log is not None:
            held.append(db.access_log.noted)
        count = db.flush()
        if count:
            self.free(held, count)
        return count

    def free(self, values: Iterable[Any], objects: int) -> None:
        """Frees what nobody else refers to among ``values``, which count for so many ``objects``.

        What can be done in a slice is done at once.
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
    """Frees what is in ``stack`` until the deadline (ns); tells whether nothing is left."""
    while stack:
        top = stack[-1]
        if top.__class__ in _CONTAINERS:
            # Blocks of an order and nodes of a stream have some hundred elements each.
            weight = _BLOCK if top and isinstance(top, list) and top[0].__class__ in _BLOCKS else 1
            # To take out one by one takes ten times as long as to free all.
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
            stack += _parts_alone(top)
        del top
        if clock() > deadline:
            return False
    return True


def _free_some(container: Any, count: int) -> None:
    """Takes ``count`` elements out of a container that has more; loops that run in C."""
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


def _parts_alone(value: Any) -> list[Any]:
    """The containers in ``value`` that nobody else holds: a reply may still refer to one."""
    found: list[Any] = []
    beside: list[int] = []
    nested = getattr(value.__class__, "NESTED_PARTS", ())
    for name in _part_names(value):
        part = getattr(value, name)
        if _part_names(part):
            # An order or a schedule refers to the container that it orders, which comes later.
            beside += [id(referent) for referent in _referents(part)]
            found.append(part)
        elif part.__class__ in _CONTAINERS and sys.getrefcount(part) <= 3 + beside.count(id(part)):
            # Three: the value, this variable, the call.
            found.append(_Nested(part) if name in nested else part)
    return found


def _referents(value: Any) -> Iterator[Any]:
    """The objects that ``value`` refers to, and those that its parts which are no containers refer to."""
    for referent in gc.get_referents(value):
        yield referent
        if _part_names(referent):
            yield from _referents(referent)


_CONTAINERS = frozenset((dict, list, set))
_BLOCKS = frozenset((list, Node))
