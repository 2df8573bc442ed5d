"""Streams: entries, reading, and consumer groups."""

from twisted_redis.commands.streams import (
    claims,
    consumers,
    entries,
    groups,
    idempotence,
    info,
    nacks,
    reading,
    removal,
)

__all__ = ["claims", "consumers", "entries", "groups", "idempotence", "info", "nacks", "reading", "removal"]
