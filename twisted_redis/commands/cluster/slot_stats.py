"""CLUSTER SLOT-STATS: figures about each slot of this shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import cluster_of, show, slot_number
from twisted_redis.engine.declare.flags import LOADING, STALE
from twisted_redis.engine.errors import CommandError, SyntaxError_, WrongSubcommand
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.introspect.slot_meter import SlotMeter
    from twisted_redis.engine.ports.cluster import Cluster

__all__: list[str] = []


@show(
    "SLOT-STATS",
    arity=-4,
    flags=LOADING | STALE,
    since="8.2.0",
    complexity="O(N) for N slots of the shard, or O(N*log(N)) with ORDERBY",
    tips=("nondeterministic_output", "request_policy:all_shards"),
)
def slot_stats(ctx: Client, filter_: bytes, *arguments: bytes) -> Reply:
    """CLUSTER SLOT-STATS <SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]>

    Returns the number of keys in each slot of this shard, and the other figures that cluster-slot-stats-enabled chooses.
    """
    cluster = cluster_of(ctx)
    meter = ctx.engine.slot_meter
    word = keyword(filter_)
    if word == b"SLOTSRANGE" and len(arguments) == 2:
        first, last = slot_number(arguments[0]), slot_number(arguments[1])
        if first > last:
            raise CommandError(f"ERR Start slot number {first} is greater than end slot number {last}")
        return _figures(meter, (slot for slot in cluster.shard_slots() if first <= slot <= last))
    if word == b"ORDERBY":
        return _figures(meter, _in_order(cluster, meter, arguments[0], arguments[1:]))
    raise WrongSubcommand


def _in_order(cluster: Cluster, meter: SlotMeter, name: bytes, options: Sequence[bytes]) -> list[int]:
    metric = keyword(name).lower()
    if metric not in meter.metrics:
        raise CommandError("ERR Unrecognized sort metric for ORDERBY.")
    limit, is_descending = _options(options)
    values = [(meter.value(slot, metric), slot) for slot in cluster.shard_slots()]
    # The sort is stable, so equal slots stay in ascending order either way.
    values.sort(key=lambda value: -value[0] if is_descending else value[0])
    return [slot for _, slot in values[:limit]]


def _options(words: Sequence[bytes]) -> tuple[int, bool]:
    """Returns the limit, and whether the order is descending."""
    limit: int | None = None
    order: bytes | None = None
    rest = iter(words)
    for each in rest:
        word = keyword(each)
        if word == b"LIMIT" and (text := next(rest, None)) is not None:
            is_second = limit is not None
            limit = integer_or_none(text)
            if limit is None or not 1 <= limit <= SLOTS:
                raise CommandError(f"ERR Limit has to lie in between 1 and {SLOTS} (maximum number of slots).")
        elif word in (b"ASC", b"DESC"):
            is_second = order is not None
            order = word
        else:
            raise SyntaxError_
        if is_second:
            raise CommandError("ERR Multiple filters of the same type are disallowed.")
    return SLOTS if limit is None else limit, order != b"ASC"


def _figures(meter: SlotMeter, slots: Iterable[int]) -> Reply:
    metrics = meter.metrics
    return [[slot, {metric: meter.value(slot, metric) for metric in metrics}] for slot in slots]
