"""Bitmaps: strings as arrays of bits, and of small integers."""

from twisted_redis.commands.bitmaps import bits, fields

__all__ = ["bits", "fields"]
