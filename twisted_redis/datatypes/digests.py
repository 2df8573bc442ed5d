"""Redis' digests of data (DEBUG DIGEST), made with SHA-1.

Ordered items are *mixed* into a digest, which is hashed again for each of them.  Unordered items are combined with xor.
A digest is a 160-bit number here, in big-endian order.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

__all__ = ["hashed", "mix", "mix_all", "pair_digest"]


def hashed(data: bytes | bytearray) -> int:
    """Returns the SHA-1 of ``data`` as a number."""
    return int.from_bytes(sha1(data).digest(), "big")


def mix(digest: int, data: bytes | bytearray) -> int:
    """Returns the digest with ``data`` added behind everything that was added before."""
    mixed = digest ^ int.from_bytes(sha1(data).digest(), "big")
    return int.from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big")


def mix_all(digest: int, items: Iterable[bytes]) -> int:
    """Mixes ``items`` into the digest, one after another."""
    # ``mix`` spelled out: a long list spends its time in this loop.
    from_bytes = int.from_bytes
    for item in items:
        mixed = digest ^ from_bytes(sha1(item).digest(), "big")
        digest = from_bytes(sha1(mixed.to_bytes(20, "big")).digest(), "big")
    return digest


def pair_digest(first: bytes, second: bytes, extra: int = 0) -> int:
    """Returns the number to xor into the digest of an unordered collection for one of its pairs."""
    return hashed((mix(mix(0, first), second) ^ extra).to_bytes(20, "big"))
