"""Hashes: expiry times of fields, and the commands that read or write fields along with these times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted_redis.commands.hashes.options import Syntax, expiry_time, parse_arguments, parse_fields
from twisted_redis.datatypes.hash import Hash
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.hash_fields import delete_as_effect, lapsed, note_times, remove_lapsed
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("hash", since="7.4.0", complexity="O(N) for N fields")

_READ = first_key(RO | ACCESS)
_UPDATE = first_key(RW | UPDATE)

# Reply codes, one for each field.
_NO_FIELD = -2
_NO_TIME = -1
_NOT_MET = 0
_DONE = 1
_DELETED = 2


# Setting times

expire_command = command.with_defaults(arity=-6, flags=WRITE | FAST, keys=_UPDATE)


def _condition_test(condition: bytes, when: int) -> Callable[[int | None], bool] | None:
    """A predicate on the present time of a field, or None: True if ``condition`` allows the new time ``when``.

    None if every field may get the time.
    """
    if condition == b"NX":
        return lambda before: before is None
    if condition == b"XX":
        return lambda before: before is not None
    if condition == b"GT":
        return lambda before: before is not None and before < when
    if condition == b"LT":
        return lambda before: before is None or before > when
    return None


_CODES: dict[bool | None, int] = {None: _NO_FIELD, False: _NOT_MET, True: _DONE}


def _set_time(ctx: Client, key: bytes, hash_: Hash, fields: Sequence[bytes], when: int, condition: bytes) -> list[int]:
    """Sets the times of the fields for which ``condition`` allows it; deletes a field if its new time has passed.

    Returns a reply code for each field.
    """
    allows = _condition_test(condition, when)
    if when > ctx.now or ctx.engine.state.hide_expired:
        return list(map(_CODES.__getitem__, hash_.set_times(fields, when, allows)))
    results = []
    for field in fields:
        if field not in hash_.fields:
            results.append(_NO_FIELD)
        elif allows is not None and not allows(hash_.time(field)):
            results.append(_NOT_MET)
        else:
            hash_.remove(field)
            delete_as_effect(ctx.engine, ctx.db, key, field)
            results.append(_DELETED)
    return results


def _update_database(ctx: Client, key: bytes, hash_: Hash) -> None:
    """Updates the database after times were set: removes an empty hash, else records when the next field expires."""
    if hash_.fields:
        note_times(ctx.db, key, hash_)
    else:
        ctx.removed(key)


def _those(ctx: Client, fields: Sequence[bytes], results: list[int], code: int) -> Sequence[bytes]:
    """Those of ``fields`` whose result is ``code``; nothing unless events are published with fields."""
    if not ctx.engine.events.fields:
        return ()
    return [field for field, result in zip(fields, results, strict=True) if result == code]


_EXPIRE = Syntax(
    "",
    conditions=frozenset((b"NX", b"XX", b"GT", b"LT")),
    other_condition="ERR Multiple condition flags specified",
    least=2,
    too_few="ERR FIELDS requires at least numfields and one field argument",
    bad_count="ERR Parameter `numFields` should be greater than 0",
)


def _expire(
    ctx: Client, name: str, key: bytes, time: bytes, arguments: tuple[bytes, ...], unit: int, relative: bool
) -> Reply:
    hash_ = ctx.db.write(key, Hash)
    when = expiry_time(ctx.now, time, unit, relative, name)
    fields, place, condition, _, _, _ = parse_arguments(arguments, _EXPIRE)
    if hash_ is None:
        return [_NO_FIELD] * len(fields)
    hash_.allow_times()
    results = _set_time(ctx, key, hash_, fields, when, condition)
    updated, deleted = results.count(_DONE), results.count(_DELETED)
    if updated or deleted:
        event, code, n = ("hdel", _DELETED, deleted) if deleted else ("hexpire", _DONE, updated)
        ctx.changed_fields(key, event, n, fields if n == len(fields) else _those(ctx, fields, results, code))
        _update_database(ctx, key, hash_)
    if updated and ctx.effects.recording:
        done = [field for field, result in zip(fields, results, strict=True) if result == _DONE]
        before, after = arguments[:place], arguments[place + 1 + len(fields) :]
        ctx.propagate_as([b"HPEXPIREAT", key, b"%d" % when, *before, b"%d" % updated, *done, *after])
    elif deleted and not updated:
        ctx.propagate_as()
    return results


@expire_command("HEXPIRE")
def hexpire(ctx: Client, key: bytes, seconds: bytes, *options: bytes) -> Reply:
    """HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]

    Sets the time to live of hash fields in seconds.
    """
    return _expire(ctx, "hexpire", key, seconds, options, 1000, relative=True)


@expire_command("HPEXPIRE")
def hpexpire(ctx: Client, key: bytes, milliseconds: bytes, *options: bytes) -> Reply:
    """HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]

    Sets the time to live of hash fields in milliseconds.
    """
    return _expire(ctx, "hpexpire", key, milliseconds, options, 1, relative=True)


@expire_command("HEXPIREAT")
def hexpireat(ctx: Client, key: bytes, time: bytes, *options: bytes) -> Reply:
    """HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]

    Sets the time at which hash fields expire, in seconds since 1970.
    """
    return _expire(ctx, "hexpireat", key, time, options, 1000, relative=False)


@expire_command("HPEXPIREAT")
def hpexpireat(ctx: Client, key: bytes, time: bytes, *options: bytes) -> Reply:
    """HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]

    Sets the time at which hash fields expire, in milliseconds since 1970.
    """
    return _expire(ctx, "hpexpireat", key, time, options, 1, relative=False)


@command("HPERSIST", arity=-5, flags=WRITE | FAST, keys=_UPDATE)
def hpersist(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HPERSIST key FIELDS numfields field [field ...]

    Removes the expiry times of hash fields.
    """
    hash_ = ctx.db.write(key, Hash)
    fields = parse_fields(options)
    if hash_ is None:
        return [_NO_FIELD] * len(fields)
    known, times, now = hash_.fields, hash_.times or {}, ctx.now
    results = []
    for field in fields:
        when = times.get(field)
        if when is None:
            results.append(_NO_TIME if field in known else _NO_FIELD)
        elif when < now:
            results.append(_NO_FIELD)
        else:
            hash_.persist(field)
            results.append(_DONE)
    if _DONE in results:
        # The database still expects the fields to expire, as in Redis; the active cycle finds out.
        ctx.changed_fields(key, "hpersist", 1, _those(ctx, fields, results, _DONE))
    return results


# Reading times

ttl_command = command.with_defaults(arity=-5, flags=READONLY | FAST, keys=_READ)


def _read_times(ctx: Client, key: bytes, options: tuple[bytes, ...], shown: Callable[[int], int]) -> list[int]:
    hash_ = ctx.db.read(key, Hash)
    fields = parse_fields(options)
    if hash_ is None:
        return [_NO_FIELD] * len(fields)
    # Redis hides a field one millisecond earlier if the hash is small.
    first_alive = ctx.now + (not hash_.large)
    whens = list(map((hash_.times or {}).get, fields))
    # Many fields may share a time, because one call can set it for all of them: compute each reply once.
    results = {when: shown(when) if when >= first_alive else _NO_FIELD for when in {*whens} if when is not None}
    known = hash_.fields
    return [
        results[when] if when is not None else _NO_TIME if field in known else _NO_FIELD
        for field, when in zip(fields, whens, strict=True)
    ]


@ttl_command("HTTL", tips=("nondeterministic_output",))
def httl(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HTTL key FIELDS numfields field [field ...]

    Returns the remaining time to live of hash fields in seconds.
    """
    return _read_times(ctx, key, options, lambda when: (when + 999 - ctx.now) // 1000)


@ttl_command("HPTTL", tips=("nondeterministic_output",))
def hpttl(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HPTTL key FIELDS numfields field [field ...]

    Returns the remaining time to live of hash fields in milliseconds.
    """
    return _read_times(ctx, key, options, lambda when: when - ctx.now)


@ttl_command("HEXPIRETIME")
def hexpiretime(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HEXPIRETIME key FIELDS numfields field [field ...]

    Returns the times at which hash fields expire, in seconds since 1970.
    """
    return _read_times(ctx, key, options, lambda when: (when + 999) // 1000)


@ttl_command("HPEXPIRETIME")
def hpexpiretime(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HPEXPIRETIME key FIELDS numfields field [field ...]

    Returns the times at which hash fields expire, in milliseconds since 1970.
    """
    return _read_times(ctx, key, options, lambda when: when)


# Reading or writing fields together with their times


def _take_values(
    ctx: Client,
    key: bytes,
    hash_: Hash | None,
    fields: tuple[bytes, ...],
    take: Callable[[Hash, Sequence[bytes]], list[bytes | None]],
) -> tuple[list[bytes | None], list[bytes]]:
    """The values of ``fields``, as ``take`` returns them, and the fields that had expired.

    Removes expired fields without an event.  Leaves the hash at its key even if it is empty.
    """
    if hash_ is None:
        return [None] * len(fields), []
    due = hash_.next_expiry()
    if due is None or due >= ctx.now:
        return take(hash_, fields), []
    values: list[bytes | None] = []
    expired: list[bytes] = []
    for field in fields:
        if lapsed(ctx, hash_, field):
            expired.append(field)
            remove_lapsed(ctx, key, hash_, field)
            values.append(None)
            continue
        values += take(hash_, (field,))
    return values, expired


@command("HGETDEL", arity=-5, flags=WRITE | FAST, keys=first_key(RW | ACCESS | DELETE), since="8.0.0")
def hgetdel(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HGETDEL key FIELDS numfields field [field ...]

    Returns the values of hash fields and removes the fields.
    """
    hash_ = ctx.db.write(key, Hash)
    fields = parse_fields(options)
    values, expired = _take_values(ctx, key, hash_, fields, Hash.take)
    deleted = len(values) - values.count(None)
    if hash_ is None or not (expired or deleted):
        return values
    if expired:
        ctx.notify(key, "hexpired", expired)
    if deleted:
        taken: Sequence[bytes] = ()
        if ctx.engine.events.fields:
            taken = [field for field, value in zip(fields, values, strict=True) if value is not None]
        ctx.changed_fields(key, "hdel", deleted, taken)
        ctx.propagate_as([b"HDEL", key, *fields])
    else:
        ctx.effects.signal(ctx.db, key)
    _update_database(ctx, key, hash_)
    return values


_GETEX = Syntax(
    "hgetex",
    conditions=frozenset(),
    instead_of_time=b"PERSIST",
    too_few="ERR wrong number of arguments for 'hgetex' command",
)


@command(
    "HGETEX",
    arity=-5,
    flags=WRITE | FAST,
    keys=first_key(RW | ACCESS | UPDATE, "RW and UPDATE because it changes the TTL"),
    since="8.0.0",
)
def hgetex(ctx: Client, key: bytes, *arguments: bytes) -> Reply:
    """HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]

    Returns the values of hash fields and sets or removes their expiry times.
    """
    hash_ = ctx.db.write(key, Hash)
    fields, _, _, persist, when, _ = parse_arguments(arguments, _GETEX, ctx.now)
    found: list[bytes] = []
    results: list[int] = []

    def change(hash_: Hash, fields: Sequence[bytes]) -> list[bytes | None]:
        values = list(map(hash_.fields.get, fields))
        known = [field for field, value in zip(fields, values, strict=True) if value is not None]
        if persist:
            results.extend(_DONE if hash_.persist(field) else _NOT_MET for field in known)
        elif when is not None:
            if when <= ctx.now and len(fields) > 1:
                # One field at a time: a field that is named twice is gone the second time.
                return [value for field in fields for value in change(hash_, (field,))]
            results.extend(_set_time(ctx, key, hash_, known, when, b""))
        found.extend(known)
        return values

    if hash_ is not None and (persist or when is not None):
        hash_.allow_times()
    values, expired = _take_values(ctx, key, hash_, fields, change)
    updated, deleted = results.count(_DONE), results.count(_DELETED)
    if hash_ is None or not (expired or updated or deleted):
        return values
    if expired:
        ctx.notify(key, "hexpired", expired)
    if updated:
        event = "hpersist" if persist else "hexpire"
        ctx.changed_fields(key, event, updated, _those(ctx, found, results, _DONE))
        head = [b"HPERSIST", key] if when is None else [b"HPEXPIREAT", key, b"%d" % when]
        ctx.propagate_as([*head, b"FIELDS", b"%d" % len(fields), *fields])
    elif deleted:
        ctx.changed_fields(key, "hdel", deleted, _those(ctx, found, results, _DELETED))
        ctx.propagate_as()
    else:
        ctx.effects.signal(ctx.db, key)
    if not persist or expired:
        _update_database(ctx, key, hash_)
    return values


_SETEX = Syntax(
    "hsetex",
    conditions=frozenset((b"FXX", b"FNX")),
    second_condition="ERR Only one of FXX or FNX arguments can be specified",
    instead_of_time=b"KEEPTTL",
    width=2,
    too_few="ERR wrong number of arguments for 'hsetex' command",
)


def _met(ctx: Client, key: bytes, hash_: Hash, condition: bytes, fields: Sequence[bytes], expired: list[bytes]) -> bool:
    """True if the condition holds for all fields; removes the fields that have expired and adds them to a list."""
    for field in fields:
        exists = field in hash_.fields
        if exists and lapsed(ctx, hash_, field):
            remove_lapsed(ctx, key, hash_, field)
            expired.append(field)
            exists = False
        if exists != (condition == b"FXX"):
            return False
    return True


@command("HSETEX", arity=-6, flags=WRITE | DENYOOM | FAST, keys=_UPDATE, since="8.0.0")
def hsetex(ctx: Client, key: bytes, *arguments: bytes) -> Reply:
    """HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]

    Sets hash fields and their expiry times; FNX and FXX require that none or all of the fields exist.
    """
    pairs, _, condition, keep, when, place = parse_arguments(arguments, _SETEX, ctx.now)
    fields = pairs[::2]
    db = ctx.db
    hash_ = db.write(key, Hash)
    if hash_ is None:
        if condition == b"FXX":
            return 0
        hash_ = Hash()
        db.add(key, hash_)
    expired: list[bytes] = []
    if condition and not _met(ctx, key, hash_, condition, fields, expired):
        if expired:
            ctx.effects.signal(db, key)
            ctx.notify(key, "hexpired", expired)
            _update_database(ctx, key, hash_)
        return 0
    if when is not None:
        hash_.allow_times()
    results: list[int] = []
    if when is not None and when <= ctx.now:
        for field, value in zip(fields, pairs[1::2], strict=True):
            hash_.put(field, value)
            results += _set_time(ctx, key, hash_, (field,), when, b"")
    else:
        hash_.update(pairs, keep=keep or when is not None)
        if when is not None:
            results = _set_time(ctx, key, hash_, fields, when, b"")
    hash_.fit(pairs, ctx.config)
    if expired:
        ctx.notify(key, "hexpired", expired)
    ctx.changed_fields(key, "hset", len(fields), fields)
    if _DELETED in results:
        ctx.notify(key, "hdel", fields)
        ctx.propagate_as()
    elif when is not None:
        ctx.notify(key, "hexpire", fields)
        if keyword(arguments[place - 1]) != b"PXAT":
            changed = [*arguments[: place - 1], b"PXAT", b"%d" % when, *arguments[place + 1 :]]
            ctx.propagate_as([b"HSETEX", key, *changed])
    if when is not None or expired:
        _update_database(ctx, key, hash_)
    return 1
