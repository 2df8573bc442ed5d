"""Strings: digests, and writes that depend on what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.strings.options import CONDITIONS, MSETEX, StringOptions, digest, expiry, fulfils
from twisted_redis.datatypes.strings import is_string
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import (
    ACCESS,
    DELETE,
    OW,
    RM,
    RO,
    RW,
    UPDATE,
    VARIABLE_FLAGS,
    counted_keys,
    first_key,
)
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("string", since="8.4.0")

_NUMBER_MAX = 2**31 - 1


@command(
    "DIGEST",
    arity=2,
    flags=READONLY | FAST,
    keys=first_key(RO | ACCESS),
    complexity="O(N) where N is the length of the string",
)
def digest_(ctx: Client, key: bytes) -> Reply:
    """DIGEST key

    Returns the XXH3 digest of a string as 16 hexadecimal digits, or null if the key does not exist.
    """
    value = ctx.db.read_string(key)
    return None if value is None else digest(value)


def _keys_of_delex(argv: list[bytes]) -> list[tuple[int, int]]:
    """The position and flags of the key; DELEX reads it only if there is a condition."""
    reads = any(keyword(word) in CONDITIONS for word in argv[2:])
    return [(1, (RW if reads else RM) | DELETE)]


@command(
    "DELEX",
    arity=-2,
    flags=WRITE | FAST,
    keys=first_key(RW | DELETE | VARIABLE_FLAGS),
    getkeys=_keys_of_delex,
    complexity="O(1) for IFEQ and IFNE, O(N) for IFDEQ and IFDNE, where N is the length of the string",
)
def delex(ctx: Client, key: bytes, *condition: bytes) -> Reply:
    """DELEX key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]

    Deletes a key, if its string or the digest of its string is as the condition says.

    Returns 1 if it has deleted the key, and 0 otherwise.
    """
    db = ctx.db
    if condition:
        if len(condition) != 2:
            raise CommandError("ERR wrong number of arguments for 'delex' command")
        value = db.lookup(key)
        if value is None:
            return 0
        if not is_string(value):
            raise CommandError("ERR Key should be of string type if conditions are specified")
        word = keyword(condition[0])
        if word not in CONDITIONS:
            raise CommandError("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
        if not fulfils(value, word, condition[1]):
            return 0
    if key in db.expires:
        db.expired(key)
    later = ctx.config.lazyfree_lazy_server_del
    if not (ctx.engine.lazyfree.remove(db, key, True) if later else db.delete(key)):
        return 0
    ctx.changed(key, "del")
    if condition:
        ctx.propagate_as([b"DEL", key])
    return 1


@command(
    "MSETEX",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=counted_keys(OW | UPDATE, step=2),
    complexity="O(N) for N keys",
    tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
)
def msetex(ctx: Client, numkeys: bytes, *words: bytes) -> Reply:
    """MSETEX numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]

    Stores strings at several keys with a common time to live, if none of the keys exists (NX) or all exist (XX).

    Returns 1 if it has stored all strings, and 0 if it has stored none.
    """
    number = integer_in(numkeys, 1, _NUMBER_MAX, "ERR invalid numkeys value")
    if number * 2 > len(words):
        raise CommandError("ERR wrong number of key-value pairs")
    pairs, options = words[: number * 2], words[number * 2 :]
    chosen = StringOptions(options, MSETEX)
    when = expiry(ctx, chosen.unit, chosen.amount, "msetex") if chosen.unit else None
    db = ctx.db
    keys = pairs[::2]
    if chosen.presence:
        wanted = chosen.presence == b"XX"
        if any((db.lookup_write(key) is not None) is not wanted for key in keys):
            return 0
    for key, value in zip(keys, pairs[1::2], strict=True):
        # Looked up first, so that a key whose time has come counts as expired and not as overwritten.
        db.lookup_write(key)
        if chosen.keep:
            db.replace(key, value, whole=True)
        else:
            db.set(key, value)
        if when is not None:
            db.expire_at(key, when)
            ctx.notify(key, "expire")
        ctx.changed(key, "set")
    if when is not None and chosen.unit in (b"EX", b"PX") and ctx.effects.recording:
        ctx.propagate_as([b"MSETEX", numkeys, *pairs, *_with_time(options, when)])
    return 1


def _with_time(options: tuple[bytes, ...], when: int) -> list[bytes]:
    """Returns the options with PXAT in place of the last EX or PX; all times before it are void."""
    found = list(options)
    last = max(at for at in range(len(options)) if keyword(options[at]) in (b"EX", b"PX"))
    found[last : last + 2] = b"PXAT", b"%d" % when
    return found
