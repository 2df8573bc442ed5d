"""HOTKEYS: finds the keys that cost the most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.declare.flags import ADMIN, NOSCRIPT
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.introspect.hotkeys import CPU, NET
from twisted_redis.engine.parse import integer_in, integer_or_none
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted_redis.engine.clients import Client

__all__: list[str] = []

_METRICS = {b"CPU": CPU, b"NET": NET}
_INT_MAX = (1 << 31) - 1

subcommand = (
    CommandGroup("server")
    .container("HOTKEYS", "Commands about the keys that cost the most.", since="8.6.0")
    .with_defaults(flags=ADMIN | NOSCRIPT, arity=2, complexity="O(1)", tips=("request_policy:special",))
)


@subcommand("START", arity=-2)
def start(ctx: Client, *arguments: bytes) -> Reply:
    """HOTKEYS START <METRICS count [CPU] [NET]> [COUNT k] [DURATION seconds] [SAMPLE ratio] [SLOTS count slot [slot ...]]

    Starts to collect the keys that take the most processor time (CPU) or the most bytes on the network (NET).
    """
    hotkeys = ctx.engine.hotkeys
    if hotkeys.is_active:
        raise CommandError("ERR hotkey tracking session already in progress")
    if len(arguments) < 2 or keyword(arguments[0]) != b"METRICS":
        raise CommandError("ERR METRICS parameter is required")
    number = integer_in(arguments[1], 1, len(_METRICS), f"ERR METRICS count must be > 0 and <= {len(_METRICS)}")
    metrics = _metrics(arguments[2 : 2 + number], number)
    count, ratio = 10, 1
    duration: int | None = None
    slots: frozenset[int] | None = None
    rest = arguments[2 + number :]
    while rest:
        option = keyword(rest[0])
        if len(rest) < 2:
            raise SyntaxError_
        value, taken = rest[1], 2
        if option == b"COUNT":
            count = integer_in(value, 1, 64, "ERR COUNT must be between 1 and 64")
        elif option == b"DURATION":
            duration = integer_in(value, 1, 1000000, "ERR DURATION must be between 1 and 1000000") * 1000
        elif option == b"SAMPLE":
            ratio = integer_in(value, 1, _INT_MAX, "ERR SAMPLE ratio must be positive")
        elif option == b"SLOTS":
            if not ctx.engine.cluster.enabled:
                raise CommandError("ERR SLOTS parameter cannot be used in non-cluster mode")
            if slots is not None:
                raise CommandError("ERR SLOTS parameter already specified")
            slots = _slots(ctx, rest[1:])
            taken += len(slots)
        else:
            raise SyntaxError_
        rest = rest[taken:]
    hotkeys.start(metrics, count=count, duration=duration, ratio=ratio, slots=slots)
    return OK


def _metrics(words: Sequence[bytes], number: int) -> frozenset[str]:
    found: set[str] = set()
    for word in map(keyword, words):
        metric = _METRICS.get(word)
        if metric in found:
            raise CommandError(f"ERR METRICS {word.decode()} defined more than once!")
        if metric is not None:
            found.add(metric)
    if len(words) != number:
        raise CommandError("ERR METRICS count does not match number of metric types provided")
    if not found:
        raise CommandError("ERR METRICS no valid metrics passed. Supported: CPU|NET")
    return frozenset(found)


def _slots(ctx: Client, words: Sequence[bytes]) -> frozenset[int]:
    count = integer_in(words[0], 1, SLOTS, f"ERR SLOTS count must be between 1 and {SLOTS}")
    if count >= len(words):
        raise CommandError("ERR not enough slot numbers provided")
    own = set(ctx.engine.cluster.shard_slots())
    found: set[int] = set()
    for word in words[1 : 1 + count]:
        slot = integer_or_none(word)
        if slot is None or not 0 <= slot < SLOTS:
            raise CommandError("ERR Invalid or out of range slot")
        if slot not in own:
            raise CommandError(f"ERR slot {slot} not handled by this node")
        if slot in found:
            raise CommandError("ERR duplicate slot number")
        found.add(slot)
    return frozenset(found)


@subcommand("STOP")
def stop(ctx: Client) -> Reply:
    """HOTKEYS STOP

    Stops to collect keys. What was collected stays until HOTKEYS RESET or the next HOTKEYS START.
    """
    return OK if ctx.engine.hotkeys.stop() else None


@subcommand("GET", tips=("nondeterministic_output", "request_policy:special", "response_policy:special"))
def get(ctx: Client) -> Reply:
    """HOTKEYS GET

    Returns what was collected, or null if nothing was.
    """
    cluster = ctx.engine.cluster
    return ctx.engine.hotkeys.report(lambda: cluster.shard_slots() if cluster.enabled else list(range(SLOTS)))


@subcommand("RESET")
def reset(ctx: Client) -> Reply:
    """HOTKEYS RESET

    Deletes what was collected.
    """
    hotkeys = ctx.engine.hotkeys
    if hotkeys.is_active:
        raise CommandError("ERR hotkey tracking session in progress, stop tracking first")
    hotkeys.reset()
    return OK


declare_help(subcommand, since="8.6.1", tips=())
