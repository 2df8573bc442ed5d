"""Round trips of values in every type that the server writes, and reading every type that Redis ever wrote."""

from __future__ import annotations

from array import array
from math import inf
from typing import Any

import pytest

from tests.persistence.rdb.test_ziplist import ZIPMAP
from tests.persistence.rdb.test_ziplist import packed as packed_ziplist
from twisted_redis.config import Config
from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.set import Set
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.persistence.rdb import hashes, lists, own, sets, sorted_sets, streams
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue, Truncated
from twisted_redis.persistence.rdb.numbers import length_bytes
from twisted_redis.persistence.rdb.payload import dump, is_intact, restore, seal
from twisted_redis.persistence.rdb.records import Key, read_record
from twisted_redis.persistence.rdb.strings import STRING, string_bytes
from twisted_redis.persistence.rdb.table import least_version, read_value, value_parts


@pytest.fixture
def config() -> Config:
    return Config()


def timed_hash(large: bool) -> Hash:
    value = Hash({b"a": b"1", b"b": b"2", b"c": b"x" * 70})
    value.large = large
    value.set_time(b"b", 5_000_000_000_000)
    value.set_time(b"c", 4_000_000_000_000)
    return value


def persisted_hash() -> Hash:
    value = Hash({b"a": b"1"})
    value.set_time(b"a", 5)
    value.persist(b"a")
    return value


def large_hash() -> Hash:
    value = Hash({b"field:%d" % number: b"%d" % number for number in range(1000)})
    value.large = True
    return value


def long_list() -> List:
    return List([*(b"element %d" % number for number in range(3000)), b"x" * 9000, b"-5"])


def make_stream(active: int) -> Stream:
    stream = Stream()
    for number in range(1, 251):
        row = [b"f", b"%d" % number, b"g", b"text %d" % number]
        if number % 60 == 7:
            row = [b"only", b"one"]
        stream.append((1_700_000_000_000 + number // 3) << 64 | number, row, 4096, 100)
    for number in (3, 99, 100, 101, 205):
        assert stream.delete((1_700_000_000_000 + number // 3) << 64 | number)
    stream.trim_length(230)
    stream.find_first()
    group = _add_group(stream, b"group", 1_700_000_000_001 << 64 | 4, 4)
    _add_group(stream, b"another", 0, -1)
    consumer = group.add_consumer(b"consumer", 1000)
    consumer.active_time = active
    for entry_id in (5, 1_700_000_000_000 << 64 | 2, 1_700_000_000_001 << 64 | 4):
        group.add_pending(entry_id, consumer, 1000 + (entry_id & 7), 2)
    group.add_consumer(b"another", 2000).active_time = 2000
    group.add_pending(9, group.consumers[b"another"], 77)
    return stream


def _add_group(stream: Stream, name: bytes, last_id: int, entries_read: int):  # type: ignore[no-untyped-def]
    from twisted_redis.datatypes.stream_groups import Group

    group = stream.groups[name] = Group(last_id, entries_read)
    return group


def shown(value: Any) -> Any:
    """Returns the complete contents of a value."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, Stream):
        return (
            list(value.range()),
            [list(node.records()) for node in value.nodes],
            (value.last_id, value.first_id, value.max_deleted_id, value.entries_added, len(value)),
            {
                name: (group.last_id, group.entries_read, list(group.pending_from()), _consumers(group))
                for name, group in value.groups.items()
            },
        )
    content: Any
    if isinstance(value, Hash):
        content = value.fields, value.times
    elif isinstance(value, ZSet):
        content = value.pairs(0, len(value))
    elif isinstance(value, Set):
        content = set(value)
    else:
        content = list(value.nodes())
    return value.encoding(), content


def _consumers(group: Any) -> dict[bytes, Any]:
    return {
        name: (consumer.seen_time, consumer.active_time, consumer.pending_count, list(group.pending_of(consumer)))
        for name, consumer in group.consumers.items()
    }


VALUES = {
    "string": (lambda: b"text", STRING, 10),
    "long string": (lambda: bytes(range(256)) * 300, STRING, 10),
    "compressible string": (lambda: b"abc" * 300, STRING, 10),
    "raw string": (lambda: bytearray(b"text"), STRING, 10),
    "integer": (lambda: b"-12345", STRING, 10),
    "short list": (lambda: List([b"a", b"1", b""]), lists.LIST_QUICKLIST_2, 10),
    "long list": (long_list, lists.LIST_QUICKLIST_2, 10),
    "intset": (lambda: Set(array("q", [-1, 5, 2**40])), sets.SET_INTSET, 10),
    "small set": (lambda: Set(dict.fromkeys([b"b", b"a", b"1"])), sets.SET, 10),
    "large set": (lambda: Set({b"member %d" % number for number in range(1000)}), sets.SET, 10),
    "small zset": (lambda: zset(b"a", 1, b"b", 2.5, b"c", inf, b"d", -inf, b"e", 1e30), sorted_sets.ZSET_LISTPACK, 10),
    "large zset": (
        lambda: zset(*[item for number in range(500) for item in (b"m%d" % number, number / 7)]),
        sorted_sets.ZSET_2,
        10,
    ),
    "small hash": (lambda: Hash({b"a": b"1", b"b": b"x"}), hashes.HASH_LISTPACK, 10),
    "large hash": (large_hash, hashes.HASH, 10),
    "small hash with times": (lambda: timed_hash(False), hashes.HASH_LISTPACK_EX, 12),
    "small hash that had times": (persisted_hash, hashes.HASH_LISTPACK_EX, 12),
    "large hash with times": (lambda: timed_hash(True), hashes.HASH_METADATA, 12),
    "stream": (lambda: make_stream(1000), streams.STREAM_LISTPACKS_2, 10),
    "stream with idle consumers": (lambda: make_stream(-1), streams.STREAM_LISTPACKS_3, 11),
    "empty stream": (Stream, streams.STREAM_LISTPACKS_2, 10),
}


def zset(*items: Any) -> ZSet:
    return ZSet.from_pairs(zip(items[::2], map(float, items[1::2]), strict=True), Config())


@pytest.fixture(params=VALUES)
def case(request: pytest.FixtureRequest) -> tuple[Any, int, int]:
    make, kind, version = VALUES[request.param]
    return make(), kind, version


def test_dump_and_restore(case: tuple[Any, int, int], config: Config) -> None:
    value, kind, version = case
    payload = dump(value)
    assert is_intact(payload)
    assert payload[0] == kind
    assert payload[-10] == least_version(value) == version
    assert shown(restore(payload, config)) == shown(value)


def test_the_newest_version(case: tuple[Any, int, int], config: Config) -> None:
    value, lowest, _ = case
    kind, parts = value_parts(value)
    newer = {sets.SET: sets.SET_LISTPACK, streams.STREAM_LISTPACKS_2: streams.STREAM_LISTPACKS_3}
    small = not isinstance(value, Set) or value.encoding() == "listpack"
    assert kind == (newer.get(lowest, lowest) if small else lowest)
    data = b"".join(parts)
    found, end = read_value(kind, b"?" + data + b"!", 1, config)
    assert end == 1 + len(data)
    assert shown(found) == shown(value)


def test_every_cut_is_noticed(case: tuple[Any, int, int], config: Config) -> None:
    value, _, _ = case
    kind, parts = value_parts(value)
    data = b"".join(parts)
    for cut in {*range(0, len(data), len(data) // 300 + 1), *range(max(len(data) - 50, 0), len(data))}:
        with pytest.raises(Truncated):
            read_value(kind, data[:cut], 0, config)


def test_bytes_after_the_value_do_not_matter(case: tuple[Any, int, int], config: Config) -> None:
    value, _, _ = case
    kind, parts = value_parts(value)
    mapped = memoryview(b"".join(parts) + bytes(50)).tobytes()
    assert shown(read_value(kind, mapped, 0, config)[0]) == shown(value)


def test_payloads_that_are_not_intact() -> None:
    payload = dump(b"text")
    assert is_intact(payload)
    for place in range(len(payload)):
        assert not is_intact(payload[:place] + bytes((payload[place] ^ 1,)) + payload[place + 1 :])
    assert not is_intact(payload[:9])
    assert not is_intact(b"")
    assert not is_intact(seal(b"\x00\x04text", 15))
    assert not is_intact(seal(b"\x00\x04text", 15), checksum=False)
    assert is_intact(seal(b"\x00\x04text", 1))
    assert is_intact(seal(b"\x00\x04text", 1)[:-8] + bytes(8))
    assert is_intact(seal(b"\x00\x04text", 14))
    assert is_intact(payload[:-1] + b"?", checksum=False)


def test_a_payload_of_nothing(config: Config) -> None:
    with pytest.raises(CorruptData):
        restore(seal(b""), config)


# metadata that modules keep for a key, before its value

METADATA = b"\xf3\x01" + b"\x01\x00\x00\x00" + b"\x05\x03own" + b"\x02\x07" + b"\x00"


def test_metadata_of_a_key_are_left_out(config: Config) -> None:
    assert restore(seal(METADATA + b"\x00\x04text"), config) == b"text"
    record, _ = read_record(b"\xfc" + bytes(8) + METADATA + b"\x00\x01k\x04text", 0, config)
    assert record == Key(b"k", b"text", 0)


def test_metadata_that_are_needed_or_damaged(config: Config) -> None:
    needed = METADATA.replace(b"\x01\x00\x00\x00", b"\x00\x00\x00\x00")
    with pytest.raises(CorruptData, match="metadata"):
        restore(seal(needed + b"\x00\x04text"), config)
    for end in range(1, len(METADATA)):
        with pytest.raises(Truncated):
            read_record(METADATA[:end], 0, config)


# types that are read only


def strings(*texts: bytes) -> bytes:
    return length_bytes(len(texts)) + b"".join(map(string_bytes, texts))


def blob(data: bytes) -> bytes:
    return string_bytes(data, compressed=False)


ZIPLIST = packed_ziplist(b"\x01a", b"\xf2", b"\x01b", b"\x042.50")

OLD = {
    "list": (lists.LIST, strings(b"a", b"1", b"b"), ("listpack", [(False, [b"a", b"1", b"b"])])),
    "list in a ziplist": (lists.LIST_ZIPLIST, blob(ZIPLIST), ("quicklist", [(False, [b"a", b"1", b"b", b"2.50"])])),
    "list of ziplists": (
        lists.LIST_QUICKLIST,
        b"\x03" + blob(ZIPLIST) + blob(packed_ziplist()) + blob(ZIPLIST),
        ("quicklist", [(False, [b"a", b"1", b"b", b"2.50"]), (False, [b"a", b"1", b"b", b"2.50"])]),
    ),
    "set": (sets.SET, strings(b"3", b"1", b"2"), ("intset", {b"1", b"2", b"3"})),
    "zset": (
        sorted_sets.ZSET,
        b"\x03\x01a\x011\x01b\x042.50\x01c\xfe",
        ("listpack", [(b"a", 1.0), (b"b", 2.5), (b"c", inf)]),
    ),
    "zset in a ziplist": (sorted_sets.ZSET_ZIPLIST, blob(ZIPLIST), ("listpack", [(b"a", 1.0), (b"b", 2.5)])),
    "hash in a ziplist": (hashes.HASH_ZIPLIST, blob(ZIPLIST), ("listpack", ({b"a": b"1", b"b": b"2.50"}, None))),
    "hash in a zipmap": (hashes.HASH_ZIPMAP, blob(ZIPMAP), ("hashtable", ({b"f": b"one", b"two": b"v" * 300}, None))),
    "hash with times of 7.4-rc1": (
        hashes.HASH_METADATA_PRE_GA,
        b"\x02\x00\x01a\x011\x05\x01b\x012",
        ("listpackex", ({b"a": b"1", b"b": b"2"}, {b"b": 5})),
    ),
    "packed hash with times of 7.4-rc1": (
        hashes.HASH_LISTPACK_EX_PRE_GA,
        blob(listpack.encode([b"b", b"2", b"5", b"a", b"1", b"0"])),
        ("listpackex", ({b"b": b"2", b"a": b"1"}, {b"b": 5})),
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_old_types(name: str, config: Config) -> None:
    kind, data, expected = OLD[name]
    value, end = read_value(kind, data, 0, config)
    assert end == len(data)
    assert shown(value) == expected
    for cut in range(len(data)):
        with pytest.raises(Truncated):
            read_value(kind, data[:cut], 0, config)


def test_a_stream_of_redis_5(config: Config) -> None:
    """Omits the counters of Redis 7, which follow from the entries, and the times of activity."""
    stream = Stream()
    for number in (1, 2, 3):
        stream.append(number << 64, [b"f", b"%d" % number], 4096, 100)
    _, parts = value_parts(stream, 10)
    nodes = b"".join(parts[:3])
    data = nodes + b"\x03\x03\x00" + b"\x01\x01g\x02\x00"
    data += b"\x01" + (1 << 64).to_bytes(16, "big") + (7000).to_bytes(8, "little") + b"\x02"
    data += b"\x01\x01c" + (9000).to_bytes(8, "little") + b"\x01" + (1 << 64).to_bytes(16, "big")
    value, end = read_value(streams.STREAM_LISTPACKS, data, 0, config)
    assert end == len(data)
    assert (value.last_id, value.first_id, value.entries_added) == (3 << 64, 1 << 64, 3)
    group = value.groups[b"g"]
    assert (group.last_id, group.entries_read) == (2 << 64, -1)
    consumer = group.consumers[b"c"]
    assert (consumer.seen_time, consumer.active_time) == (9000, 9000)
    assert list(group.pending_of(consumer)) == [(1 << 64, (b"c", 7000, 2))]


# the encoding of a value


def test_forms_follow_the_configuration(config: Config) -> None:
    def form(kind: int, data: bytes) -> str:
        encoding: str = read_value(kind, data, 0, config)[0].encoding()
        return encoding

    numbers = [b"%d" % number for number in range(10)]
    words = [b"word %d" % number for number in range(10)]
    assert form(sets.SET, strings(*numbers)) == "intset"
    assert form(sets.SET, strings(*words)) == "listpack"
    assert form(sets.SET, strings(*numbers, *words)) == "listpack"
    assert form(sets.SET, strings(*numbers, b"x" * 65)) == "hashtable"
    assert form(hashes.HASH, b"\x01" + strings(b"f", b"x" * 65)[1:]) == "hashtable"
    assert form(hashes.HASH_LISTPACK, blob(listpack.encode([b"f", b"x" * 65]))) == "listpack"
    assert form(sorted_sets.ZSET_2, b"\x01\x40\x41" + b"x" * 65 + bytes(8)) == "skiplist"
    assert form(sorted_sets.ZSET_LISTPACK, blob(listpack.encode([b"x" * 65, b"1"]))) == "listpack"
    config.set_max_intset_entries = config.set_max_listpack_entries = 5
    config.hash_max_listpack_entries = config.zset_max_listpack_entries = 4
    assert form(sets.SET, strings(*numbers)) == "hashtable"
    assert form(sets.SET, strings(*numbers[:6])) == "hashtable"
    assert form(sets.SET, strings(*words[:5])) == "listpack"
    assert form(sets.SET_INTSET, blob(b"\x02\0\0\0\x06\0\0\0\1\0\2\0\3\0\4\0\5\0\6\0")) == "hashtable"
    assert form(sets.SET_LISTPACK, blob(listpack.encode(words))) == "hashtable"
    assert form(hashes.HASH_LISTPACK, blob(listpack.encode(words))) == "hashtable"
    assert form(hashes.HASH_LISTPACK, blob(listpack.encode(words[:8]))) == "listpack"
    assert form(hashes.HASH, b"\x05" + strings(*words)[1:]) == "hashtable"
    assert form(sorted_sets.ZSET_LISTPACK, blob(listpack.encode([*numbers, b"a", b"1"]))) == "skiplist"
    assert form(hashes.HASH_LISTPACK_EX, bytes(8) + blob(listpack.encode([b"a", b"b", b"5"] * 1))) == "listpackex"
    config.hash_max_listpack_entries = 0
    assert form(hashes.HASH_LISTPACK_EX, bytes(8) + blob(listpack.encode([b"a", b"b", b"5"]))) == "hashtable"


# invalid records


TWICE = listpack.encode([b"a", b"1", b"a", b"2"])
TIMES = [([b"a", b"1", b"0", b"b", b"2", b"5"]), ([b"a", b"1", b"6", b"b", b"2", b"5"]), ([b"a", b"1", b"x"])]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (sets.SET, strings(b"a", b"a")),
        (sets.SET, strings(b"1", b"1")),
        (sets.SET, strings(b"1", b"a", b"1")),
        (sets.SET_LISTPACK, blob(listpack.encode([b"a", b"a"]))),
        (hashes.HASH, b"\x02\x01a\x011\x01a\x012"),
        (hashes.HASH_LISTPACK, blob(TWICE)),
        (hashes.HASH_LISTPACK, blob(listpack.encode([b"a", b"1", b"b"]))),
        (hashes.HASH_ZIPLIST, blob(packed_ziplist(b"\x01a", b"\x01b", b"\x01a", b"\x01b"))),
        (hashes.HASH_ZIPLIST, blob(packed_ziplist(b"\x01a"))),
        (sorted_sets.ZSET, b"\x02\x01a\x011\x01a\x012"),
        (sorted_sets.ZSET, b"\x01\x01a\xfd"),
        (sorted_sets.ZSET_2, b"\x02\x01a" + bytes(8) + b"\x01a" + bytes(8)),
        (sorted_sets.ZSET_2, b"\x01\x01a" + b"\xff" * 8),
        (sorted_sets.ZSET_LISTPACK, blob(TWICE)),
        (sorted_sets.ZSET_LISTPACK, blob(listpack.encode([b"a", b"text"]))),
        (sorted_sets.ZSET_LISTPACK, blob(listpack.encode([b"a", b"nan"]))),
        (sorted_sets.ZSET_LISTPACK, blob(listpack.encode([b"a"]))),
        (lists.LIST_QUICKLIST_2, b"\x01\x03" + blob(TWICE)),
        (lists.LIST_QUICKLIST_2, b"\x01\x01\x00"),
        *[(hashes.HASH_LISTPACK_EX, bytes(8) + blob(listpack.encode(texts))) for texts in TIMES],
        (hashes.HASH_LISTPACK_EX, bytes(8) + blob(listpack.encode([b"a", b"1", b"%d" % 2**48]))),
        (hashes.HASH_LISTPACK_EX, bytes(8) + blob(listpack.encode([b"a", b"1", b"5", b"a", b"1", b"6"]))),
        (hashes.HASH_METADATA, b"\xff" * 8 + b"\x01\x01\x01a\x011"),
        (hashes.HASH_METADATA, bytes(8) + b"\x02\x01\x01a\x011\x01\x01a\x011"),
        (own.MODULE_PRE_GA, bytes(20)),
        (own.MODULE_2, bytes(20)),
        (8, bytes(20)),
        (26, bytes(20)),
        (255, bytes(20)),
    ],
)
def test_corrupt_data(kind: int, data: bytes, config: Config) -> None:
    with pytest.raises(CorruptData) as caught:
        read_value(kind, data, 0, config)
    assert caught.type is CorruptData


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *[(kind, b"\x00") for kind in (lists.LIST, sets.SET, sorted_sets.ZSET, sorted_sets.ZSET_2, hashes.HASH)],
        (lists.LIST_QUICKLIST, b"\x00"),
        (lists.LIST_QUICKLIST_2, b"\x00"),
        (lists.LIST_QUICKLIST, b"\x01" + blob(packed_ziplist())),
        (lists.LIST_QUICKLIST_2, b"\x01\x02" + blob(listpack.encode([]))),
        (lists.LIST_ZIPLIST, blob(packed_ziplist())),
        (hashes.HASH_ZIPLIST, blob(packed_ziplist())),
        (hashes.HASH_LISTPACK, blob(listpack.encode([]))),
        (sets.SET_LISTPACK, blob(listpack.encode([]))),
        (sorted_sets.ZSET_LISTPACK, blob(listpack.encode([]))),
        (hashes.HASH_METADATA, bytes(8) + b"\x00"),
    ],
)
def test_collections_of_nothing(kind: int, data: bytes, config: Config) -> None:
    with pytest.raises(EmptyValue) as caught:
        read_value(kind, data + b"more", 0, config)
    assert caught.value.end == len(data)


@pytest.mark.parametrize("kind", range(26))
def test_hostile_lengths(kind: int, config: Config) -> None:
    """A record that claims to be large takes only as much memory and time as the bytes that are there."""
    huge = b"\x81" + b"\xff" * 8
    before = (b"", bytes(8), b"\x01", b"\xc3" + huge, b"\x01\x02", b"\x01\xc3\x05")
    for head in [start + huge for start in before]:
        for tail in (b"", bytes(1000)):
            try:
                read_value(kind, head + tail, 0, config)
            except CorruptData:
                pass
