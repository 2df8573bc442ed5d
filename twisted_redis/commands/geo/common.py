"""Shared by the geo commands: parsing arguments."""

from __future__ import annotations

from twisted_redis.datatypes.geohash import LATITUDE_MAX, LATITUDE_MIN, LONGITUDE_MAX, LONGITUDE_MIN
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import float_number
from twisted_redis.resp.cstrings import c_string

__all__ = ["coordinates", "metres"]

_UNITS = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}


def coordinates(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Parses a position (degrees) and checks that it is within the limits."""
    x, y = float_number(longitude), float_number(latitude)
    if not (LONGITUDE_MIN <= x <= LONGITUDE_MAX and LATITUDE_MIN <= y <= LATITUDE_MAX):
        raise CommandError(f"ERR invalid longitude,latitude pair {x:f},{y:f}")
    return x, y


def metres(unit: bytes) -> float:
    """The length (m) of a unit."""
    length = _UNITS.get(c_string(unit).lower())
    if length is None:
        raise CommandError("ERR unsupported unit provided. please use M, KM, FT, MI")
    return length
