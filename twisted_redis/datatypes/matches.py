"""Search for an element in a Python list, in both directions, at the speed of ``list.index``."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["backward", "delete_at", "forward"]


def forward(items: list[bytes], element: bytes, place: int, end: int) -> Iterator[int]:
    """Yields the places of ``element`` in ``items[place:end]``, the first one first."""
    index = items.index
    try:
        while True:
            place = index(element, place, end)
            yield place
            place += 1
    except ValueError:
        return


def backward(items: list[bytes], element: bytes, begin: int) -> Iterator[int]:
    """Yields the places of ``element`` in ``items[begin:]``, the last one first.

    A list can only search forward.  So this searches reversed pieces, each longer than the one before.
    """
    end = len(items)
    width = 64
    while end > begin:
        start = max(begin, end - width)
        piece = items[start:end]
        piece.reverse()
        for at in forward(piece, element, 0, len(piece)):
            yield end - 1 - at
        end = start
        width *= 2


def delete_at(items: list[bytes], head: int, places: list[int]) -> None:
    """Removes the elements at ``places``, which are ascending and count from ``head``."""
    if len(places) <= 4:
        for place in reversed(places):
            del items[head + place]
        return
    kept: list[bytes] = []
    begin = head
    for place in places:
        kept += items[begin : head + place]
        begin = head + place + 1
    kept += items[begin:]
    items[head:] = kept
