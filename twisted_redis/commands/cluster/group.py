"""The common parts of the commands of a cluster: declarations, and reading slots and ids of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.flags import ADMIN, NO_ASYNC_LOADING, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.cstrings import c_string

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.ports.cluster import Cluster

__all__ = ["change", "cluster_of", "command", "node_name", "pairs", "show", "slot_number", "slot_range", "slot_set"]

command = CommandGroup("cluster", since="3.0.0", complexity="O(1)")
subcommand = command.container("CLUSTER", "A container for commands on the cluster of servers.", since="3.0.0")
#: Declares a subcommand that shows something, or that changes something.
show = subcommand.with_defaults(arity=2, flags=STALE)
change = subcommand.with_defaults(arity=2, flags=ADMIN | STALE | NO_ASYNC_LOADING)


def cluster_of(ctx: Client) -> Cluster:
    """Returns the cluster of this server; raises CommandError without cluster mode."""
    cluster = ctx.engine.cluster
    if not cluster.enabled:
        raise CommandError("ERR This instance has cluster support disabled")
    return cluster


def slot_number(text: bytes) -> int:
    """Parses a slot."""
    slot = integer_or_none(text)
    if slot is None or not 0 <= slot < SLOTS:
        raise CommandError("ERR Invalid or out of range slot")
    return slot


def slot_range(first: bytes, last: bytes) -> range:
    """Parses the two ends of a range of slots."""
    start, end = slot_number(first), slot_number(last)
    if start > end:
        raise CommandError(f"ERR start slot number {start} is greater than end slot number {end}")
    return range(start, end + 1)


def slot_set(words: Sequence[bytes]) -> int:
    """Parses ranges, each by its two ends and in any order; returns their slots as a set of bits."""
    bounds = [slot_number(word) for word in words]
    slots = 0
    for first, last in sorted(zip(bounds[::2], bounds[1::2], strict=True)):
        if first > last:
            raise CommandError(f"ERR start slot number {first} is greater than end slot number {last}")
        wanted = (1 << last + 1) - (1 << first)
        twice = slots & wanted
        if twice:
            raise CommandError(f"ERR Slot {(twice & -twice).bit_length() - 1} specified multiple times")
        slots |= wanted
    return slots


def node_name(text: bytes) -> str:
    """Returns the id of a node as text, in a form that an error can show."""
    return c_string(text).replace(b"\r", b" ").replace(b"\n", b" ").decode("utf-8", "surrogateescape")


def pairs(words: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Returns the words two by two."""
    return list(zip(words[::2], words[1::2], strict=True))
