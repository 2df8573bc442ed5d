"""The number of nodes in Redis' radix tree over the nodes of a stream, which XINFO STREAM shows.

The keys of the tree are the 16 bytes of the first ID of each node.  The tree has a node where keys fork, one for each
run of bytes without a fork, and one at the end of each key.  An empty tree has its root.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["EMPTY_TREE", "tree_nodes_of"]

#: The number of nodes of a tree without keys.
EMPTY_TREE = 1

_BYTES = 16


def _common(left: int, right: int) -> int:
    """The number of leading bytes that two different keys share."""
    return (128 - (left ^ right).bit_length()) >> 3


def tree_nodes_of(keys: Sequence[int], place: int) -> int:
    """The number of nodes that the tree over the sorted ``keys`` has only for the key at ``place``.  O(log N)."""
    count = len(keys)
    if count == 1:
        return 1
    key = keys[place]
    depth = 0  # where the path of this key leaves that of the others
    if place:
        depth = _common(keys[place - 1], key)
    if place + 1 < count:
        depth = max(depth, _common(key, keys[place + 1]))

    own = 1 + (depth + 1 < _BYTES)
    # The other keys below that place.
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
            return own  # they fork there anyway
    # Without the key a run of bytes goes from the fork above to the end.  With it, a fork divides that run.
    above = -1
    if low:
        above = _common(keys[low - 1], first)
    if high < count:
        above = max(above, _common(last, keys[high]))
    begin = above + 1
    return own + (depth > begin) + 1 + (end > depth + 1) - (end > begin)
