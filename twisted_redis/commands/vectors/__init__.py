"""Commands on vector sets."""

from twisted_redis.commands.vectors import elements, reading, search

__all__ = ["elements", "reading", "search"]
