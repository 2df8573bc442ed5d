"""Sets in three forms, which correspond to the encodings of Redis.

- intset: a sorted ``array`` of 64-bit integers, eight bytes for each member;
- listpack: a ``ShortSet``, which takes little memory; with up to 16 members or more than 128, or if the set is asked
  about members often, a ``dict`` without values.  Both keep the order of the members;
- hashtable: a ``set``.

An addition may turn a set into a later form.  A set never goes back to an earlier one.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AnySet
from itertools import filterfalse, islice
from random import Random
from typing import ClassVar, Protocol, TypeAlias

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.few import MOST, OFTEN, Full
from twisted_redis.datatypes.order import RANDOM, Order, take_some
from twisted_redis.datatypes.short_set import ShortSet
from twisted_redis.datatypes.strings import integer_value

__all__ = [
    "RestingSet",
    "Set",
    "SetLimits",
    "difference",
    "gathered",
    "gathered_difference",
    "intersection",
    "intersection_size",
    "listpack_members",
    "union",
]

_MAX_INTSET = 1 << 30

IN_ORDER = sys.implementation.name == "pypy"
"""Whether sets are iterated in the order in which their members were added (PyPy)."""

_text = b"%d".__mod__


class SetLimits(Protocol):
    """The directives that determine the form of a set."""

    set_max_intset_entries: int
    set_max_listpack_entries: int
    set_max_listpack_value: int


_TINY = 16
"""With so few members, a dict is quicker than a ``ShortSet`` and takes little memory."""

_WHOLE = 10
"""To make a ``set`` of a ``ShortSet`` takes about as long as so many questions about members."""

_QUICK = 4
"""To rebuild a listpack of fewer than so many times the added members is quicker than to add them one by one."""

Members: TypeAlias = "array[int] | dict[bytes, None] | ShortSet | set[bytes]"


class Set:
    """A set of bytes.  Callers may read ``members`` in whatever form it has; only the methods change it."""

    #: The attributes that hold elements, in which a large one is freed bit by bit.
    PARTS: ClassVar[tuple[str, ...]] = ("_order", "members")

    __slots__ = ("_order", "members")

    def __init__(self, members: Members | None = None) -> None:
        self.members: Members = array("q") if members is None else members
        self._order: Order | None = None

    @classmethod
    def starting_with(cls, first: bytes, size: int, config: SetLimits) -> Set:
        """Returns an empty set in the form for ``size`` members, the first of which is ``first``."""
        if size <= config.set_max_intset_entries and integer_value(first) is not None:
            return cls()
        return cls({} if size <= config.set_max_listpack_entries else set())

    def moved(self, cls: type[Set]) -> Set:
        """Returns a ``cls`` with everything that this set has.  This one must not be used any more."""
        made = cls(self.members)
        made._order = self._order
        if isinstance(self.members, ShortSet):
            self.members.asked = 0
        return made

    def __len__(self) -> int:
        """The number of members."""
        return len(self.members)

    def __iter__(self) -> Iterator[bytes]:
        members = self.members
        return iter(map(_text, members) if isinstance(members, array) else members)

    def __contains__(self, member: object) -> bool:
        members = self.members
        cls = members.__class__
        if cls is set or cls is dict:
            return member in members
        if isinstance(members, array):
            value = integer_value(member)  # type: ignore[arg-type]
            return value is not None and _find(members, value) is not None
        if isinstance(members, ShortSet):
            members.asked += 1
            if members.asked > OFTEN:
                return member in self._unfold(members)
        return member in members

    def copy(self) -> Set:
        """Returns an independent set with the same members."""
        members = self.members
        return Set(members[:] if isinstance(members, array) else members.copy())

    def encoding(self) -> str:
        """The reply of OBJECT ENCODING."""
        return _ENCODINGS[self.members.__class__]

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the size of the set in bytes."""
        members = self.members
        if isinstance(members, ShortSet):
            return 56 + members.memory(how)
        size = 56 + sizes.of_container(members)
        if not isinstance(members, array):
            size += sizes.of_items(members, how, 1 + (self._order is not None))
        if self._order is not None:
            size += 8 * len(self._order)
        return size

    def lookup(self) -> AnySet[bytes] | dict[bytes, None]:
        """Returns the members in a form with a quick ``in``.  Callers must not change it."""
        members = self.members
        if isinstance(members, ShortSet):
            members.asked += _WHOLE
            return set(members) if members.asked <= OFTEN else self._unfold(members)
        return set(map(_text, members)) if isinstance(members, array) else members

    def _unfold(self, members: ShortSet) -> dict[bytes, None]:
        """Replaces a short set by a dict, which it returns."""
        self.members = unfolded = dict.fromkeys(members)
        return unfolded

    # changes

    def expect(self, size: int, config: SetLimits) -> None:
        """Turns into the last form at once if ``size`` members, which will be added, are too many for the others."""
        members = self.members
        if not isinstance(members, set) and size > (
            config.set_max_intset_entries if isinstance(members, array) else config.set_max_listpack_entries
        ):
            self.members = set(self)

    def add(self, member: bytes, config: SetLimits) -> bool:
        """Adds a member; returns whether it is new."""
        members = self.members
        if isinstance(members, set):
            before = len(members)
            members.add(member)
            if len(members) == before:
                return False
            if self._order is not None:
                self._order.append(member)
            return True
        if isinstance(members, dict):
            if member in members:
                return False
            if (
                len(members) != _TINY
                and len(members) < config.set_max_listpack_entries
                and len(member) <= config.set_max_listpack_value
            ):
                members[member] = None
                return True
        elif isinstance(members, ShortSet):
            members.asked += 1
            if members.asked > OFTEN:
                self._unfold(members)
                return self.add(member, config)
            try:
                if len(member) <= config.set_max_listpack_value:
                    return members.add(member, config.set_max_listpack_entries)
                if member in members:
                    return False
            except Full:
                pass
        else:
            return self._add_to_integers(members, member, config)
        if len(members) < config.set_max_listpack_entries and len(member) <= config.set_max_listpack_value:
            self.members = listpack_members([*members, member])
        else:
            self.members = {*members, member}
        return True

    def add_all(self, given: Sequence[bytes], config: SetLimits) -> int:
        """Adds members; returns the number of new ones."""
        members = self.members
        if isinstance(members, set) and self._order is None:
            before = len(members)
            members.update(given)
            return len(members) - before
        if isinstance(members, dict | ShortSet) and len(members) < _QUICK * len(given):
            together = dict.fromkeys(members)
            together.update(dict.fromkeys(given))
            if len(together) <= config.set_max_listpack_entries:
                longest = config.set_max_listpack_value
                if max(map(len, given)) <= longest:
                    self.members = listpack_members(together)
                    return len(together) - len(members)
        return sum(self.add(member, config) for member in given)

    def _add_to_integers(self, members: array[int], member: bytes, config: SetLimits) -> bool:
        value = integer_value(member)
        if value is not None:
            place = bisect_left(members, value)
            if place < len(members) and members[place] == value:
                return False
            members.insert(place, value)
            if len(members) > min(config.set_max_intset_entries, _MAX_INTSET):
                self.members = set(map(_text, members))
            return True
        longest = max(len(member), len(_text(members[0])), len(_text(members[-1]))) if members else len(member)
        if len(members) < config.set_max_listpack_entries and longest <= config.set_max_listpack_value:
            self.members = listpack_members([*map(_text, members), member])
        else:
            self.members = {*map(_text, members), member}
        return True

    def remove(self, member: bytes) -> bool:
        """Removes a member; returns whether it was there."""
        members = self.members
        if isinstance(members, set):
            if member not in members:
                return False
            members.remove(member)
            if self._order is not None:
                self._order.discard(member)
            return True
        if isinstance(members, dict):
            if member not in members:
                return False
            del members[member]
            return True
        if isinstance(members, ShortSet):
            return members.discard(member)
        value = integer_value(member)
        place = None if value is None else _find(members, value)
        if place is None:
            return False
        del members[place]
        return True

    # cursors and random picks

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Returns the next cursor and some members, or all members if the set is not in the last form."""
        if not isinstance(self.members, set):
            return 0, list(self)
        return self._ordered().scan(cursor, count)

    def random(self, rng: Random = RANDOM) -> bytes | None:
        """Returns a random member, or None if there is none."""
        members = self.members
        if isinstance(members, set):
            return self._ordered().random(rng)
        if not members:
            return None
        place = int(rng.random() * len(members))
        if isinstance(members, dict):
            return next(islice(members, place, None))
        return _text(members[place]) if isinstance(members, array) else members.at(place)

    def choices(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns ``count`` random members, each picked from all members, of which there must be some."""
        if isinstance(self.members, set) and count * 4 < len(self.members):
            return self._ordered().choices(count, rng)
        return rng.choices(list(self), k=count)

    def sample(self, count: int, rng: Random = RANDOM) -> list[bytes]:
        """Returns up to ``count`` different random members."""
        if isinstance(self.members, set) and count * 4 < len(self.members):
            return self._ordered().sample(count, rng)
        return take_some(list(self), count, rng)

    def pop(self, rng: Random = RANDOM) -> bytes:
        """Removes and returns a random member.  The set must not be empty."""
        members = self.members
        if isinstance(members, set):
            order = self._order
            popped = (self._ordered() if order is None else order).pop(rng)
            assert popped is not None
            members.remove(popped)
            return popped
        place = int(rng.random() * len(members))
        if isinstance(members, dict):
            member = next(islice(members, place, None))
            del members[member]
            return member
        return _text(members.pop(place)) if isinstance(members, array) else members.pop(place)

    def pop_some(self, count: int, config: SetLimits, rng: Random = RANDOM) -> list[bytes]:
        """Removes and returns ``count`` random members.  The set must have more."""
        members = self.members
        if isinstance(members, set) and 4 * count < len(members):
            return [self.pop(rng) for _ in range(count)]
        popped = take_some(list(self), count, rng)
        if isinstance(members, set):
            members.difference_update(popped)
            if self._order is not None:
                self._order.discard_all(popped)
        else:
            for member in popped:
                self.remove(member)
        if len(members) * 5 <= count:
            # Redis moves the few remaining members into a new set, which may have an earlier form.
            left = gathered(self, config, members.__class__)
            if not isinstance(left.members, set):
                self.members = left.members
                self._order = None
        return popped

    @property
    def order(self) -> Order | None:
        """The order of the members, or None if nothing has needed it.  Callers must not change it."""
        return self._order

    def _ordered(self) -> Order:
        if self._order is None:
            self._order = Order(self.members)  # type: ignore[arg-type]  # it is a set
        return self._order


class RestingSet(Set):
    """A set that was not accessed since the last look for sets to pack (``datatypes.packed``)."""

    __slots__ = ()


def listpack_members(members: Collection[bytes]) -> dict[bytes, None] | ShortSet:
    """Returns different ``members`` in the form for a set that Redis would store as a listpack."""
    return ShortSet(members) if _TINY < len(members) <= MOST else dict.fromkeys(members)


def gathered(members: Collection[bytes], config: SetLimits, form: type = array, narrow: bool = False) -> Set:
    """Returns a set of ``members`` in the form that Redis reaches when it starts with ``form``.

    A set that starts as an array stays one as long as possible.  All others start as a dict.  With ``narrow`` the
    result becomes an intset if possible.  A ``set`` passed as ``members`` becomes a part of the result.
    """
    size = len(members)
    if size <= min(config.set_max_intset_entries, _MAX_INTSET):
        if form is array or narrow:
            integers = _integers(members)
            if integers is not None:
                return Set(array("q", sorted(integers)))
    elif form is array and size <= config.set_max_listpack_entries and _integers(members) is not None:
        return Set(set(members))
    if size <= config.set_max_listpack_entries:
        longest = config.set_max_listpack_value
        if all(len(member) <= longest for member in members):
            return Set(listpack_members(members))
    return Set(members if isinstance(members, set) else set(members))


def union(sets: Sequence[Set]) -> Collection[bytes]:
    """Returns the members of the union of ``sets``, which must not be empty."""
    if all(isinstance(one.members, array) for one in sets):
        return [_text(value) for value in sorted({value for one in sets for value in one.members})]
    largest = max(sets, key=len)
    return set(largest).union(*[one for one in sets if one is not largest])


def intersection(sets: Sequence[Set]) -> Collection[bytes]:
    """Returns the members of the intersection of ``sets``, which must not be empty."""
    smallest, *others = sorted(sets, key=len)
    if isinstance(smallest.members, set):
        return smallest.members.intersection(*[one.lookup() for one in others])
    return list(_shared(smallest, others))


def intersection_size(sets: Sequence[Set], limit: int = 0) -> int:
    """Counts the members of the intersection of ``sets``, up to ``limit`` unless that is 0."""
    smallest, *others = sorted(sets, key=len)
    if not others:
        return min(limit, len(smallest)) if limit else len(smallest)
    if not limit or limit * 4 > len(smallest):
        found = len(intersection(sets))
        return min(limit, found) if limit else found
    if IN_ORDER:
        return _count_from_both(smallest, others, limit)
    return len(list(islice(_shared(smallest, others), limit)))


def _count_from_both(smallest: Set, others: Sequence[Set], limit: int) -> int:
    """Counts shared members up to ``limit``, going through two of the sets at once.

    If sets keep their order, the beginning of one set may have nothing in common with the others.  Of two sets that
    overlap like the pages of a log, this is the older one, while the younger one begins with the shared members.
    """
    own, second, *rest = [one.lookup() for one in (smallest, *others)]
    found: set[bytes] = set()
    for mine, other in zip(smallest, others[0], strict=False):
        if mine in second and all(mine in one for one in rest):
            found.add(mine)
        if other in own and all(other in one for one in rest):
            found.add(other)
        if len(found) >= limit:
            return limit
    return len(found)


def _shared(smallest: Set, others: Iterable[Set]) -> Iterator[bytes]:
    shared = iter(smallest)
    for one in others:
        shared = filter(one.lookup().__contains__, shared)
    return shared


def difference(first: Set, others: Sequence[Set]) -> Collection[bytes]:
    """Returns the members of ``first`` that are in none of ``others``."""
    if any(one is first for one in others):
        return []
    if isinstance(first.members, set):
        return first.members.difference(*[one.lookup() for one in others])
    left = iter(first)
    for one in others:
        left = filterfalse(one.lookup().__contains__, left)
    return list(left)


def gathered_difference(first: Set, others: Sequence[Set], config: SetLimits) -> Set:
    """Returns the difference as a set, in the form that Redis chooses."""
    members = difference(first, others)
    tested = len(first) * (len(others) + 1) // 2
    copied = len(first) + sum(map(len, others))
    if tested > copied and isinstance(gathered(first, config).members, set):
        # Redis considers it cheaper to copy the first set and remove the members of the others.
        return Set(set(members))
    return gathered(members, config)


def _integers(members: Iterable[bytes]) -> list[int] | None:
    """The members as integers, or None if one of them is not an integer."""
    values = []
    for member in members:
        value = integer_value(member)
        if value is None:
            return None
        values.append(value)
    return values


_ENCODINGS: dict[type, str] = {array: "intset", dict: "listpack", ShortSet: "listpack", set: "hashtable"}


def _find(members: Sequence[int], value: int) -> int | None:
    place = bisect_left(members, value)
    return place if place < len(members) and members[place] == value else None
