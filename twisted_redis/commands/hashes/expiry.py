"""Hashes: expiry times of fields, and the commands that read or write fields along with these times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted_redis.datatypes.hash import Hash
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.engine.hash_fields import delete_as_effect, lapsed, note_times, remove_lapsed
from twisted_redis.engine.parse import INT64_MAX, integer, integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("hash", since="7.4.0", complexity="O(N) for N fields")

_READ = first_key(RO | ACCESS)
_UPDATE = first_key(RW | UPDATE)

_LATEST = (1 << 46) - 1
"""The latest time (ms) at which a field can expire: Redis stores 48 bits and reserves two of them."""

# Reply codes, one for each field.
_NO_FIELD = -2
_NO_TIME = -1
_NOT_MET = 0
_DONE = 1
_DELETED = 2


def _expiry_time(ctx: Client, text: bytes, unit: int, relative: bool, name: str) -> int:
    """The time (ms since 1970) that an argument means; ``unit`` is the length (ms) of its unit."""
    value = integer(text)
    if value < 0:
        raise CommandError("ERR invalid expire time, must be >= 0")
    start = ctx.now if relative else 0
    if value > _LATEST // unit or value * unit > _LATEST - start:
        raise CommandError(f"ERR invalid expire time in '{name}' command")
    return start + value * unit


def _parse_fields(
    arguments: tuple[bytes, ...], wrong_number: str = "ERR Number of fields must be a positive integer"
) -> tuple[bytes, ...]:
    """Parses ``FIELDS numfields field [field ...]`` into the fields."""
    if keyword(arguments[0]) != b"FIELDS":
        raise CommandError("ERR Mandatory argument FIELDS is missing or not at the right position")
    if len(arguments) < 2:
        raise CommandError(wrong_number)
    if integer_in(arguments[1], 1, INT64_MAX, wrong_number) != len(arguments) - 2:
        raise CommandError("ERR The `numfields` parameter must match the number of arguments")
    return arguments[2:]


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


def _expire(
    ctx: Client, name: str, key: bytes, time: bytes, options: tuple[bytes, ...], unit: int, relative: bool
) -> Reply:
    hash_ = ctx.db.write(key, Hash)
    when = _expiry_time(ctx, time, unit, relative, name)
    condition = keyword(options[0])
    given = 1 if condition in (b"NX", b"XX", b"GT", b"LT") else 0
    fields = _parse_fields(options[given:], "ERR Parameter `numFields` should be greater than 0")
    if hash_ is None:
        return [_NO_FIELD] * len(fields)
    hash_.allow_times()
    results = _set_time(ctx, key, hash_, fields, when, condition if given else b"")
    updated, deleted = results.count(_DONE), results.count(_DELETED)
    if updated or deleted:
        ctx.changed(key, "hdel" if deleted else "hexpire", updated + deleted)
        _update_database(ctx, key, hash_)
    if updated and ctx.effects.recording:
        done = [field for field, result in zip(fields, results, strict=True) if result == _DONE]
        head = [b"HPEXPIREAT", key, b"%d" % when, *options[:given]]
        ctx.propagate_as([*head, options[given], b"%d" % updated, *done])
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
    fields = _parse_fields(options)
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
        ctx.changed(key, "hpersist")
        note_times(ctx.db, key, hash_)
    return results


# Reading times

ttl_command = command.with_defaults(arity=-5, flags=READONLY | FAST, keys=_READ)


def _read_times(ctx: Client, key: bytes, options: tuple[bytes, ...], shown: Callable[[int], int]) -> list[int]:
    hash_ = ctx.db.read(key, Hash)
    fields = _parse_fields(options)
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

_UNITS = {b"EX": (1000, True), b"PX": (1, True), b"EXAT": (1000, False), b"PXAT": (1, False)}
"""Option: (milliseconds in its unit, whether the time is relative to now)."""


def _take_values(
    ctx: Client,
    key: bytes,
    hash_: Hash | None,
    fields: tuple[bytes, ...],
    take: Callable[[Hash, Sequence[bytes]], list[bytes | None]],
) -> tuple[list[bytes | None], bool]:
    """The values of ``fields``, as ``take`` returns them, and True if one of the fields had expired.

    Removes expired fields without an event.  Leaves the hash at its key even if it is empty.
    """
    if hash_ is None:
        return [None] * len(fields), False
    due = hash_.next_expiry()
    if due is None or due >= ctx.now:
        return take(hash_, fields), False
    values: list[bytes | None] = []
    expired = False
    for field in fields:
        if lapsed(ctx, hash_, field):
            expired = True
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
    fields = _parse_fields(options)
    values, expired = _take_values(ctx, key, hash_, fields, Hash.take)
    deleted = len(values) - values.count(None)
    if hash_ is None or not (expired or deleted):
        return values
    if expired:
        ctx.notify(key, "hexpired")
    if deleted:
        ctx.changed(key, "hdel", deleted)
        ctx.propagate_as([b"HDEL", key, *fields])
    else:
        ctx.effects.signal(ctx.db, key)
    _update_database(ctx, key, hash_)
    return values


@command(
    "HGETEX",
    arity=-5,
    flags=WRITE | FAST,
    keys=first_key(RW | ACCESS | UPDATE, "RW and UPDATE because it changes the TTL"),
    since="8.0.0",
)
def hgetex(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]

    Returns the values of hash fields and sets or removes their expiry times.
    """
    hash_ = ctx.db.write(key, Hash)
    option = keyword(options[0])
    when = 0
    rest = options
    if option in _UNITS:
        when = _expiry_time(ctx, options[1], *_UNITS[option], name="hgetex")
        rest = options[2:]
    elif option == b"PERSIST":
        rest = options[1:]
    fields = _parse_fields(rest)
    results: list[int] = []

    def change(hash_: Hash, fields: Sequence[bytes]) -> list[bytes | None]:
        values = list(map(hash_.fields.get, fields))
        found = [field for field, value in zip(fields, values, strict=True) if value is not None]
        if option == b"PERSIST":
            results.extend(_DONE if hash_.persist(field) else _NOT_MET for field in found)
        elif rest is not options:
            if when <= ctx.now and len(fields) > 1:
                # One field at a time: a field that is named twice is gone the second time.
                return [value for field in fields for value in change(hash_, (field,))]
            results.extend(_set_time(ctx, key, hash_, found, when, b""))
        return values

    if hash_ is not None and rest is not options:
        hash_.allow_times()
    values, expired = _take_values(ctx, key, hash_, fields, change)
    updated, deleted = results.count(_DONE), results.count(_DELETED)
    if hash_ is None or not (expired or updated or deleted):
        return values
    if expired:
        ctx.notify(key, "hexpired")
    if updated:
        ctx.changed(key, "hpersist" if option == b"PERSIST" else "hexpire", updated)
        head = [b"HPERSIST", key] if option == b"PERSIST" else [b"HPEXPIREAT", key, b"%d" % when]
        ctx.propagate_as([*head, *rest])
    elif deleted:
        ctx.changed(key, "hdel", deleted)
        ctx.propagate_as()
    else:
        ctx.effects.signal(ctx.db, key)
    _update_database(ctx, key, hash_)
    return values


class _SetOptions:
    """The options that precede the fields of HSETEX."""

    __slots__ = ("condition", "keep", "pairs", "time_at", "when")

    def __init__(self, ctx: Client, arguments: tuple[bytes, ...]) -> None:
        self.condition = b""
        self.keep = False
        self.when: int | None = None
        self.time_at = 0
        place = 0
        while (option := keyword(arguments[place])) != b"FIELDS":
            if option in (b"FXX", b"FNX"):
                if self.condition:
                    raise CommandError("ERR Only one of FXX or FNX arguments can be specified")
                self.condition = option
            elif option in _UNITS or option == b"KEEPTTL":
                if self.keep or self.when is not None:
                    raise CommandError("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
                self.keep = option == b"KEEPTTL"
                if not self.keep:
                    place += 1
                    if place == len(arguments):
                        raise CommandError("ERR missing expire time")
                    self.when = _expiry_time(ctx, arguments[place], *_UNITS[option], name="hsetex")
                    self.time_at = place
            else:
                raise refusal(b"ERR unknown argument: %b", arguments[place])
            place += 1
        self.pairs = arguments[place + 2 :]
        wrong = "ERR wrong number of arguments for 'hsetex' command"
        if len(self.pairs) < 2:
            raise CommandError(wrong)
        count = integer_in(arguments[place + 1], 1, 2**31 - 1, "ERR invalid number of fields")
        if 2 * count != len(self.pairs):
            raise CommandError(wrong)

    def met(self, ctx: Client, key: bytes, hash_: Hash) -> bool:
        """True if the condition holds for all fields; removes the fields that have expired."""
        for field in self.pairs[::2]:
            exists = field in hash_.fields
            if exists and lapsed(ctx, hash_, field):
                remove_lapsed(ctx, key, hash_, field)
                exists = False
            if exists != (self.condition == b"FXX"):
                return False
        return True


@command("HSETEX", arity=-6, flags=WRITE | DENYOOM | FAST, keys=_UPDATE, since="8.0.0")
def hsetex(ctx: Client, key: bytes, *arguments: bytes) -> Reply:
    """HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]

    Sets hash fields and their expiry times; FNX and FXX require that none or all of the fields exist.
    """
    options = _SetOptions(ctx, arguments)
    db = ctx.db
    hash_ = db.write(key, Hash)
    if hash_ is None:
        if options.condition == b"FXX":
            return 0
        hash_ = Hash()
        db.add(key, hash_)
    if options.condition and not options.met(ctx, key, hash_):
        if not hash_.fields:
            ctx.removed(key)
        return 0
    pairs, when = options.pairs, options.when
    if when is not None:
        hash_.allow_times()
    fields = pairs[::2]
    results: list[int] = []
    if when is not None and when <= ctx.now:
        for field, value in zip(fields, pairs[1::2], strict=True):
            hash_.put(field, value)
            results += _set_time(ctx, key, hash_, (field,), when, b"")
    else:
        hash_.update(pairs, keep=options.keep or when is not None)
        if when is not None:
            results = _set_time(ctx, key, hash_, fields, when, b"")
    hash_.fit(pairs, ctx.config)
    ctx.changed(key, "hset", len(pairs) >> 1)
    if _DELETED in results:
        ctx.notify(key, "hdel")
        ctx.propagate_as()
    elif when is not None:
        ctx.notify(key, "hexpire")
        place = options.time_at
        changed = [*arguments[: place - 1], b"PXAT", b"%d" % when, *arguments[place + 1 :]]
        ctx.propagate_as([b"HSETEX", key, *changed])
    _update_database(ctx, key, hash_)
    return 1
