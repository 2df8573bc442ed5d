"""The limits of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER on picking with repetition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.errors import OutOfRange

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__ = ["check_picks"]

_MOST = 10_000_000


def check_picks(ctx: Client, count: int) -> None:
    """Checks that one call may pick ``count`` elements with repetition, because it builds the whole reply in memory.

    Closes the client if the reply exceeds its output limit.  Raises CommandError if ``count`` is too large.
    """
    ctx.room_for(count)
    if count > _MOST:
        raise OutOfRange
