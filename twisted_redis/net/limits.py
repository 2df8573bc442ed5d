"""Output limits: ``client-output-buffer-limit`` and when a client stops being read."""

from __future__ import annotations

from typing import Any

from twisted_redis.engine.clients import MASTER, REPLICA, SUBSCRIBED, UNAUTHENTICATED, Client

__all__ = [
    "HIGH_WATER",
    "TOLD_FROM",
    "UNAUTHENTICATED_QUERY",
    "UNAUTHENTICATED_REPLIES",
    "client_class",
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


def client_class(client: Client) -> str:
    """The class of ``client`` for its limits: ``normal``, ``replica`` or ``pubsub``."""
    if client.gates & (REPLICA | MASTER | SUBSCRIBED):
        if client.gates & REPLICA:
            return "replica"
        if client.gates & SUBSCRIBED:
            return "pubsub"
    return "normal"


def output_floor(config: Any) -> int:
    """The lowest of all output limits (bytes): less than that is within any of them."""
    limits = config.client_output_buffer_limit
    named = [size for name in ("normal", "replica", "pubsub") for size in getattr(limits, name)[:2] if size]
    return min(named, default=1 << 62)


def over_output_limit(
    config: Any, client: Client, pending: int, soft_since: float | None, now: float
) -> tuple[bool, float | None]:
    """Whether ``pending`` bytes are over the hard limit, or too long over the soft one; and since when over that.

    ``config.client_output_buffer_limit`` has for each class (hard bytes, soft bytes, soft seconds); 0 is no limit.
    """
    if pending > UNAUTHENTICATED_OUTPUT and client.gates & UNAUTHENTICATED:
        return True, soft_since
    hard, soft, seconds = getattr(config.client_output_buffer_limit, client_class(client))
    if hard and pending >= hard:
        return True, soft_since
    if soft and pending >= soft:
        if soft_since is None:
            return False, now
        return now - soft_since > seconds, soft_since
    return False, None
