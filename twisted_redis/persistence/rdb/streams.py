"""Streams: nodes as listpacks, counters, consumer groups with their pending entries.

``datatypes.stream_listpack`` tells what is in the listpack of a node.  A node that is read stays a listpack in memory,
and is written as it is.
"""

from __future__ import annotations

from struct import Struct

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import Consumer, Group
from twisted_redis.datatypes.stream_idempotence import (
    MOST_DURATION,
    MOST_MAXSIZE,
    NOTHING_REMEMBERED,
    Idempotence,
)
from twisted_redis.datatypes.stream_ids import MAX_PART
from twisted_redis.datatypes.stream_listpack import read_packed
from twisted_redis.datatypes.stream_nodes import Record
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits, Reader
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.numbers import (
    length_bytes,
    read_length,
    read_signed_length,
    read_time,
    signed_length_bytes,
    time_bytes,
)
from twisted_redis.persistence.rdb.strings import read_string, string_bytes
from twisted_redis.persistence.rdb.types import OLDEST_TARGET

__all__ = ["CODEC", "read_node"]

STREAM_LISTPACKS = 15
STREAM_LISTPACKS_2 = 19
STREAM_LISTPACKS_3 = 21
STREAM_LISTPACKS_4 = 26
STREAM_LISTPACKS_5 = 27

_WITH_ACTIVE_TIMES = 11
"""The first version of the format with the third type of streams."""

_WITH_IDEMPOTENCE = 13
_WITH_NACKS = 14
"""The first versions with the fourth and the fifth type."""

_DELETED, _SAME_FIELDS = 1, 2
_ID_BYTES = 16
_pending = Struct("<16sq")


# writing


def _needs_active_times(stream: Stream) -> bool:
    """True if the active time of a consumer differs from its seen time, which types before the third cannot hold."""
    return any(
        consumer.active_time != consumer.seen_time
        for group in stream.groups.values()
        for consumer in group.consumers.values()
    )


def _least_version(stream: Stream) -> int:
    if any(group.nacked for group in stream.groups.values()):
        return _WITH_NACKS
    if stream.idempotence is not None and not stream.idempotence.is_usual():
        return _WITH_IDEMPOTENCE
    return _WITH_ACTIVE_TIMES if _needs_active_times(stream) else OLDEST_TARGET


_KINDS = {
    OLDEST_TARGET: STREAM_LISTPACKS_3,
    _WITH_ACTIVE_TIMES: STREAM_LISTPACKS_3,
    12: STREAM_LISTPACKS_3,
    _WITH_IDEMPOTENCE: STREAM_LISTPACKS_4,
    _WITH_NACKS: STREAM_LISTPACKS_5,
}


def _write(stream: Stream, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    kind = STREAM_LISTPACKS_2
    if version >= _WITH_ACTIVE_TIMES:
        # Types after the third are for streams that need them.
        kind = _KINDS[min(version, _least_version(stream))]
    parts = [length_bytes(len(stream.nodes))]
    append = parts.append
    for node in stream.nodes:
        append(length_bytes(_ID_BYTES) + node.start.to_bytes(_ID_BYTES, "big"))
        append(string_bytes(node.listpack(), compressed))
    append(length_bytes(stream.length))
    for entry_id in (stream.last_id, stream.first_id, stream.max_deleted_id):
        append(_id_lengths(entry_id))
    append(signed_length_bytes(stream.entries_added))
    append(length_bytes(len(stream.groups)))
    for name, group in sorted(stream.groups.items()):
        append(string_bytes(name, compressed))
        append(_id_lengths(group.last_id))
        append(signed_length_bytes(group.entries_read))
        nacked = () if kind < STREAM_LISTPACKS_5 else group.nacked
        append(length_bytes(len(group.pending) - len(group.nacked) + len(nacked)))
        for entry_id, (owner, time, count) in group.pending_from():
            if owner is None and not nacked:
                continue  # older servers cannot have it
            append(_pending.pack(entry_id.to_bytes(_ID_BYTES, "big"), time) + length_bytes(count))
        append(length_bytes(len(group.consumers)))
        for consumer_name, consumer in sorted(group.consumers.items()):
            append(string_bytes(consumer_name, compressed))
            append(time_bytes(consumer.seen_time))
            if kind >= STREAM_LISTPACKS_3:
                append(time_bytes(consumer.active_time))
            append(length_bytes(consumer.pending_count))
            parts += [entry_id.to_bytes(_ID_BYTES, "big") for entry_id, _ in group.pending_of(consumer)]
        if kind >= STREAM_LISTPACKS_5:
            append(length_bytes(len(nacked)))
            parts += [entry_id.to_bytes(_ID_BYTES, "big") for entry_id in nacked]
    if kind >= STREAM_LISTPACKS_4:
        _write_idempotence(parts, stream.idempotence or NOTHING_REMEMBERED, compressed)
    return kind, parts


def _write_idempotence(parts: list[bytes], idempotence: Idempotence, compressed: bool) -> None:
    append = parts.append
    for number in (idempotence.duration, idempotence.maxsize, len(idempotence.producers)):
        append(length_bytes(number))
    for producer, remembered in sorted(idempotence.producers.items()):
        append(string_bytes(producer, compressed))
        append(length_bytes(len(remembered)))
        for iid, entry_id in remembered.items():
            append(string_bytes(iid, compressed))
            append(_id_lengths(entry_id))
    append(length_bytes(idempotence.added))
    append(length_bytes(idempotence.duplicates))


def _id_lengths(entry_id: int) -> bytes:
    return length_bytes(entry_id >> 64) + length_bytes(entry_id & MAX_PART)


# reading


def _reader(kind: int) -> Reader:
    def read(data: bytes, pos: int, config: Limits) -> tuple[Stream, int]:
        return _read_stream(kind, data, pos)

    return read


def _read_stream(kind: int, data: bytes, pos: int) -> tuple[Stream, int]:
    """Returns the stream at ``pos``, stored as ``kind``, and the position behind it."""
    stream = Stream()
    count, pos = read_length(data, pos)
    last = -1
    while count:
        key, pos = read_string(data, pos)
        if len(key) != _ID_BYTES:
            raise CorruptData("a node of a stream under a key that is no ID")
        blob, pos = read_string(data, pos)
        start = int.from_bytes(key, "big")
        found = read_packed(blob, start, last)
        if found is not None:
            last = (start >> 64) + found.ms[-1] << 64 | found.sequences[-1]
            if found.dead is None or 0 in found.dead:
                stream.load_packed(start, found)
        else:
            # It is damaged, or in a form that Redis would not have written.
            fields, records = read_node(blob, start, last)
            last = records[-1].entry_id
            if not all(record.dead for record in records):
                stream.load_node(start, fields, records)
        count -= 1

    length, pos = read_length(data, pos)
    if length and last < 0:
        raise CorruptData("a stream that has entries but no nodes")
    stream.last_id, pos = _read_id(data, pos)
    if stream.last_id < last:
        raise CorruptData("a stream whose last ID is not the last")
    stream.find_first()
    if kind >= STREAM_LISTPACKS_2:
        _, pos = _read_id(data, pos)  # the first ID, which the entries give
        stream.max_deleted_id, pos = _read_id(data, pos)
        stream.entries_added, pos = read_length(data, pos)
    else:
        stream.entries_added = stream.length

    count, pos = read_length(data, pos)
    while count:
        pos = _read_group(kind, stream, data, pos)
        count -= 1
    if kind >= STREAM_LISTPACKS_4:
        idempotence, pos = _read_idempotence(data, pos)
        if not idempotence.is_usual():
            stream.idempotence = idempotence
    return stream, pos


def _read_idempotence(data: bytes, pos: int) -> tuple[Idempotence, int]:
    duration, pos = read_length(data, pos)
    maxsize, pos = read_length(data, pos)
    if not 1 <= duration <= MOST_DURATION:
        raise CorruptData("Stream IDMP duration out of range")
    if not 1 <= maxsize <= MOST_MAXSIZE:
        raise CorruptData("Stream IDMP max entries out of range")
    idempotence = Idempotence(duration, maxsize)
    producers, pos = read_length(data, pos)
    for _ in range(producers):
        producer, pos = read_string(data, pos)
        count, pos = read_length(data, pos)
        if producer in idempotence.producers:
            raise CorruptData("a stream with two producers of the same ID")
        remembered: dict[bytes, int] = {}
        for _ in range(count):
            iid, pos = read_string(data, pos)
            entry_id, pos = _read_id(data, pos)
            remembered.setdefault(iid, entry_id)
        if remembered:
            idempotence.producers[producer] = remembered
    idempotence.added, pos = read_length(data, pos)
    idempotence.duplicates, pos = read_length(data, pos)
    return idempotence, pos


def _read_id(data: bytes, pos: int) -> tuple[int, int]:
    ms, pos = read_length(data, pos)
    sequence, pos = read_length(data, pos)
    return ms << 64 | sequence, pos


def read_node(blob: bytes, start: int, last: int) -> tuple[tuple[bytes, ...], list[Record]]:
    """Returns the usual fields of a node, and its entries, whose IDs must be greater than ``last``."""
    texts = listpack.decode(blob)
    try:
        total = int(texts[0]) + int(texts[1])
        width = int(texts[2])
        place = 3 + width
        if width < 0 or total < 1 or texts[place] != b"0":
            raise CorruptData("a node of a stream with a broken master entry")
        fields = tuple(texts[3:place])
        place += 1
        live = 0
        records: list[Record] = []
        usual = b"%d" % (width + 3)
        base_ms, base_sequence = start >> 64, start & MAX_PART
        while total:
            flags = int(texts[place])
            ms = base_ms + int(texts[place + 1]) & MAX_PART
            entry_id = ms << 64 | base_sequence + int(texts[place + 2]) & MAX_PART
            if entry_id <= last:
                raise CorruptData("a stream whose IDs do not rise")
            last = entry_id
            place += 3
            row: list[bytes]
            if flags & _SAME_FIELDS:
                end = place + width
                row = [b""] * (2 * width)
                row[::2] = fields
                row[1::2] = texts[place:end]
                counted = usual
            else:
                own = int(texts[place])
                if own < 0:
                    raise CorruptData("an entry of a stream with less than no fields")
                place += 1
                end = place + 2 * own
                row = texts[place:end]
                counted = b"%d" % (2 * own + 4)
            if texts[end] != counted:
                raise CorruptData("an entry of a stream with another number of elements than it says")
            place = end + 1
            dead = bool(flags & _DELETED)
            live += not dead
            records.append(Record(entry_id, row, dead))
            total -= 1
    except (IndexError, ValueError) as error:
        if isinstance(error, CorruptData):
            raise
        raise CorruptData("a node of a stream is broken") from None
    if place != len(texts) or records[0].entry_id < start or live != int(texts[0]):
        raise CorruptData("a node of a stream with other entries than it says")
    return fields, records


def _read_group(kind: int, stream: Stream, data: bytes, pos: int) -> int:
    """Adds the group at ``pos`` to ``stream``; returns the position behind it."""
    name, pos = read_string(data, pos)
    last_id, pos = _read_id(data, pos)
    if kind >= STREAM_LISTPACKS_2:
        entries_read, pos = read_signed_length(data, pos)
    else:
        entries_read = stream.count_until(last_id)
    if name in stream.groups:
        raise CorruptData("a stream with two groups of the same name")
    group = stream.groups[name] = Group(last_id, entries_read)

    left: dict[int, tuple[int, int]] = {}
    count, pos = read_length(data, pos)
    for _ in range(count):
        key, time = _pending.unpack_from(data, pos)
        delivered, pos = read_length(data, pos + _pending.size)
        entry_id = int.from_bytes(key, "big")
        if entry_id in left:
            raise CorruptData("an entry that is pending twice")
        left[entry_id] = time, delivered

    count, pos = read_length(data, pos)
    for _ in range(count):
        pos = _read_consumer(kind, group, left, data, pos)
    if kind >= STREAM_LISTPACKS_5:
        count, pos = read_length(data, pos)
        for _ in range(count):
            entry_id, pos = _read_raw_id(data, pos)
            pending = left.pop(entry_id, None)
            if pending is None:
                raise CorruptData("an entry was given back that is not pending, or that has a consumer")
            group.give_back(entry_id, pending[1])
    if left:
        raise CorruptData("an entry that is pending for nobody")
    return pos


def _read_consumer(kind: int, group: Group, left: dict[int, tuple[int, int]], data: bytes, pos: int) -> int:
    """Adds the consumer at ``pos`` to ``group``, with its pending entries, which it takes from ``left``."""
    name, pos = read_string(data, pos)
    if name in group.consumers:
        raise CorruptData("Duplicate stream consumer detected")
    seen, pos = read_time(data, pos)
    active = seen
    if kind >= STREAM_LISTPACKS_3:
        active, pos = read_time(data, pos)
    consumer = group.consumers[name] = Consumer(name, seen, active)
    count, pos = read_length(data, pos)
    for _ in range(count):
        entry_id, pos = _read_raw_id(data, pos)
        pending = left.pop(entry_id, None)
        if pending is None:
            raise CorruptData("an entry is pending for a consumer and not for its group, or for two consumers")
        group.add_pending(entry_id, consumer, *pending)
    return pos


def _read_raw_id(data: bytes, pos: int) -> tuple[int, int]:
    end = pos + _ID_BYTES
    key = data[pos:end]
    if len(key) < _ID_BYTES:
        raise Truncated("an ID that is pending ends too early")
    return int.from_bytes(key, "big"), end


CODEC = Codec(
    _write,
    (
        Encoding(STREAM_LISTPACKS, "stream", _reader(STREAM_LISTPACKS), "Stream listpack"),
        Encoding(STREAM_LISTPACKS_2, "stream-v2", _reader(STREAM_LISTPACKS_2), "Stream listpack"),
        Encoding(STREAM_LISTPACKS_3, "stream-v3", _reader(STREAM_LISTPACKS_3), "Stream listpack"),
        Encoding(STREAM_LISTPACKS_4, "stream-v4", _reader(STREAM_LISTPACKS_4), "Stream listpack"),
        Encoding(STREAM_LISTPACKS_5, "stream-v5", _reader(STREAM_LISTPACKS_5), "Stream listpack"),
    ),
    _least_version,
)
