"""OBJECT: how the values of keys are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.datatypes.table import encoding_of
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.declare.keyspecs import RO, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_KEYS = key_at(2, RO)

subcommand = (
    CommandGroup("generic")
    .container("OBJECT", "A container for commands on the values of keys.", since="2.2.3")
    .with_defaults(flags=READONLY, complexity="O(1)")
)


def _peek(ctx: Client, key: bytes) -> Any:
    """The value of a key, or None; does not count as an access."""
    return ctx.db.lookup_quietly(key)


@subcommand("ENCODING", arity=3, keys=_KEYS, tips=("nondeterministic_output",))
def encoding(ctx: Client, key: bytes) -> Reply:
    """OBJECT ENCODING key

    Returns the name of the internal encoding of a key's value.
    """
    value = _peek(ctx, key)
    if value is None:
        return None
    return encoding_of(value, key).encode()


@subcommand("REFCOUNT", arity=3, keys=_KEYS, tips=("nondeterministic_output",))
def refcount(ctx: Client, key: bytes) -> Reply:
    """OBJECT REFCOUNT key

    Returns the number of references to a key's value, which is always 1.
    """
    return None if _peek(ctx, key) is None else 1


@subcommand("IDLETIME", arity=3, keys=_KEYS, tips=("nondeterministic_output",))
def idletime(ctx: Client, key: bytes) -> Reply:
    """OBJECT IDLETIME key

    Returns the time (s) since the last access to a key.
    """
    if _peek(ctx, key) is None:
        return None
    if ctx.config.maxmemory_policy.endswith("-lfu"):
        raise CommandError(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
            "between policies at runtime LRU and LFU data will take some time to adjust."
        )
    return ctx.engine.eviction.idle_seconds(ctx.db, key)


@subcommand("FREQ", arity=3, keys=_KEYS, since="4.0.0", tips=("nondeterministic_output",))
def freq(ctx: Client, key: bytes) -> Reply:
    """OBJECT FREQ key

    Returns the logarithmic access frequency of a key; only an LFU eviction policy records it.
    """
    if _peek(ctx, key) is None:
        return None
    if not ctx.config.maxmemory_policy.endswith("-lfu"):
        raise CommandError(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
            "switching between policies at runtime LRU and LFU data will take some time to adjust."
        )
    return ctx.db.frequency(key)


declare_help(subcommand, since="6.2.0")
