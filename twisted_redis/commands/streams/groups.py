"""XGROUP: creating and removing consumer groups and consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.commands.streams.common import exact_id, invalid_id, make_consumer, new_stream, record, wake
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import UNKNOWN, Group
from twisted_redis.datatypes.stream_ids import parse_bound
from twisted_redis.engine.declare.flags import DENYOOM, WRITE
from twisted_redis.engine.declare.keyspecs import DELETE, INSERT, RW, UPDATE, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, WrongSubcommand, refusal
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

subcommand = (
    CommandGroup("stream")
    .container("XGROUP", "A container for commands on consumer groups.", since="5.0.0")
    .with_defaults(complexity="O(1)")
)


def _options(subcommand: str, options: tuple[bytes, ...]) -> tuple[bool, int]:
    """Parses the options of CREATE and SETID: whether MKSTREAM is given, and the counter of read entries."""
    make = False
    entries_read = UNKNOWN
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        if option == b"MKSTREAM" and subcommand == "CREATE":
            make = True
        elif option == b"ENTRIESREAD" and (value := next(rest, None)) is not None:
            entries_read = integer(value)
            if entries_read < 0 and entries_read != UNKNOWN:
                raise CommandError("ERR value for ENTRIESREAD must be positive or -1")
        else:
            raise WrongSubcommand
    return make, entries_read


def _stream(ctx: Client, key: bytes) -> Stream:
    """The stream at ``key``; raises the error for a missing key."""
    stream = ctx.db.write(key, Stream)
    if stream is None:
        raise _no_key()
    return stream


def _no_key() -> CommandError:
    return CommandError(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
        "MKSTREAM option to create an empty stream automatically."
    )


def _group(ctx: Client, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """A group with its stream; raises the error for a missing key or group."""
    stream = _stream(ctx, key)
    group = stream.groups.get(name)
    if group is None:
        raise refusal(b"NOGROUP No such consumer group '%b' for key name '%b'", name, key)
    return stream, group


@subcommand(
    "CREATE", arity=-5, flags=WRITE | DENYOOM, keys=key_at(2, RW | INSERT), history=(("7.0.0", "ENTRIESREAD."),)
)
def create(ctx: Client, key: bytes, name: bytes, start: bytes, *options: bytes) -> Reply:
    """XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]

    Creates a consumer group that receives the entries after an ID; $ means the last ID of the stream.
    """
    make, entries_read = _options("CREATE", options)
    stream = ctx.db.write(key, Stream)
    if stream is None and not make:
        raise _no_key()
    if len(options) > 3:
        raise WrongSubcommand
    if c_string(start) == b"$":
        last_id = 0 if stream is None else stream.last_id
    else:
        last_id = exact_id(start)
    if stream is not None and name in stream.groups:
        raise CommandError("BUSYGROUP Consumer Group name already exists")
    if stream is None:
        stream = new_stream(ctx)
        ctx.db.add(key, stream)
        ctx.changed(key, "xgroup-create")
    else:
        record(ctx, 1, b"XGROUP", b"CREATE", key, name, start, *options)
        ctx.notify(key, "xgroup-create")
    stream.groups[name] = Group(last_id, min(entries_read, stream.entries_added))
    return OK


@subcommand("SETID", arity=-5, flags=WRITE, keys=key_at(2, RW | UPDATE), history=(("7.0.0", "ENTRIESREAD."),))
def setid(ctx: Client, key: bytes, name: bytes, last: bytes, *options: bytes) -> Reply:
    """XGROUP SETID key group <id | $> [ENTRIESREAD entries-read]

    Sets the last delivered ID of a consumer group; $ means the last ID of the stream.
    """
    _, entries_read = _options("SETID", options)
    stream, group = _group(ctx, key, name)
    if len(options) > 2:
        raise WrongSubcommand
    last_id = stream.last_id if c_string(last) == b"$" else parse_bound(last)
    if last_id is None:
        raise invalid_id()
    group.last_id = last_id
    group.entries_read = min(entries_read, stream.entries_added)
    record(ctx, 1, b"XGROUP", b"SETID", key, name, last, *options)
    ctx.notify(key, "xgroup-setid")
    return OK


@subcommand(
    "DESTROY",
    arity=4,
    flags=WRITE,
    keys=key_at(2, RW | DELETE),
    complexity="O(N) for N pending entries of the group",
)
def destroy(ctx: Client, key: bytes, name: bytes) -> Reply:
    """XGROUP DESTROY key group

    Removes a consumer group; returns 1 if it existed, else 0.
    """
    stream = _stream(ctx, key)
    if stream.groups.pop(name, None) is None:
        return 0
    record(ctx, 1, b"XGROUP", b"DESTROY", key, name)
    ctx.notify(key, "xgroup-destroy")
    # Clients that wait for entries of the group must learn that none will come.
    wake(ctx, key)
    return 1


@subcommand("CREATECONSUMER", arity=5, flags=WRITE | DENYOOM, keys=key_at(2, RW | INSERT), since="6.2.0")
def createconsumer(ctx: Client, key: bytes, name: bytes, consumer: bytes) -> Reply:
    """XGROUP CREATECONSUMER key group consumer

    Adds a consumer to a group; returns 1 if it is new, else 0.
    """
    _, group = _group(ctx, key, name)
    if consumer in group.consumers:
        return 0
    make_consumer(ctx, key, group, consumer)
    record(ctx, 0, b"XGROUP", b"CREATECONSUMER", key, name, consumer)
    return 1


@subcommand(
    "DELCONSUMER",
    arity=5,
    flags=WRITE,
    keys=key_at(2, RW | DELETE),
    complexity="O(N) for N pending entries of the consumer",
)
def delconsumer(ctx: Client, key: bytes, name: bytes, consumer: bytes) -> Reply:
    """XGROUP DELCONSUMER key group consumer

    Removes a consumer from a group and returns the number of its pending entries.
    """
    _, group = _group(ctx, key, name)
    pending = group.delete_consumer(consumer)
    if pending is None:
        return 0
    record(ctx, 1, b"XGROUP", b"DELCONSUMER", key, name, consumer)
    ctx.notify(key, "xgroup-delconsumer")
    return pending


declare_help(subcommand)
