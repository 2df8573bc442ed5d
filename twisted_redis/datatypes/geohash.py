"""Positions on the earth as numbers of 52 bits, and the distances between them.

A position is a cell of a grid that halves longitudes and latitudes 26 times.  The bits of its two numbers alternate, so
positions with the same first bits are in the same box of the grid.  The number is the score of a member in a sorted
set.  The arithmetic is that of Redis, operation by operation: scores, positions and distances are the same to the last
bit.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import asin, cos, isnan, nan, pi, sin, sqrt
from struct import Struct
from sys import byteorder

__all__ = [
    "EARTH_RADIUS",
    "LATITUDE_MAX",
    "LATITUDE_MIN",
    "LONGITUDE_MAX",
    "LONGITUDE_MIN",
    "STEPS",
    "decode",
    "deinterleave",
    "deinterleave_all",
    "distance",
    "distance_text",
    "encode",
    "hash_text",
    "interleave",
    "latitude_distance",
]

LONGITUDE_MIN, LONGITUDE_MAX = -180.0, 180.0
LATITUDE_MIN, LATITUDE_MAX = -85.05112878, 85.05112878
"""The greatest latitude on web maps, whose Mercator projection is cut to a square (degrees)."""

STEPS = 26
"""The number of times that each of the two ranges is halved."""

EARTH_RADIUS = 6372797.560856
"""The quadratic mean of the earth's radius (m)."""

RADIANS = pi / 180.0
"""Radians in a degree.  ``math.radians`` may round differently."""

CELLS = 1 << STEPS
LATITUDE_RANGE = LATITUDE_MAX - LATITUDE_MIN
#: The height of a cell, and half its width (degrees).  Scaling by a power of two is exact.
LATITUDE_CELL = LATITUDE_RANGE / CELLS
HALF_LONGITUDE_CELL = 360.0 / CELLS / 2

_HALF = 13
#: 13 bits with a zero before each.  There is one extra number, because the upper end of a range is 1 << 26.
_SPREAD_OF_7 = [int(f"{number:b}", 4) for number in range(1 << 7)]
_SPREAD = [high << 14 | low for high in _SPREAD_OF_7 for low in _SPREAD_OF_7][: (1 << _HALF) + 1]


def _every_other_bit() -> bytes:
    """A table of the bits 0, 2, 4... of each number of 16 bits."""
    low = bytes(int(f"{number:08b}"[1::2], 2) for number in range(256))
    row, ones = int.from_bytes(low, "little"), int.from_bytes(b"\1" * 256, "little")
    return b"".join((row | (high << 4) * ones).to_bytes(256, "little") for high in low)


#: The even and the odd bits of each number of 16 bits.
_EVEN = _every_other_bit()
_odd = bytearray(1 << 16)
_odd[::2] = _odd[1::2] = _EVEN[: 1 << 15]
_ODD = bytes(_odd)

_pack = Struct(">Q").pack
_unpack = Struct(">4H").unpack

LANES = 1024
"""The number of values that ``deinterleave_all`` takes at once."""

_ONES = int.from_bytes(b"\1\0\0\0\0\0\0\0" * LANES, "little")
_EVEN_BITS = 0x5555555555555555 * _ONES
_CLOSED_UP = [
    (1, 0x3333333333333333 * _ONES),
    (2, 0x0F0F0F0F0F0F0F0F * _ONES),
    (4, 0x00FF00FF00FF00FF * _ONES),
    (8, 0x0000FFFF0000FFFF * _ONES),
    (16, 0x00000000FFFFFFFF * _ONES),
]
"""For each step that closes gaps between bits: the distance that they move, and their places after it."""

_ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"


def interleave(latitude: int, longitude: int) -> int:
    """Interleaves the bits of two numbers up to 2**26.  The lowest bit is that of ``latitude``."""
    spread = _SPREAD
    return (
        spread[latitude & 8191]
        | spread[latitude >> _HALF] << 26
        | (spread[longitude & 8191] | spread[longitude >> _HALF] << 26) << 1
    )


def deinterleave(bits: int) -> tuple[int, int]:
    """The two numbers (latitude, longitude) of 32 bits each whose bits are interleaved in ``bits``."""
    high, upper, lower, low = _unpack(_pack(bits))
    return (
        _EVEN[low] | _EVEN[lower] << 8 | _EVEN[upper] << 16 | _EVEN[high] << 24,
        _ODD[low] | _ODD[lower] << 8 | _ODD[upper] << 16 | _ODD[high] << 24,
    )


def deinterleave_all(numbers: Iterable[int]) -> tuple[array[int], array[int]]:
    """``deinterleave`` for up to ``LANES`` numbers: an array of latitudes and one of longitudes.

    The numbers are put side by side into one large integer, so that each step is one operation for all of them.
    """
    lanes = array("Q", numbers)
    size = 8 * len(lanes)
    even = int.from_bytes(lanes.tobytes(), byteorder)
    odd = even >> 1 & _EVEN_BITS
    even &= _EVEN_BITS
    for shift, places in _CLOSED_UP:
        even = (even | even >> shift) & places
        odd = (odd | odd >> shift) & places
    return array("Q", even.to_bytes(size, byteorder)), array("Q", odd.to_bytes(size, byteorder))


def encode(longitude: float, latitude: float, steps: int = STEPS) -> int:
    """The box of a grid halved ``steps`` times that contains a position (degrees, within the limits).

    The upper limits themselves are outside the grid, in a row or column of their own, as in Redis.
    """
    cells = 1 << steps
    return interleave(
        int((latitude - LATITUDE_MIN) / LATITUDE_RANGE * cells), int((longitude - LONGITUDE_MIN) / 360.0 * cells)
    )


def bits_of(score: float) -> int:
    """A score as an unsigned integer of 64 bits, for any score that a sorted set can have.

    Geo commands accept every sorted set.  Where C leaves the conversion undefined, the result is that of x86-64.
    """
    if 0 <= score < 2.0**64:
        return int(score)
    if -(2.0**63) <= score < 0:
        return int(score) & (2**64 - 1)
    return 0 if score > 0 else 1 << 63


def decode(score: float) -> tuple[float, float]:
    """The longitude and latitude (degrees) of the centre of the cell that a score stands for."""
    latitude, longitude = deinterleave(bits_of(score))
    # Both borders of the cell are rounded before their mean is taken.  The longitudes are exact.
    north = (LATITUDE_MIN + latitude * LATITUDE_CELL + (LATITUDE_MIN + (latitude + 1) * LATITUDE_CELL)) / 2
    east = (2 * longitude + 1) * HALF_LONGITUDE_CELL - 180.0
    # Above the limit: either the limit itself, or not a geohash.
    if north > LATITUDE_MAX:
        north = LATITUDE_MAX
    if east > LONGITUDE_MAX:
        east = LONGITUDE_MAX
    return east, north


def hash_text(score: float) -> bytes:
    """The standard geohash: eleven characters, of which the last is always 0 because there are too few bits."""
    longitude, latitude = decode(score)
    # The standard divides latitudes from pole to pole.
    bits = interleave(int((latitude + 90.0) / 180.0 * CELLS), int((longitude + 180.0) / 360.0 * CELLS))
    return bytes(_ALPHABET[bits >> shift & 31] for shift in range(47, 1, -5)) + b"0"


def latitude_distance(latitude1: float, latitude2: float) -> float:
    """The distance (m) between two latitudes (degrees) along a meridian."""
    return EARTH_RADIUS * abs(latitude2 * RADIANS - latitude1 * RADIANS)


def distance(longitude1: float, latitude1: float, longitude2: float, latitude2: float) -> float:
    """The distance (m) between two positions (degrees) on the globe, by the haversine formula."""
    v = sin((longitude2 * RADIANS - longitude1 * RADIANS) / 2)
    if v == 0.0:
        return latitude_distance(latitude1, latitude2)
    start, end = latitude1 * RADIANS, latitude2 * RADIANS
    u = sin((end - start) / 2)
    return arc(u * u + cos(start) * cos(end) * v * v)


def arc(haversine: float) -> float:
    """The length (m) of the arc with this haversine."""
    root = sqrt(haversine)
    # Rounding may raise the haversine of opposite points above 1, where asin in C returns nan.
    return 2.0 * EARTH_RADIUS * asin(root) if root <= 1.0 else nan


def distance_text(length: float) -> bytes:
    """A distance with four decimals."""
    units = -(2**63) if isnan(length) else round(length * 10000)
    return b"%b%d.%04d" % (b"-" if units < 0 else b"", *divmod(abs(units), 10000))
