"""Allocates the counters of a server anew.

A counter that changed last while a collection was filled stands between its elements, and keeps the memory around it.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

__all__ = ["renew_counters"]

_CLIENTS = 16
"""Clients whose counters are allocated anew; with more of them there is always one whose counters have just changed."""

_OF_LINKS: Final = ("bytes_in", "bytes_out", "reads", "writes")
_OF_LOOPS: Final = ("turns", "idle_turns", "nanoseconds", "longest", "most_calls")


def renew_counters(engine: Any) -> None:
    """Allocates the counters of ``engine`` (an ``Engine``) anew, those of its first clients included.

    Takes less than a millisecond.
    """
    for command in engine.stats.commands():
        if command.calls:
            command.renew()
    engine.eviction.last_use.renew()
    _renew(engine.effects, "dirty")
    _renew(engine.state, "hits", "misses")
    _renew(engine.loop, *_OF_LOOPS)
    for client in islice(engine.clients.values(), _CLIENTS):
        _renew(client, "commands")
        _renew(client.link.figures, *_OF_LINKS)


def _renew(thing: Any, *names: str) -> None:
    for name in names:
        # The sum is a new object, but for the integers that are always there.
        setattr(thing, name, getattr(thing, name) + 0)
