"""Entries of streams: adding, trimming, deleting, and reading by ID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import (
    exact_id,
    idempotence_of,
    interval,
    new_stream,
    record,
    shown_entries,
)
from twisted_redis.commands.streams.trimming import ANY_ID, AddOptions
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_ids import MAX_ID, id_text, parse_added_id
from twisted_redis.engine.declare.flags import DENYOOM, FAST, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, DELETE, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, NoSuchKey, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import OK, NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("stream", since="5.0.0", complexity="O(1)")


@command(
    "XADD",
    arity=-5,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | UPDATE, notes="UPDATE instead of INSERT because of the optional trimming feature"),
    complexity="O(1) for the new entry, plus O(N) for N trimmed entries",
    tips=("nondeterministic_output",),
    history=(
        ("6.2.0", "NOMKSTREAM, MINID and LIMIT."),
        ("7.0.0", "IDs of the form ms-*."),
        ("8.2.0", "KEEPREF, DELREF and ACKED."),
    ),
)
def xadd(ctx: Client, key: bytes, first: bytes, *rest: bytes) -> Reply:
    """XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO pid | IDMP pid iid] \
[<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]

    Appends an entry to a stream and returns its ID. Creates the stream if the key does not exist. With IDMP or IDMPAUTO
    an entry that its producer has sent before is not added again; the reply is then the ID of the first one.
    """
    config = ctx.config
    if first == ANY_ID and not len(rest) & 1:
        db = ctx.db
        stream = db.write(key, Stream)
        if stream is not None:
            # By far the most common call: the node has room, and the server chooses the ID.
            added = stream.append_now(db.state.now, rest, config.stream_node_max_bytes, config.stream_node_max_entries)
            if added is not None:
                ctx.changed(key, "xadd")
                if ctx.effects.recording:
                    ctx.propagate_as([b"XADD", key, added, *rest])
                return added
    args = (first, *rest)
    options = None if first == ANY_ID else AddOptions(ctx, args, adding=True)
    id_at = 0 if options is None else options.id_at
    row = args[id_at + 1 :]
    if not row or len(row) & 1:
        raise CommandError("ERR wrong number of arguments for 'xadd' command")
    given = None
    if c_string(args[id_at]) != ANY_ID:
        given = parse_added_id(args[id_at])
        if given == (0, True):
            raise CommandError("ERR The ID specified in XADD must be greater than 0-0")

    stream = ctx.db.write(key, Stream)
    is_new = stream is None
    if stream is None:
        if options is not None and not options.create:
            return None
        stream = new_stream(ctx)
    iid = b""
    if options is not None and options.producer is not None:
        idempotence = idempotence_of(stream)
        iid = options.iid_for(row)
        known = idempotence.find(options.producer, iid)
        if known is not None:
            idempotence.duplicates += 1
            # The replicas count it, too.
            record(ctx, 1, b"XADD", key, *args)
            return id_text(known)
    if stream.last_id == MAX_ID:
        raise CommandError("ERR The stream has exhausted the last possible ID, unable to add more items")
    entry_id: int | None
    if given is None:
        entry_id = stream.next_id(ctx.now)
    else:
        entry_id = given[0] if given[1] else stream.next_in(given[0] >> 64)
    if entry_id is None or entry_id <= stream.last_id:
        raise CommandError("ERR The ID specified in XADD is equal or smaller than the target stream top item")

    try:
        stream.append(entry_id, row, config.stream_node_max_bytes, config.stream_node_max_entries)
    except ValueError:
        raise CommandError("ERR Elements are too large to be stored") from None
    if is_new:
        ctx.db.add(key, stream)
    if options is not None and options.producer is not None:
        idempotence_of(stream).record(options.producer, iid, entry_id)
        ctx.db.idempotent[key] = None
    ctx.changed(key, "xadd")
    text = id_text(entry_id)
    if options is not None and options.by_length is not None and options.trim(stream):
        ctx.notify(key, "xtrim")
    if ctx.effects.recording:
        effect = list(args)
        if given is None or not given[1]:
            effect[id_at] = text
        if options is not None:
            options.made_exact(effect, stream)
        ctx.propagate_as([b"XADD", key, *effect])
    return text


@command(
    "XTRIM",
    arity=-4,
    flags=WRITE,
    keys=first_key(RW | DELETE),
    complexity="O(N) for N trimmed entries; whole nodes of entries are removed at once",
    tips=("nondeterministic_output",),
    history=(("6.2.0", "MINID and LIMIT."), ("8.2.0", "KEEPREF, DELREF and ACKED.")),
)
def xtrim(ctx: Client, key: bytes, *args: bytes) -> Reply:
    """XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]

    Removes the oldest entries of a stream; returns their number.
    """
    options = AddOptions(ctx, args, adding=False)
    stream = ctx.db.write(key, Stream)
    if stream is None:
        return 0
    removed = options.trim(stream)
    if removed:
        ctx.changed(key, "xtrim", removed)
        if options.approximate:
            ctx.propagate_as([b"XTRIM", key, *options.made_exact(list(args), stream)])
    return removed


@command(
    "XDEL",
    arity=-3,
    flags=WRITE | FAST,
    keys=first_key(RW | DELETE),
    complexity="O(log N) for each ID, in a stream of N entries",
)
def xdel(ctx: Client, key: bytes, *ids: bytes) -> Reply:
    """XDEL key id [id ...]

    Removes entries from a stream and returns how many of them existed.
    """
    stream = ctx.db.write(key, Stream)
    if stream is None:
        return 0
    removed = 0
    first_gone = False
    for entry_id in [exact_id(text) for text in ids]:
        if stream.delete(entry_id):
            removed += 1
            first_gone |= entry_id == stream.first_id
    if removed:
        if first_gone or not stream.length:
            stream.find_first()
        ctx.changed(key, "xdel", removed)
    return removed


@command("XLEN", arity=2, flags=READONLY | FAST, keys=first_key(RO))
def xlen(ctx: Client, key: bytes) -> Reply:
    """XLEN key

    Returns the number of entries in a stream.
    """
    stream = ctx.db.read(key, Stream)
    return 0 if stream is None else stream.length


range_command = command.with_defaults(
    arity=-4,
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    complexity="O(log N + M) for M returned entries of N",
    history=(("6.2.0", "Exclusive ends."),),
)


@range_command("XRANGE")
def xrange(ctx: Client, key: bytes, start: bytes, end: bytes, *options: bytes) -> Reply:
    """XRANGE key start end [COUNT count]

    Returns the entries of a stream in an interval of IDs.
    """
    return _range(ctx, key, interval(start, end), options, back=False)


@range_command("XREVRANGE")
def xrevrange(ctx: Client, key: bytes, end: bytes, start: bytes, *options: bytes) -> Reply:
    """XREVRANGE key end start [COUNT count]

    Returns the entries of a stream in an interval of IDs, in reverse order.
    """
    return _range(ctx, key, interval(start, end), options, back=True)


def _range(ctx: Client, key: bytes, bounds: tuple[int, int], options: tuple[bytes, ...], *, back: bool) -> Reply:
    count = -1
    rest = iter(options)
    for option in rest:
        number = next(rest, None)
        if keyword(option) != b"COUNT" or number is None:
            raise SyntaxError_
        count = max(integer(number), 0)
    stream = ctx.db.read(key, Stream)
    if stream is None:
        return []
    if not count:
        return NullArray
    found = (stream.range_back if back else stream.range)(*bounds, max(count, 0))
    return shown_entries(found)


@command(
    "XSETID",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | UPDATE),
    history=(("7.0.0", "ENTRIESADDED and MAXDELETEDID."),),
)
def xsetid(ctx: Client, key: bytes, last_id: bytes, *options: bytes) -> Reply:
    """XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]

    Sets the last ID and the counters of a stream; for internal use.
    """
    last = exact_id(last_id)
    added = -1
    deleted = 0
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        value = next(rest, None)
        if option == b"ENTRIESADDED" and value is not None:
            added = integer(value)
            if added < 0:
                raise CommandError("ERR entries_added must be positive")
        elif option == b"MAXDELETEDID" and value is not None:
            deleted = exact_id(value)
            if last < deleted:
                raise CommandError("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
        else:
            raise SyntaxError_

    stream = ctx.db.write(key, Stream)
    if stream is None:
        raise NoSuchKey
    if last < stream.max_deleted_id:
        raise CommandError("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if stream.length:
        if last < stream.top_id():
            raise CommandError("ERR The ID specified in XSETID is smaller than the target stream top item")
        if added != -1 and stream.length > added:
            raise CommandError("ERR The entries_added specified in XSETID is smaller than the target stream length")
    stream.last_id = last
    if added != -1:
        stream.entries_added = added
    if deleted:
        stream.max_deleted_id = deleted
    record(ctx, 1, b"XSETID", key, last_id, *options)
    ctx.notify(key, "xsetid")
    return OK
