"""Geo: sorted sets whose scores are positions on the earth."""

from twisted_redis.commands.geo import members, searches

__all__ = ["members", "searches"]
