"""Strings: reading and setting whole values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.strings.options import (
    CONDITIONS,
    GETEX,
    SET,
    StringOptions,
    expiry,
    fulfils,
    has_passed,
    only_expires,
)
from twisted_redis.datatypes.strings import is_string
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import (
    ACCESS,
    DELETE,
    INSERT,
    OW,
    RO,
    RW,
    UPDATE,
    VARIABLE_FLAGS,
    first_key,
    key_range,
)
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("string", complexity="O(1)")


@command("GET", arity=2, flags=READONLY | FAST, keys=first_key(RO | ACCESS), since="1.0.0")
def get(ctx: Client, key: bytes) -> Reply:
    """GET key

    Returns the string stored at a key, or null if the key does not exist.
    """
    value = ctx.db.read_string(key)
    # Copied, because a bytearray may change before the reply is sent at the end of a transaction.
    return bytes(value) if value.__class__ is bytearray else value


def _keys_of_set(argv: list[bytes]) -> list[tuple[int, int]]:
    """The position and flags of the key; SET reads it only with the option GET or a condition on its value."""
    words = set(map(keyword, argv[3:]))
    actual = OW if words.isdisjoint((b"GET", *CONDITIONS)) else RW
    return [(1, actual | UPDATE | (ACCESS if b"GET" in words else 0))]


@command(
    "SET",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=first_key(RW | ACCESS | UPDATE | VARIABLE_FLAGS, notes="RW and ACCESS due to the optional `GET` argument"),
    getkeys=_keys_of_set,
    since="1.0.0",
    history=(
        ("2.6.12", "Options `EX`, `PX`, `NX` and `XX`."),
        ("6.0.0", "Option `KEEPTTL`."),
        ("6.2.0", "Options `GET`, `EXAT` and `PXAT`."),
        ("7.0.0", "`NX` and `GET` may be combined."),
        ("8.4.0", "Options `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE`."),
    ),
)
def set_(ctx: Client, key: bytes, value: bytes, *options: bytes) -> Reply:
    """SET key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]

    Stores a string at a key, replacing a value of any type.
    """
    if not options:
        db = ctx.db
        if key in db.expires:
            db.expired(key)
        db.set(key, value)
        ctx.changed(key, "set")
        return OK
    chosen = StringOptions(options, SET)
    when = expiry(ctx, chosen.unit, chosen.amount, "set") if chosen.unit else None
    before: Reply = None
    if chosen.get:
        before = get(ctx, key)
    done = _may_store(ctx, key, chosen)
    if done and when is not None and has_passed(ctx, when):
        only_expires(ctx, key, ctx.config.lazyfree_lazy_server_del)
    elif done:
        _store(ctx, key, value, None, when, chosen.keep)
        if when is not None:
            if chosen.unit != b"PXAT" and ctx.effects.recording:
                ctx.propagate_as([b"SET", key, value, b"PXAT", b"%d" % when])
        elif chosen.get:
            ctx.propagate_as([b"SET", key, value, *chosen.without_get])
    if chosen.get:
        return before
    return OK if done else None


def _may_store(ctx: Client, key: bytes, chosen: StringOptions) -> bool:
    """Returns True if what is stored fulfils the conditions of SET. Raises WRONGTYPE if they need a string."""
    value = ctx.db.lookup_write(key)
    if chosen.presence is not None and (value is not None) is (chosen.presence == b"NX"):
        return False
    if chosen.condition is None:
        return True
    if value is None:
        return chosen.condition in (b"IFNE", b"IFDNE")
    present = ctx.db.read_string(key)
    return present is not None and fulfils(present, chosen.condition, chosen.operand)


def _store(
    ctx: Client, key: bytes, value: bytes, condition: bytes | None, when: int | None, keep: bool = False
) -> bool:
    """Stores the value unless the condition (NX or XX) forbids it; returns True if it stored it."""
    db = ctx.db
    found = db.lookup_write(key) is not None
    if condition is not None and found is (condition == b"NX"):
        return False
    if keep or when is not None:
        db.replace(key, value, whole=True)
    else:
        db.set(key, value)
    ctx.changed(key, "set")
    if when is not None:
        db.expire_at(key, when)
        ctx.notify(key, "expire")
    return True


@command(
    "SETNX",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(OW | INSERT),
    since="1.0.0",
    deprecated_since="2.6.12",
    replaced_by="`SET` with the `NX` argument",
)
def setnx(ctx: Client, key: bytes, value: bytes) -> Reply:
    """SETNX key value

    Stores a string at a key only if the key does not exist.
    """
    return int(_store(ctx, key, value, b"NX", None))


expiring_command = command.with_defaults(
    arity=4, flags=WRITE | DENYOOM, keys=first_key(OW | UPDATE), deprecated_since="2.6.12"
)


@expiring_command("SETEX", since="2.0.0", replaced_by="`SET` with the `EX` argument")
def setex(ctx: Client, key: bytes, seconds: bytes, value: bytes) -> Reply:
    """SETEX key seconds value

    Stores a string at a key and sets its time to live in seconds.
    """
    return _set_expiring(ctx, key, value, expiry(ctx, b"EX", seconds, "setex"))


@expiring_command("PSETEX", since="2.6.0", replaced_by="`SET` with the `PX` argument")
def psetex(ctx: Client, key: bytes, milliseconds: bytes, value: bytes) -> Reply:
    """PSETEX key milliseconds value

    Stores a string at a key and sets its time to live in milliseconds.
    """
    return _set_expiring(ctx, key, value, expiry(ctx, b"PX", milliseconds, "psetex"))


def _set_expiring(ctx: Client, key: bytes, value: bytes, when: int) -> Reply:
    _store(ctx, key, value, None, when)
    if ctx.effects.recording:
        ctx.propagate_as([b"SET", key, value, b"PXAT", b"%d" % when])
    return OK


@command(
    "GETSET",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | ACCESS | UPDATE),
    since="1.0.0",
    deprecated_since="6.2.0",
    replaced_by="`SET` with the `!GET` argument",
)
def getset(ctx: Client, key: bytes, value: bytes) -> Reply:
    """GETSET key value

    Stores a string at a key and returns the previous string.
    """
    before = get(ctx, key)
    ctx.db.set(key, value)
    ctx.changed(key, "set")
    if ctx.effects.recording:
        ctx.propagate_as([b"SET", key, value])
    return before


@command("GETDEL", arity=2, flags=WRITE | FAST, keys=first_key(RW | ACCESS | DELETE), since="6.2.0")
def getdel(ctx: Client, key: bytes) -> Reply:
    """GETDEL key

    Returns the string stored at a key and deletes the key.
    """
    value = get(ctx, key)
    if ctx.db.delete(key):
        ctx.changed(key, "del")
        if ctx.effects.recording:
            ctx.propagate_as([b"DEL", key])
    return value


@command(
    "GETEX",
    arity=-2,
    flags=WRITE | FAST,
    keys=first_key(RW | ACCESS | UPDATE, notes="RW and UPDATE because it changes the TTL"),
    since="6.2.0",
)
def getex(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]

    Returns the string stored at a key and sets or removes its expiry.
    """
    chosen = StringOptions(options, GETEX)
    value = get(ctx, key)
    if value is None:
        return None
    db = ctx.db
    if chosen.unit:
        when = expiry(ctx, chosen.unit, chosen.amount, "getex")
        if has_passed(ctx, when):
            db.delete(key)
            ctx.changed(key, "del")
            ctx.propagate_as([b"UNLINK" if ctx.config.lazyfree_lazy_expire else b"DEL", key])
        else:
            db.expire_at(key, when)
            ctx.changed(key, "expire")
            if ctx.effects.recording:
                ctx.propagate_as([b"PEXPIREAT", key, b"%d" % when])
    elif chosen.keep and db.persist(key):
        ctx.changed(key, "persist")
        ctx.propagate_as([b"PERSIST", key])
    return value


@command(
    "MGET",
    arity=-2,
    flags=READONLY | FAST,
    keys=key_range(RO | ACCESS),
    since="1.0.0",
    complexity="O(N) for N keys",
    tips=("request_policy:multi_shard",),
)
def mget(ctx: Client, *keys: bytes) -> Reply:
    """MGET key [key ...]

    Returns the strings stored at several keys, with null for each key that holds no string.
    """
    return [
        value if value.__class__ is bytes else bytes(value) if is_string(value) else None
        for value in map(ctx.db.lookup, keys)
    ]


@command(
    "MSET",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=key_range(OW | UPDATE, step=2),
    since="1.0.1",
    complexity="O(N) for N keys",
    tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
)
def mset(ctx: Client, *data: bytes) -> Reply:
    """MSET key value [key value ...]

    Stores strings at several keys in one step.
    """
    if len(data) & 1:
        raise CommandError("ERR wrong number of arguments for 'mset' command")
    db, effects = ctx.db, ctx.effects
    keys, values = data[::2], data[1::2]
    # Each key raises its event before the next key changes.
    if not ctx.engine.events.flags and db.set_all(keys, values):
        effects.dirty += len(keys)
        if effects.observed:
            for key in keys:
                effects.observe(db, key, "set")
        return OK
    for key, value in zip(keys, values, strict=True):
        if key in db.expires:
            db.expired(key)
        db.set(key, value)
        ctx.changed(key, "set")
    return OK


@command(
    "MSETNX",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=key_range(OW | INSERT, step=2),
    since="1.0.1",
    complexity="O(N) for N keys",
)
def msetnx(ctx: Client, *data: bytes) -> Reply:
    """MSETNX key value [key value ...]

    Stores strings at several keys only if none of the keys exists.
    """
    if len(data) & 1:
        raise CommandError("ERR wrong number of arguments for 'msetnx' command")
    if any(ctx.db.lookup_write(key) is not None for key in data[::2]):
        return 0
    mset(ctx, *data)
    return 1


@command("STRLEN", arity=2, flags=READONLY | FAST, keys=first_key(RO), since="2.2.0")
def strlen(ctx: Client, key: bytes) -> Reply:
    """STRLEN key

    Returns the length (bytes) of the string stored at a key, or 0 if the key does not exist.
    """
    value = ctx.db.read_string(key)
    return 0 if value is None else len(value)
