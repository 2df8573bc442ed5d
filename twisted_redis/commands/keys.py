"""Keys of any type: existence, names, copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.table import copy_value, type_name, type_of
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, TOUCHES_ARBITRARY_KEYS, WRITE
from twisted_redis.engine.declare.keyspecs import (
    ACCESS,
    DELETE,
    INSERT,
    OW,
    RM,
    RO,
    RW,
    UPDATE,
    first_key,
    key_at,
    key_range,
)
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NoSuchKey, SyntaxError_
from twisted_redis.engine.parse import integer_in
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Bulks, Reply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.keyspace.database import Database

command = CommandGroup("generic", since="1.0.0", complexity="O(1)")

_SAME_OBJECT = "ERR source and destination objects are the same"


@command(
    "DEL",
    arity=-2,
    flags=WRITE,
    keys=key_range(RM | DELETE),
    complexity="O(N) for N keys, plus O(M) for each key that holds M elements",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def delete(ctx: Client, *keys: bytes) -> Reply:
    """DEL key [key ...]

    Deletes keys and returns how many of them existed.
    """
    return _delete(ctx, keys, ctx.config.lazyfree_lazy_user_del)


def _delete(ctx: Client, keys: tuple[bytes, ...], later: bool) -> int:
    """Deletes keys and returns how many of them existed; with ``later``, frees large values afterwards."""
    db = ctx.db
    remove = ctx.engine.lazyfree.remove
    count = 0
    for key in keys:
        if key in db.expires:
            db.expired(key)
        if remove(db, key, True) if later else db.delete(key):
            count += 1
            ctx.changed(key, "del")
    return count


@command(
    "UNLINK",
    arity=-2,
    flags=WRITE | FAST,
    keys=key_range(RM | DELETE),
    since="4.0.0",
    complexity="O(N) for N keys",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def unlink(ctx: Client, *keys: bytes) -> Reply:
    """UNLINK key [key ...]

    Deletes keys and returns how many of them existed. Frees the memory of large values afterwards.
    """
    return _delete(ctx, keys, True)


@command(
    "EXISTS",
    arity=-2,
    flags=READONLY | FAST,
    keys=key_range(RO),
    complexity="O(N) for N keys",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
    history=(("3.0.3", "Takes several keys."),),
)
def exists(ctx: Client, *keys: bytes) -> Reply:
    """EXISTS key [key ...]

    Returns how many of the given keys exist; a key that is given twice counts twice.
    """
    return len(keys) - list(map(ctx.db.lookup_untouched, keys)).count(None)


@command(
    "TOUCH",
    arity=-2,
    flags=READONLY | FAST,
    keys=key_range(RO),
    since="3.2.1",
    complexity="O(N) for N keys",
    tips=("request_policy:multi_shard", "response_policy:agg_sum"),
)
def touch(ctx: Client, *keys: bytes) -> Reply:
    """TOUCH key [key ...]

    Updates the access times of keys and returns how many of them exist.
    """
    state = ctx.engine.state
    before = state.touching
    state.touching = True  # also in a script of a client with NO-TOUCH
    found = len(keys) - list(map(ctx.db.lookup, keys)).count(None)
    state.touching = before
    return found


@command("TYPE", arity=2, flags=READONLY | FAST, keys=first_key(RO))
def type_(ctx: Client, key: bytes) -> Reply:
    """TYPE key

    Returns the name of the type of a key's value, ``none`` for a missing key.
    """
    value = ctx.db.lookup_untouched(key)
    if value is None:
        return Simple(b"none")
    return Simple(type_name(value))


@command(
    "KEYS",
    arity=2,
    flags=READONLY,
    complexity="O(N) for N keys in the database",
    acl=("@dangerous",),
    tips=("request_policy:all_shards", "nondeterministic_output_order"),
)
def keys(ctx: Client, pattern: bytes) -> Reply:
    """KEYS pattern

    Returns all keys whose names match a glob pattern.
    """
    db = ctx.db
    # The pattern * does not match the empty name, but KEYS * returns it.
    found = list(db.data) if pattern == b"*" else list(filter(compile_glob(pattern), db.keys_matching(pattern)))
    found = db.visible(found)
    expires = db.expires
    if expires and not db.state.access_expired:
        now = ctx.now
        found = [key for key in found if key not in expires or expires[key].time(key) > now]
    return Bulks(found)


@command(
    "RANDOMKEY",
    arity=1,
    flags=READONLY | TOUCHES_ARBITRARY_KEYS,
    tips=("request_policy:all_shards", "response_policy:special", "nondeterministic_output"),
)
def randomkey(ctx: Client) -> Reply:
    """RANDOMKEY

    Returns the name of a random key, or null if the database is empty.
    """
    return ctx.db.random_key()


@command("RENAME", arity=3, flags=WRITE, keys=key_at(1, RW | ACCESS | DELETE) + key_at(2, OW | UPDATE))
def rename(ctx: Client, key: bytes, newkey: bytes) -> Reply:
    """RENAME key newkey

    Renames a key; replaces any key that already has the new name.
    """
    _rename(ctx, key, newkey, only_new=False)
    return OK


@command(
    "RENAMENX",
    arity=3,
    flags=WRITE | FAST,
    keys=key_at(1, RW | ACCESS | DELETE) + key_at(2, OW | INSERT),
    history=(("3.2.0", "Returns 0 for two equal names, which was an error."),),
)
def renamenx(ctx: Client, key: bytes, newkey: bytes) -> Reply:
    """RENAMENX key newkey

    Renames a key only if no key already has the new name.
    """
    return int(_rename(ctx, key, newkey, only_new=True))


def _rename(ctx: Client, key: bytes, newkey: bytes, *, only_new: bool) -> bool:
    db = ctx.db
    value = db.lookup_write(key)
    if value is None:
        raise NoSuchKey
    if key == newkey:
        return False
    before = db.lookup_write(newkey)
    if before is not None:
        if only_new:
            return False
        db.delete(newkey)
    _add_with_times(db, key, db, newkey, value)
    db.delete(key)
    ctx.changed(key, "rename_from")
    ctx.changed(newkey, "rename_to", 0)
    ctx.overwrote(db, newkey, before, value)
    return True


def _add_with_times(source: Database, key: bytes, target: Database, newkey: bytes, value: Any) -> None:
    """Adds a value at a missing key, with the expiry times of the key that it comes from."""
    when = source.expiry(key)
    fields_due = source.field_wheel.get(key)
    target.add(newkey, value)
    if when is not None:
        target.expire_at(newkey, when)
    if fields_due is not None:
        target.field_wheel[newkey] = fields_due
    if key in source.idempotent:
        target.idempotent[newkey] = None


@command(
    "COPY",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=key_at(1, RO | ACCESS) + key_at(2, OW | UPDATE),
    since="6.2.0",
    complexity="O(N) for a collection of N elements, O(1) for a string",
)
def copy(ctx: Client, source: bytes, destination: bytes, *options: bytes) -> Reply:
    """COPY source destination [DB destination-db] [REPLACE]

    Copies the value and the expiry of a key to another key.
    """
    db = target = ctx.db
    replace = False
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        if option == b"REPLACE":
            replace = True
        elif option == b"DB" and (number := next(rest, None)) is not None:
            target = _database(ctx, number)
        else:
            raise SyntaxError_
    if ctx.config.cluster_enabled and (db.index or target.index):
        raise CommandError("ERR Copying to another database is not allowed in cluster mode")
    if target is db and source == destination:
        raise CommandError(_SAME_OBJECT)
    if db.index or target.index:
        ctx.engine.compatibility.count()
    value = db.lookup(source)
    if value is None:
        return 0
    before = target.lookup_write(destination)
    if before is not None and not replace:
        return 0
    if type_of(value).refuses_copy:
        raise CommandError("ERR not supported for this module key")
    value = copy_value(value)
    if before is not None:
        target.delete(destination)
    _add_with_times(db, source, target, destination, value)
    ctx.changed_in(target, destination, "copy_to")
    ctx.overwrote(target, destination, before, value)
    return 1


@command("MOVE", arity=3, flags=WRITE | FAST, keys=first_key(RW | ACCESS | UPDATE))
def move(ctx: Client, key: bytes, db: bytes) -> Reply:
    """MOVE key db

    Moves a key to another database, unless that database has a key with the same name.
    """
    if ctx.config.cluster_enabled:
        raise CommandError("ERR MOVE is not allowed in cluster mode")
    source, target = ctx.db, _database(ctx, db)
    if source is target:
        raise CommandError(_SAME_OBJECT)
    ctx.engine.compatibility.count()
    value = source.lookup_write(key)
    if value is None or target.lookup_write(key) is not None:
        return 0
    _add_with_times(source, key, target, key, value)
    source.delete(key)
    ctx.changed_in(source, key, "move_from")
    ctx.changed_in(target, key, "move_to", 0)
    return 1


def _database(ctx: Client, number: bytes) -> Database:
    databases = ctx.engine.databases
    index = integer_in(number, -(2**31), 2**31 - 1)
    if not 0 <= index < len(databases):
        raise CommandError("ERR DB index is out of range")
    return databases[index]
