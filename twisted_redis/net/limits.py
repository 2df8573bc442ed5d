"""Output limits: ``client-output-buffer-limit``, and the size from which a client is not read any more."""

from __future__ import annotations

from twisted_redis.config import BufferLimit, Config
from twisted_redis.engine.clients import MASTER, REPLICA, SUBSCRIBED, UNAUTHENTICATED, Client

__all__ = [
    "HIGH_WATER",
    "REPORTED_FROM",
    "UNAUTHENTICATED_QUERY",
    "UNAUTHENTICATED_REPLIES",
    "output_floor",
    "over_output_limit",
]

#: A client that leaves more bytes of replies untaken is not read any more.  The number is large because many clients
#: send a whole pipeline before they read the first reply.  With a small one both sides would wait for each other.
HIGH_WATER = 32 * 1024 * 1024
#: The replies that a client may leave untaken before it has logged in, and the requests it may send (bytes).
UNAUTHENTICATED_OUTPUT = 1024
UNAUTHENTICATED_QUERY = 1024 * 1024
#: The replies to one read of such a client (bytes): Redis checks its limit when they overflow the first buffer.
UNAUTHENTICATED_REPLIES = 16 * 1024
#: From this size on (bytes) the transport reports that the peer does not take its output.
REPORTED_FROM = 64 * 1024


def _limit_of(client: Client, config: Config) -> BufferLimit:
    """The output limit for the class of ``client``."""
    limits = config.client_output_buffer_limit
    if client.gates & (REPLICA | MASTER | SUBSCRIBED):
        if client.gates & REPLICA:
            return limits.replica
        if client.gates & SUBSCRIBED:
            return limits.pubsub
    return limits.normal


def output_floor(config: Config) -> int:
    """The lowest of all output limits (bytes); smaller output is within any of them."""
    sizes = [size for limit in config.client_output_buffer_limit for size in (limit.hard, limit.soft) if size]
    return min(sizes, default=1 << 62)


def over_output_limit(
    config: Config, client: Client, pending: int, soft_since: float | None, now: float
) -> tuple[bool, float | None]:
    """Whether ``pending`` bytes are over the hard limit, or have been over the soft limit for too long.

    Also returns since when they have been over the soft limit (monotonic, s), which is the next call's ``soft_since``.
    ``config.client_output_buffer_limit`` has (hard bytes, soft bytes, soft seconds) for each class; 0 means no limit.
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
