"""XXH3, the hash of xxHash with 64 and with 128 bits: DIGEST and the idempotent XADD use it.

The package xxhash computes it if it is installed, and ``xxh3_pure.py`` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.datatypes import xxh3_pure

__all__ = ["xxh3_64", "xxh3_128"]


def _functions() -> tuple[Callable[[bytes], int], Callable[[bytes], int]]:
    try:
        import xxhash
    except ImportError:
        return xxh3_pure.xxh3_64, xxh3_pure.xxh3_128
    return xxhash.xxh3_64_intdigest, xxhash.xxh3_128_intdigest


#: Returns the hash of bytes as a number with 64 or with 128 bits. There is no seed.
xxh3_64, xxh3_128 = _functions()
