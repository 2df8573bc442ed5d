"""Dumps of sketches, and what of them must be equal on two servers."""

from __future__ import annotations

from tests.differential.wire import Wire, parse
from twisted_redis.persistence.rdb.numbers import read_length
from twisted_redis.persistence.rdb.own import read_items

#: The place of the heap among the items of a stored Top-K sketch, and the bytes of a pointer in each of its entries.
HEAP, ENTRY, POINTER = 5, 24, slice(8, 16)


def without_pointers(payload: bytes) -> list[object]:
    """The items of a dump of a Top-K sketch without the pointers in its heap."""
    number_end = read_length(payload, 1)[1]
    items = read_items(payload, number_end)[0]
    heap = bytearray(items[HEAP])
    for at in range(0, len(heap), ENTRY):
        heap[at + POINTER.start : at + POINTER.stop] = bytes(8)
        # Four bytes at the end of an entry mean nothing.
        heap[at + 20 : at + 24] = bytes(4)
    # Real Redis stores an item only up to its first zero byte.
    return [*items[:HEAP], bytes(heap), *(item.split(b"\0")[0] for item in items[HEAP + 1 :])]


def contents(wire: Wire) -> dict[bytes, object]:
    """What each key of a server holds, so that two servers can be compared."""
    found: dict[bytes, object] = {}
    for key in parse(wire.call(b"KEYS", b"*")).items:
        dump = parse(wire.call(b"DUMP", key.text)).text
        # The last ten bytes are the version of the format, which the servers may not share, and a checksum.
        is_top_k = wire.call(b"TYPE", key.text) == b"+TopK-TYPE\r\n"
        found[key.text] = without_pointers(dump) if is_top_k else dump[:-10]
    return found
