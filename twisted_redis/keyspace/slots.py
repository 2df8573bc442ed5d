"""The slots that Redis Cluster shares among its nodes: which one a key belongs to.

The slot is a checksum (CRC16, XMODEM) of the key, or of what stands between the first ``{`` and the next
``}`` if that is not empty, so that keys with the same tag live together.
"""

from __future__ import annotations

from binascii import crc_hqx

SLOTS = 16384


def key_slot(key: bytes) -> int:
    """Returns the slot (0 to 16383) of a key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


def pattern_slot(pattern: bytes) -> int | None:
    """Returns the one slot of all keys that match a glob pattern, None where there may be several.

    A backslash anywhere before the end of the tag counts as several, although it need not be.
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
            tagged = False  # an empty tag is none, and no later one counts
    return crc_hqx(pattern, 0) % SLOTS
