"""Arrays: single elements and ranges, and the cursor for appending."""

from twisted_redis.commands.arrays import cursor, elements, ranges

__all__ = ["cursor", "elements", "ranges"]
