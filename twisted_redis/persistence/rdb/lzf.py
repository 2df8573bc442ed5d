"""LZF, the compression of long strings.

python-lzf, the extra ``lzf``, does it where it is installed.  Without it strings are read by the twin in Python and
written as they are, since compressing in Python would cost more than the bytes are worth.

A compressed string is a chain of runs of up to 32 bytes and of references: so many bytes, from so far back in what has
been decompressed.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_redis.persistence.rdb.errors import CorruptData

__all__ = ["compress", "decompress", "decompress_pure"]

_MOST = 88
"""No byte stands for more than this many: a reference of three bytes gives up to 264."""


def decompress_pure(data: bytes, size: int) -> bytes:
    """What ``data`` was before, which is of ``size`` bytes."""
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
                # It refers to what it is going to write: a pattern that repeats.
                pattern = out[start:]
                out += (pattern * (length // back + 1))[:length]
            if len(out) > size:
                break
    except IndexError:
        raise CorruptData("a compressed string ends too early") from None
    if pos != end or len(out) != size:
        raise CorruptData(f"a compressed string of {size} bytes comes out as {len(out)}")
    return bytes(out)


def _load() -> tuple[Callable[[bytes, int], bytes], Callable[[bytes], bytes | None] | None]:
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

    def compress_accelerated(text: bytes) -> bytes | None:
        packed: bytes | None = lzf.compress(text, len(text) - 4)
        return packed

    # Its table takes half a MiB of the stack, and a stack that cannot grow ends the process.  So it grows now, while
    # there is memory.
    compress_accelerated(bytes(1024))
    return decompress_accelerated, compress_accelerated


_decompress, compress = _load()
"""``compress``: a string, of more than 4 bytes, in less bytes, or None where that would not save 4 of them.

None in place of the function where compressing is not to be had.
"""


def decompress(data: bytes, size: int) -> bytes:
    """As ``decompress_pure``, by the fastest means there is."""
    if not 0 < size <= _MOST * len(data):
        # Told apart here, so that nobody allocates for a size that cannot be.
        raise CorruptData(f"{len(data)} bytes cannot be a compressed string of {size}")
    return _decompress(data, size)
