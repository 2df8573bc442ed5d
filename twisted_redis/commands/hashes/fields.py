"""Hashes: fields and their values.  ``hashes.expiry`` has the commands on expiry times of fields."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from twisted_redis.commands.common import cursors
from twisted_redis.commands.common.picks import check_picks
from twisted_redis.datatypes import long_double
from twisted_redis.datatypes.hash import Hash
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, INSERT, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NotFloat, SyntaxError_
from twisted_redis.engine.hash_fields import lapsed, live_fields, note_times, remove_due, remove_lapsed, value_of
from twisted_redis.engine.parse import INT64_MAX, INT64_MIN, integer, integer_in, integer_or_none
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Bulks, Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("hash", since="2.0.0", complexity="O(1)")

_READ = first_key(RO | ACCESS)
_LOOK = first_key(RO)
_UPDATE = first_key(RW | UPDATE)
_COUNT = first_key(RW | ACCESS | UPDATE)


def _for_writing(ctx: Client, key: bytes) -> Hash:
    hash_ = ctx.db.write(key, Hash)
    if hash_ is None:
        hash_ = Hash()
        ctx.db.add(key, hash_)
    return hash_


def _set(ctx: Client, key: bytes, pairs: tuple[bytes, ...], name: str) -> int:
    if len(pairs) & 1:
        raise CommandError(f"ERR wrong number of arguments for '{name}' command")
    hash_ = _for_writing(ctx, key)
    before = len(hash_.fields)
    if not hash_.large and len(pairs) > 2 * ctx.config.hash_max_listpack_entries:
        hash_.large = True  # as in Redis, which decides before it knows how many of the fields are equal
    hash_.update(pairs)
    if not hash_.large:
        hash_.fit(pairs, ctx.config)
    # The database may still expect fields of the hash to expire that do not; the active cycle finds out.
    ctx.changed_fields(key, "hset", len(pairs) >> 1, pairs, 2)
    return len(hash_.fields) - before


@command(
    "HSET",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATE,
    complexity="O(1) for each field",
    history=(("4.0.0", "Several fields in one call."),),
)
def hset(ctx: Client, key: bytes, field: bytes, value: bytes, *pairs: bytes) -> Reply:
    """HSET key field value [field value ...]

    Sets fields of a hash and returns the number of new fields.
    """
    if pairs:
        return _set(ctx, key, (field, value, *pairs), "hset")
    db = ctx.db
    hash_ = db.write(key, Hash)
    if hash_ is None:
        hash_ = Hash()
        db.add(key, hash_)
    created = hash_.set(field, value)
    if not hash_.large:
        config = ctx.config
        longest = config.hash_max_listpack_value
        if len(value) > longest or len(field) > longest or len(hash_.fields) > config.hash_max_listpack_entries:
            hash_.large = True
    ctx.changed_field(key, "hset", field)
    return 1 if created else 0


@command(
    "HMSET",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATE,
    complexity="O(N) for N fields",
    deprecated_since="4.0.0",
    replaced_by="`HSET` with multiple field-value pairs",
)
def hmset(ctx: Client, key: bytes, *pairs: bytes) -> Reply:
    """HMSET key field value [field value ...]

    Sets fields of a hash.
    """
    _set(ctx, key, pairs, "hmset")
    return OK


@command("HSETNX", arity=4, flags=WRITE | DENYOOM | FAST, keys=first_key(RW | INSERT))
def hsetnx(ctx: Client, key: bytes, field: bytes, value: bytes) -> Reply:
    """HSETNX key field value

    Sets a field of a hash only if the field does not exist.
    """
    hash_ = _for_writing(ctx, key)
    if value_of(ctx, key, hash_, field) is not None:
        return 0
    _put(ctx, key, hash_, field, value)
    ctx.changed_field(key, "hset", field)
    return 1


def _put(ctx: Client, key: bytes, hash_: Hash, field: bytes, value: bytes) -> None:
    """Sets a field after a look-up by ``value_of``, which may have removed an emptied hash; the field keeps its time."""
    if not hash_.fields and ctx.db.peek(key) is not hash_:
        hash_ = Hash()
        ctx.db.add(key, hash_)
    hash_.put(field, value)
    if not hash_.large:
        hash_.fit((field, value), ctx.config)


@command("HINCRBY", arity=4, flags=WRITE | DENYOOM | FAST, keys=_COUNT)
def hincrby(ctx: Client, key: bytes, field: bytes, increment: bytes) -> Reply:
    """HINCRBY key field increment

    Adds a number to the integer in a field; a missing field counts as 0.
    """
    amount = integer(increment)
    hash_ = _for_writing(ctx, key)
    value = value_of(ctx, key, hash_, field)
    number = 0 if value is None else integer_or_none(value)
    if number is None:
        raise CommandError("ERR hash value is not an integer")
    number += amount
    if not INT64_MIN <= number <= INT64_MAX:
        raise CommandError("ERR increment or decrement would overflow")
    _put(ctx, key, hash_, field, b"%d" % number)
    ctx.changed_field(key, "hincrby", field)
    return number


@command("HINCRBYFLOAT", arity=4, flags=WRITE | DENYOOM | FAST, keys=_COUNT, since="2.6.0")
def hincrbyfloat(ctx: Client, key: bytes, field: bytes, increment: bytes) -> Reply:
    """HINCRBYFLOAT key field increment

    Adds a floating-point number to the number in a field; a missing field counts as 0.
    """
    amount = long_double.parse(increment)
    if amount is None:
        raise NotFloat
    if isinstance(amount, float):
        raise CommandError("ERR value is NaN or Infinity")
    hash_ = _for_writing(ctx, key)
    value = value_of(ctx, key, hash_, field)
    number = long_double.parse(b"0" if value is None else value)
    if number is None:
        raise CommandError("ERR hash value is not a float")
    total = long_double.add(number, amount)
    if total is None:
        raise CommandError("ERR increment would produce NaN or Infinity")
    text = long_double.to_text(total)
    _put(ctx, key, hash_, field, text)
    ctx.changed_field(key, "hincrbyfloat", field)
    # The sum goes to the AOF and replicas, because floating point may round differently elsewhere.
    ctx.propagate_as([b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, text])
    return text


@command(
    "HDEL",
    arity=-3,
    flags=WRITE | FAST,
    keys=first_key(RW | DELETE),
    complexity="O(N) for N fields to be removed",
    history=(("2.4.0", "Several fields in one call."),),
)
def hdel(ctx: Client, key: bytes, *fields: bytes) -> Reply:
    """HDEL key field [field ...]

    Removes fields of a hash and returns how many of them existed.
    """
    hash_ = ctx.db.write(key, Hash)
    if hash_ is None:
        return 0
    removed = fields
    if ctx.engine.events.fields:
        removed = tuple(filter(hash_.remove, fields))
        deleted = len(removed)
    else:
        deleted = sum(map(hash_.remove, fields))
    if deleted:
        ctx.changed_fields(key, "hdel", deleted, removed)
        if not hash_.fields:
            ctx.removed(key)
        elif hash_.times is not None:
            note_times(ctx.db, key, hash_)
    return deleted


@command("HGET", arity=3, flags=READONLY | FAST, keys=_READ)
def hget(ctx: Client, key: bytes, field: bytes) -> Reply:
    """HGET key field

    Returns the value of a field of a hash.
    """
    hash_ = ctx.db.read(key, Hash)
    if hash_ is None:
        return None
    if hash_.times:
        return value_of(ctx, key, hash_, field)
    return hash_.fields.get(field)


@command("HMGET", arity=-3, flags=READONLY | FAST, keys=_READ, complexity="O(N) for N fields")
def hmget(ctx: Client, key: bytes, *fields: bytes) -> Reply:
    """HMGET key field [field ...]

    Returns the values of fields of a hash, with null for each missing field.
    """
    hash_ = ctx.db.read(key, Hash)
    if hash_ is None:
        return [None] * len(fields)
    if hash_.times:
        return _values_of(ctx, key, hash_, fields)
    return list(map(hash_.fields.get, fields))


def _values_of(ctx: Client, key: bytes, hash_: Hash, fields: tuple[bytes, ...]) -> list[bytes | None]:
    """HMGET for a hash with expiry times: sends one event for all fields that have expired.

    As in Redis, a replica sends it too, although it removes no field.
    """
    values: list[bytes | None] = []
    expired: list[bytes] = []
    deleted = False
    for field in fields:
        if deleted or not lapsed(ctx, hash_, field):
            values.append(hash_.fields.get(field))
            continue
        values.append(None)
        removed = remove_lapsed(ctx, key, hash_, field)
        if hash_.fields:
            expired.append(field)
        else:
            # Redis does not count the field that empties the hash.
            deleted = True
            ctx.db.delete(key)
        if removed:
            ctx.effects.signal(ctx.db, key)
    if expired:
        ctx.notify(key, "hexpired", expired)
    if deleted:
        ctx.notify(key, "del")
    return values


@command("HEXISTS", arity=3, flags=READONLY | FAST, keys=_LOOK)
def hexists(ctx: Client, key: bytes, field: bytes) -> Reply:
    """HEXISTS key field

    Returns 1 if a hash has a field, else 0.
    """
    hash_ = ctx.db.read(key, Hash)
    return int(hash_ is not None and value_of(ctx, key, hash_, field) is not None)


@command("HLEN", arity=2, flags=READONLY | FAST, keys=_LOOK)
def hlen(ctx: Client, key: bytes) -> Reply:
    """HLEN key

    Returns the number of fields in a hash, including expired fields that have not been removed yet.
    """
    hash_ = ctx.db.read(key, Hash)
    return 0 if hash_ is None else len(hash_.fields)


@command("HSTRLEN", arity=3, flags=READONLY | FAST, keys=_LOOK, since="3.2.0")
def hstrlen(ctx: Client, key: bytes, field: bytes) -> Reply:
    """HSTRLEN key field

    Returns the length (bytes) of the value of a field.
    """
    hash_ = ctx.db.read(key, Hash)
    return 0 if hash_ is None else len(value_of(ctx, key, hash_, field) or b"")


read_all_command = command.with_defaults(
    arity=2,
    flags=READONLY,
    keys=_READ,
    complexity="O(N) for N fields in the hash",
    tips=("nondeterministic_output_order",),
)


@read_all_command("HGETALL")
def hgetall(ctx: Client, key: bytes) -> Reply:
    """HGETALL key

    Returns all fields of a hash with their values.
    """
    hash_ = ctx.db.read(key, Hash)
    if hash_ is None:
        return Pairs()
    items = chain.from_iterable(live_fields(ctx, hash_).items())
    return Bulks(items) if ctx.resp == 2 else Pairs(items)


@read_all_command("HKEYS")
def hkeys(ctx: Client, key: bytes) -> Reply:
    """HKEYS key

    Returns the names of all fields of a hash.
    """
    hash_ = ctx.db.read(key, Hash)
    return Bulks() if hash_ is None else Bulks(live_fields(ctx, hash_))


@read_all_command("HVALS")
def hvals(ctx: Client, key: bytes) -> Reply:
    """HVALS key

    Returns the values of all fields of a hash.
    """
    hash_ = ctx.db.read(key, Hash)
    return Bulks() if hash_ is None else Bulks(live_fields(ctx, hash_).values())


@command(
    "HRANDFIELD",
    arity=-2,
    flags=READONLY,
    keys=_READ,
    since="6.2.0",
    complexity="O(N) for N fields returned",
    tips=("nondeterministic_output",),
)
def hrandfield(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HRANDFIELD key [count [WITHVALUES]]

    Returns random fields of a hash. A positive count returns different fields; a negative count may repeat them.

    One call picks at most ten million fields with repetition; Redis would go on until its memory is exhausted.
    """
    if not options:
        hash_ = ctx.db.read(key, Hash)
        if hash_ is None:
            return None
        remove_due(ctx, key, hash_)
        return hash_.random()
    count = integer_in(options[0], -INT64_MAX, INT64_MAX)
    with_values = len(options) == 2 and keyword(options[1]) == b"WITHVALUES"
    if len(options) > 1 and not with_values:
        raise SyntaxError_
    if with_values and abs(count) > INT64_MAX // 2:
        raise CommandError("ERR value is out of range")
    hash_ = ctx.db.read(key, Hash)
    if hash_ is None:
        return []
    remove_due(ctx, key, hash_)
    if count < 0:
        check_picks(ctx, -count)
    fields = hash_.sample(count) if count >= 0 or not hash_.fields else hash_.choices(-count)
    if not with_values:
        return Bulks(fields)
    values = hash_.fields
    if ctx.resp == 2:
        return [item for field in fields for item in (field, values[field])]
    return [[field, values[field]] for field in fields]


@command(
    "HSCAN",
    arity=-3,
    flags=READONLY,
    keys=_READ,
    since="2.8.0",
    complexity="O(1) for each call, O(N) for a whole iteration over N fields",
    tips=("nondeterministic_output",),
)
def hscan(ctx: Client, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    """HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]

    Returns some fields of a hash and the cursor for the next call; 0 starts an iteration and ends it.
    """
    place = cursors.cursor(cursor)
    hash_ = ctx.db.read(key, Hash)
    if hash_ is None:
        return [b"0", []]
    wanted, matches, no_values = cursors.options(options, values=True)
    following, fields = hash_.scan(place, wanted)
    if matches is not None:
        fields = list(filter(matches, fields))
    if hash_.times and not ctx.engine.state.access_expired:
        now = ctx.now
        fields = [field for field in fields if not hash_.expired(field, now)]
    if not no_values:
        values = hash_.fields
        fields = [item for field in fields for item in (field, values[field])]
    return [b"%d" % following, Bulks(fields)]
