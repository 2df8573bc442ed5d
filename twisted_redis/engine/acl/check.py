"""Checks whether the selectors of a user allow a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.engine.acl.catalogue import Catalogue, channels_of
from twisted_redis.engine.declare.flags import NO_AUTH

if TYPE_CHECKING:
    from twisted_redis.engine.acl.selectors import Selector
    from twisted_redis.engine.acl.users import User
    from twisted_redis.engine.declare.table import Command

__all__ = ["CHANNEL", "COMMAND", "KEY", "Denial", "covers", "denial", "may_read_all"]

# The kinds of refusal.  If selectors refuse for different reasons, the highest one is reported.
COMMAND = 1
KEY = 2
CHANNEL = 3


class Denial(NamedTuple):
    """A refusal: ``reason`` is COMMAND, KEY or CHANNEL; ``place`` is the index of the refused argument."""

    reason: int
    place: int


def covers(catalogue: Catalogue, user: User, command: Command, argv: list[bytes]) -> bool:
    """True if ``user`` may call ``argv``; faster than ``denial``."""
    for selector in user.selectors:
        if command in selector.free or _refused(catalogue, selector, command, argv) is None:
            return True
    return False


def denial(catalogue: Catalogue, user: User, command: Command, argv: list[bytes]) -> Denial | None:
    """Returns the reason why ``user`` may not call ``argv``, a call of ``command``; None if it is allowed."""
    reason, place = COMMAND, 0
    for selector in user.selectors:
        found = _refused(catalogue, selector, command, argv)
        if found is None:
            return None
        # Report the selector that came closest to allowing the request: most likely it is the one that was meant.
        if found > (reason, place):
            reason, place = found
    return Denial(reason, place)


def _refused(catalogue: Catalogue, selector: Selector, command: Command, argv: list[bytes]) -> tuple[int, int] | None:
    if command not in selector.commands and not command.flags & NO_AUTH and not _by_argument(selector, command, argv):
        return COMMAND, 0
    if not selector.all_keys:
        matchers = selector.key_matchers
        for place, access in catalogue.key_places(command, argv):
            key = argv[place]
            for matches in matchers[access]:
                if matches(key):
                    break
            else:
                return KEY, place
    if not selector.all_channels:
        named = channels_of(command, argv)
        if named is not None:
            is_pattern, channels = named
            for place, channel in enumerate(channels, 1):
                if not selector.allows_channel(channel, is_pattern):
                    return CHANNEL, place
    return None


def _by_argument(selector: Selector, command: Command, argv: list[bytes]) -> bool:
    allowed = selector.first_arguments.get(command)
    return allowed is not None and len(argv) > 1 and argv[1].partition(b"\0")[0].lower() in allowed


def may_read_all(catalogue: Catalogue, user: User, command: Command, argv: list[bytes]) -> bool:
    """True if one selector both allows ``argv`` and can read every key (SORT with BY and GET needs that)."""
    return any(
        selector.reads_every_key() and _refused(catalogue, selector, command, argv) is None
        for selector in user.selectors
    )
