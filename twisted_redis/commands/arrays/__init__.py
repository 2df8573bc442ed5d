"""Arrays: single elements and ranges, the cursor for appending, and search."""

from twisted_redis.commands.arrays import cursor, elements, ranges, search

__all__ = ["cursor", "elements", "ranges", "search"]
