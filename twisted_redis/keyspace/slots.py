"""The hash slot of a key in Redis Cluster.

The slot is a checksum (CRC16, XMODEM) of the key.  If the key has a hash tag, which is a text between the first ``{``
and the next ``}`` that is not empty, the slot is the checksum of that text.  So keys with the same tag share a slot.

    >>> key_slot(b"user:{7}:name") == key_slot(b"{7}") == key_slot(b"7")
    True
"""

from __future__ import annotations

from binascii import crc_hqx

SLOTS = 16384


def key_slot(key: bytes) -> int:
    """Returns the slot (0 to 16383) of a key."""
    if 0x7B in key:  # {, as a number, which is found in a quarter of the time
        tag, end, _ = key.partition(b"{")[2].partition(b"}")
        if tag and end:
            key = tag
    return crc_hqx(key, 0) & (SLOTS - 1)


def pattern_slot(pattern: bytes) -> int | None:
    """Returns the slot of all keys that match a glob pattern, or None if there may be several slots.

    A pattern with a backslash before the end of its tag counts as one with several slots, although it may have one.
    """
    tag_start: int | None = None
    tagged = True
    for place, byte in enumerate(pattern):
        if byte in b"*?[\\":
            return None
        if tagged and tag_start is None and byte == 0x7B:  # {
            tag_start = place
        elif tagged and tag_start is not None and byte == 0x7D:  # }
            if place > tag_start + 1:
                return crc_hqx(pattern[tag_start + 1 : place], 0) % SLOTS
            tagged = False  # an empty tag is no tag, and a later one does not count
    return crc_hqx(pattern, 0) % SLOTS
