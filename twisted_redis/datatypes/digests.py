"""How Redis makes a digest of data (DEBUG DIGEST), out of SHA-1.

What has an order is *mixed* into a digest: the digest is hashed again each time.  What has none is xored.  A digest is
a number of 160 bits here, big end first.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

__all__ = ["hashed", "mix", "mix_all", "pair_digest"]


def hashed(data: bytes | bytearray) -> int:
    """The SHA-1 of ``data`` as a number."""
    return int.from_bytes(sha1(data).digest(), "big")


def mix(digest: int, data: bytes | bytearray) -> int:
    """Makes ``data``, and its place after everything before it, a part of the digest."""
    mixed = digest ^ int.from_bytes(sha1(data).digest(), "big")
    return int.from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big")


def mix_all(digest: int, items: Iterable[bytes]) -> int:
    """Mixes ``items`` into the digest, one after the other."""
    # Spelled out: this is the loop that long lists spend their time in.
    from_bytes = int.from_bytes
    for item in items:
        mixed = digest ^ from_bytes(sha1(item).digest(), "big")
        digest = from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big")
    return digest


def pair_digest(first: bytes, second: bytes, extra: int = 0) -> int:
    """What a pair of an unordered collection adds to the digest of the collection."""
    return hashed((mix(mix(0, first), second) ^ extra).to_bytes(20, "big"))
