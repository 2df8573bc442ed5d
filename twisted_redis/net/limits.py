"""Output limits: ``client-output-buffer-limit`` and when a client stops being read."""

from __future__ import annotations

from twisted_redis.config import BufferLimit, Config
from twisted_redis.engine.clients import MASTER, REPLICA, SUBSCRIBED, UNAUTHENTICATED, Client

__all__ = [
    "HIGH_WATER",
    "TOLD_FROM",
    "UNAUTHENTICATED_QUERY",
    "UNAUTHENTICATED_REPLIES",
    "output_floor",
    "over_output_limit",
]

#: With this many bytes of replies untaken a client is no longer read.  It is as large as it is because many clients
#: send a whole pipeline before they read the first reply: a small mark would let both sides wait for each other.
HIGH_WATER = 32 * 1024 * 1024
#: What a client that has not logged in yet may leave untaken, and the requests that may be held for it (bytes).
UNAUTHENTICATED_OUTPUT = 1024
UNAUTHENTICATED_QUERY = 1024 * 1024
#: The replies that one read of such a client may make: Redis checks the limit when they leave its first buffer (bytes).
UNAUTHENTICATED_REPLIES = 16 * 1024
#: From this size on the transport tells that the peer does not take its output.
TOLD_FROM = 64 * 1024


def _limit_of(client: Client, config: Config) -> BufferLimit:
    """The limit for the class of ``client``."""
    limits = config.client_output_buffer_limit
    if client.gates & (REPLICA | MASTER | SUBSCRIBED):
        if client.gates & REPLICA:
            return limits.replica
        if client.gates & SUBSCRIBED:
            return limits.pubsub
    return limits.normal


def output_floor(config: Config) -> int:
    """The lowest of all output limits (bytes): less than that is within any of them."""
    sizes = [size for limit in config.client_output_buffer_limit for size in (limit.hard, limit.soft) if size]
    return min(sizes, default=1 << 62)


def over_output_limit(
    config: Config, client: Client, pending: int, soft_since: float | None, now: float
) -> tuple[bool, float | None]:
    """Whether ``pending`` bytes are over the hard limit, or too long over the soft one; and since when over that.

    ``config.client_output_buffer_limit`` has for each class (hard bytes, soft bytes, soft seconds); 0 is no limit.
    """
    if pending > UNAUTHENTICATED_OUTPUT and client.gates & UNAUTHENTICATED:
        return True, soft_since
    hard, soft, seconds = _limit_of(client, config)
    if hard and pending >= hard:
        return True, soft_since
    if soft and pending >= soft:
        if soft_since is None:
            return False, now
        return now - soft_since > seconds, soft_since
    return False, None
