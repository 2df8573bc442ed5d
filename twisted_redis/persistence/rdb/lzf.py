"""LZF, the compression of long strings.

python-lzf, the extra ``lzf``, does the work if it is installed.  Without it, a decompressor in Python reads strings,
and strings are written uncompressed, because compression in Python would cost too much time.

A compressed string is a chain of runs of up to 32 bytes and of references.  A reference gives a number of bytes, and
the distance to them in the decompressed bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.persistence.rdb.errors import CorruptData

__all__ = ["compress", "decompress", "decompress_pure"]

_MOST = 88
"""The maximum number of decompressed bytes per compressed byte: a reference of three bytes gives up to 264."""


def decompress_pure(data: bytes, size: int) -> bytes:
    """Returns the ``size`` bytes that were compressed to ``data``."""
    out = bytearray()
    pos, end = 0, len(data)
    try:
        while pos < end:
            first = data[pos]
            pos += 1
            if first < 32:
                stop = pos + first + 1
                out += data[pos:stop]
                pos = stop
                continue
            length = first >> 5
            if length == 7:
                length += data[pos]
                pos += 1
            length += 2
            back = ((first & 0x1F) << 8) + data[pos] + 1
            pos += 1
            start = len(out) - back
            if start < 0:
                raise CorruptData("a reference to before the beginning in a compressed string")
            if length <= back:
                out += out[start : start + length]
            else:
                # The reference reaches into the bytes that it writes: a pattern that repeats.
                pattern = out[start:]
                out += (pattern * (length // back + 1))[:length]
            if len(out) > size:
                break
    except IndexError:
        raise CorruptData("a compressed string ends too early") from None
    if pos != end or len(out) != size:
        raise CorruptData(f"a compressed string of {size} bytes comes out as {len(out)}")
    return bytes(out)


def _load() -> tuple[Callable[[bytes, int], bytes], Callable[[bytes, int], bytes | None] | None]:
    try:
        import lzf
    except ImportError:
        return decompress_pure, None

    def decompress_accelerated(data: bytes, size: int) -> bytes:
        try:
            text = lzf.decompress(data, size)
        except (ValueError, MemoryError):
            text = None
        if text is None or len(text) != size:
            raise CorruptData("a compressed string is broken")
        return bytes(text)

    # The table of python-lzf takes half a MiB of the stack, and a stack that cannot grow ends the process.  This call
    # makes the stack grow now, while there is memory.
    lzf.compress(bytes(1024), 1020)
    return decompress_accelerated, lzf.compress


_decompress, compress = _load()
"""Takes a string and a number of bytes; returns the compressed string, None if it has more bytes than that.

``compress`` is None if no compression is available.
"""


def decompress(data: bytes, size: int) -> bytes:
    """The fastest available version of ``decompress_pure``."""
    if not 0 < size <= _MOST * len(data):
        # An impossible size is refused here, before memory is allocated for it.
        raise CorruptData(f"{len(data)} bytes cannot be a compressed string of {size}")
    return _decompress(data, size)
