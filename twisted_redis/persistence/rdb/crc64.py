"""The checksum of dumps and files: CRC-64 by Jones, reflected, without initial value.

anycrc computes it where it is installed.  The twin in Python goes byte by byte with one table, which PyPy compiles.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["crc64", "crc64_pure"]

_POLYNOMIAL = 0x95AC9329AC4BC9B5
"""0xAD93D23594C935A9 with its bits reversed."""


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ _POLYNOMIAL if byte & 1 else byte >> 1
    return byte


_TABLE = [_entry(byte) for byte in range(256)]


def crc64_pure(data: bytes, crc: int = 0) -> int:
    """The checksum of what ``crc`` is the checksum of, and ``data`` behind it."""
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def _accelerated() -> Callable[[bytes, int], int] | None:
    try:
        import anycrc
    except ImportError:
        return None
    calc = anycrc.Model("CRC64-REDIS").calc

    def crc64_accelerated(data: bytes, crc: int = 0) -> int:
        """As ``crc64_pure``."""
        checksum: int = calc(data, crc)
        return checksum

    return crc64_accelerated


#: As ``crc64_pure``, by the fastest means there is.
crc64: Callable[..., int] = _accelerated() or crc64_pure
