"""How many nodes Redis' radix tree has over the same nodes of a stream: a figure that XINFO STREAM shows.

The tree's keys are the 16 bytes of each node's first ID.  It has a node where keys part, one for each stretch
of bytes without a fork, and one at the end of each key; an empty tree has its root.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["EMPTY_TREE", "tree_nodes_of"]

#: Nodes of a tree without keys.
EMPTY_TREE = 1

_BYTES = 16


def _common(left: int, right: int) -> int:
    """How many leading bytes two different keys share."""
    return (128 - (left ^ right).bit_length()) >> 3


def tree_nodes_of(keys: Sequence[int], place: int) -> int:
    """How many nodes the tree over the sorted ``keys`` has for the one at ``place`` alone; O(log n)."""
    count = len(keys)
    if count == 1:
        return 1
    key = keys[place]
    depth = 0  # where the key leaves the path of the others
    if place:
        depth = _common(keys[place - 1], key)
    if place + 1 < count:
        depth = max(depth, _common(key, keys[place + 1]))

    own = 1 + (depth + 1 < _BYTES)
    # The other keys below the place where this one leaves.
    shift = 128 - 8 * depth
    prefix = key >> shift
    low = bisect_left(keys, prefix << shift)
    high = bisect_left(keys, (prefix + 1) << shift)
    first = keys[low] if low != place else keys[low + 1]
    last = keys[high - 1] if high - 1 != place else keys[high - 2]
    if first == last:
        end = _BYTES
    else:
        end = _common(first, last)
        if end == depth:
            return own  # they part there anyway
    # Without the key a stretch runs from the fork above to the end; with it, a fork divides that stretch.
    above = -1
    if low:
        above = _common(keys[low - 1], first)
    if high < count:
        above = max(above, _common(last, keys[high]))
    begin = above + 1
    return own + (depth > begin) + 1 + (end > depth + 1) - (end > begin)
