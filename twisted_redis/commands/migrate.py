"""MIGRATE: moving keys to another server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.blocking import Block
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, INCOMPLETE, RW, after_keyword, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.migration import MIGRATED, Move, Order, failed
from twisted_redis.engine.parse import integer
from twisted_redis.persistence.rdb import payload
from twisted_redis.resp.accelerated import pack_bulks
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("generic")

#: The timeout (ms) in place of one that is not positive.
_DEFAULT_TIMEOUT = 1000
#: The longest timeout (ms), which an operating system still accepts.
_LONGEST_TIMEOUT = 2_000_000_000
#: The number of arguments that follow an option.
_ARGUMENTS = {b"AUTH": 1, b"AUTH2": 2}
_KEY_FLAGS = RW | ACCESS | DELETE

_port = re.compile(rb"[ \t-\r]*([+-]?[0-9]{1,18})").match


@dataclass
class _Options:
    copy: bool = False
    replace: bool = False
    login: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] | None = None


def _keys_of_migrate(argv: list[bytes]) -> list[tuple[int, int]]:
    """The position of the key, or of the keys that follow KEYS."""
    place = 6
    while place < len(argv):
        option = keyword(argv[place])
        if option == b"KEYS":
            return [] if argv[3] else [(key, _KEY_FLAGS) for key in range(place + 1, len(argv))]
        place += 1 + _ARGUMENTS.get(option, 0)
    return [(3, _KEY_FLAGS)]


@command(
    "MIGRATE",
    arity=-6,
    flags=WRITE,
    keys=key_at(3, _KEY_FLAGS) + after_keyword("KEYS", _KEY_FLAGS | INCOMPLETE, start=-2),
    getkeys=_keys_of_migrate,
    since="2.6.0",
    complexity="O(N) for N bytes of values, which are dumped here, sent, and restored on the other server",
    acl=("@dangerous",),
    tips=("nondeterministic_output",),
    history=(
        ("3.0.0", "COPY and REPLACE."),
        ("3.0.6", "KEYS."),
        ("4.0.7", "AUTH."),
        ("6.0.0", "AUTH2."),
    ),
)
def migrate(
    ctx: Client, host: bytes, port: bytes, key: bytes, database: bytes, timeout: bytes, *options: bytes
) -> Reply:
    """MIGRATE host port <key | ""> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] [KEYS key [key ...]]

    Moves keys to a database of another server. Deletes them here once that server has confirmed them.

    The timeout (ms) applies to each step of the conversation. Meanwhile other clients are served, but a client that
    wants to write to one of the keys waits. In a transaction or a script the whole server waits, as in Redis.
    """
    move: Move | None = ctx.blocked_state
    if move is not None:
        return _wait(move) if move.reply is None else move.answer()
    given = _parse(key, options)
    milliseconds = integer(timeout)
    number = integer(database)
    milliseconds = min(milliseconds, _LONGEST_TIMEOUT) if milliseconds > 0 else _DEFAULT_TIMEOUT
    keys: list[bytes] = []
    values: list[Any] = []
    for each in (key,) if given.keys is None else given.keys:
        value = ctx.db.lookup(each)
        if value is not None:
            keys.append(each)
            values.append(value)
    if not keys:
        return Simple(b"NOKEY")
    order = Order(
        host=host.decode("latin-1"),
        port=_port_number(port),
        database=number,
        timeout=milliseconds / 1000,
        login=pack_bulks((b"AUTH", *given.login)) if given.login else b"",
        restores=[_restore(ctx, name, value, given.replace) for name, value in zip(keys, values, strict=True)],
    )
    # At the end, another object at a key means another value.  A live one stays the same while others read it.
    values = [ctx.db.live(name, value) for name, value in zip(keys, values, strict=True)]
    move = Move(ctx, ctx.db, keys, values, given.copy, ctx.engine.replication.is_replica)
    if ctx.deny_blocking:
        return ctx.engine.migrations.perform(move, order)
    ctx.engine.migrations.begin(move, order)
    return _wait(move)


def _wait(move: Move) -> Block:
    # CLIENT UNBLOCK ends the wait early; the migration goes on nevertheless.
    return Block((), "", 0, lambda: move.client.engine.error(failed("reading")), state=move, group=MIGRATED)


def _parse(key: bytes, options: tuple[bytes, ...]) -> _Options:
    given = _Options()
    place = 0
    while place < len(options):
        option = keyword(options[place])
        place += 1
        if option == b"COPY":
            given.copy = True
        elif option == b"REPLACE":
            given.replace = True
        elif option in _ARGUMENTS:
            count = _ARGUMENTS[option]
            if place + count > len(options):
                raise SyntaxError_
            given.login = _auth_arguments(option, given.login, options[place : place + count])
            place += count
        elif option == b"KEYS":
            if key:
                raise CommandError(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
                )
            given.keys = options[place:]
            break
        else:
            raise SyntaxError_
    return given


def _auth_arguments(option: bytes, before: tuple[bytes, ...], words: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The arguments of AUTH.  An AUTH that follows AUTH2 replaces the password of that user."""
    return (*before[:-1], *words) if option == b"AUTH" else words


def _port_number(text: bytes) -> int:
    """The port number as C's ``atoi`` reads it: the leading digits, 0 without any."""
    found = _port(text)
    return int(found[1]) if found is not None else 0


def _restore(ctx: Client, key: bytes, value: Any, replace: bool) -> bytes:
    when = ctx.db.expiry(key)
    remaining = 0 if when is None else max(when - ctx.now, 1)
    verb = b"RESTORE-ASKING" if ctx.config.cluster_enabled else b"RESTORE"
    dumped = payload.dump(value, ctx.config.rdbcompression)
    words = (verb, key, b"%d" % remaining, dumped)
    return pack_bulks((*words, b"REPLACE") if replace else words)
