"""Merges the samples of several series in the order of their times.

The order of samples with equal times matters, since sums of floating-point numbers depend on it.  It is that of Redis'
heap, which takes the later of two equal entries.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["merged"]

#: The next sample of a series, and the series.
_Entry = tuple[int, float, Iterator[tuple[int, float]]]


def merged(series: list[Iterator[tuple[int, float]]]) -> Iterator[tuple[int, float]]:
    """Yields the samples of all series in ascending order."""
    heap: list[_Entry] = []
    for samples in series:
        _push_next(heap, samples)
    while heap:
        time, value, samples = heap[0]
        last = heap.pop()
        if heap:
            heap[0] = last
            _sink(heap)
        yield time, value
        _push_next(heap, samples)


def _push_next(heap: list[_Entry], samples: Iterator[tuple[int, float]]) -> None:
    following = next(samples, None)
    if following is None:
        return
    heap.append((*following, samples))
    place = len(heap) - 1
    while place:
        parent = (place - 1) // 2
        if heap[place][0] >= heap[parent][0]:
            return
        heap[place], heap[parent] = heap[parent], heap[place]
        place = parent


def _sink(heap: list[_Entry]) -> None:
    """Moves the first entry down to its place."""
    place = 0
    count = len(heap)
    while True:
        left = 2 * place + 1
        right = left + 1
        if left >= count:
            return
        child = left
        if right < count and heap[left][0] >= heap[right][0]:
            child = right
        if heap[place][0] < heap[child][0]:
            return
        heap[place], heap[child] = heap[child], heap[place]
        place = child
