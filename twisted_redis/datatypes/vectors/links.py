"""Links between the vectors of one layer of a graph (see ``graph.py``)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

__all__ = ["Links", "links_of_all", "links_of_pairs"]


class Links:
    """The links of some members, which are numbered from 0. Each link is there in both directions, and only once."""

    __slots__ = ("_starts", "_targets")

    def __init__(self, starts: Sequence[int], targets: Sequence[int]) -> None:
        #: The place in ``targets`` where the links of each member begin, and the end.
        self._starts = starts
        self._targets = targets

    def __getitem__(self, member: int) -> list[int]:
        """Returns the members that one is linked with."""
        return list(self._targets[self._starts[member] : self._starts[member + 1]])


def links_of_all(count: int) -> Links:
    """Links every one of ``count`` members with every other."""
    targets = array("I", (other for member in range(count) for other in range(count) if other != member))
    return Links(range(0, count * count, count - 1) if count > 1 else (0,) * (count + 1), targets)


def links_of_pairs(count: int, pairs: Iterable[tuple[int, int]]) -> Links:
    """Links the members of each pair; a pair may come several times, in both orders."""
    targets: list[set[int]] = [set() for _ in range(count)]
    for first, second in pairs:
        targets[first].add(second)
        targets[second].add(first)
    starts, flat = array("I", (0,)), array("I")
    for each in targets:
        flat.extend(sorted(each))
        starts.append(len(flat))
    return Links(starts, flat)
