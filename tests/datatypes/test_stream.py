"""Streams: adding, removing and reading entries, and the counters of all entries so far."""

from __future__ import annotations

import random
from typing import Any

import pytest

from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_groups import UNKNOWN, Group
from twisted_redis.datatypes.stream_ids import MAX_ID, MAX_PART, id_text
from twisted_redis.datatypes.stream_nodes import Record
from twisted_redis.datatypes.table import type_name


def _add(stream: Stream, entry_id: int, entries: int = 100) -> None:
    stream.append(entry_id, (b"n", b"%d" % entry_id), 4096, entries)


def _stream(*ids: int, entries: int = 100) -> Stream:
    stream = Stream()
    for entry_id in ids:
        _add(stream, entry_id, entries)
    return stream


def _ids(stream: Stream) -> list[int]:
    return [ms << 64 | sequence for ms, sequence, _ in stream.range()]


# IDs


def test_next_id_is_the_time_unless_that_is_not_later() -> None:
    stream = Stream()
    assert stream.next_id(5) == 5 << 64
    stream.last_id = 5 << 64 | 3
    assert stream.next_id(5) == 5 << 64 | 4
    assert stream.next_id(4) == 5 << 64 | 4
    assert stream.next_id(6) == 6 << 64
    stream.last_id = 5 << 64 | MAX_PART
    assert stream.next_id(5) == 6 << 64
    stream.last_id = MAX_ID
    assert stream.next_id(5) > MAX_ID


def test_next_in_stays_in_its_millisecond() -> None:
    stream = Stream()
    assert stream.next_in(0) == 1
    assert stream.next_in(7) == 7 << 64
    stream.last_id = 7 << 64 | 2
    assert stream.next_in(7) == 7 << 64 | 3
    stream.last_id = 7 << 64 | MAX_PART
    assert stream.next_in(7) is None


# Compared with a plain list


class _Model:
    """The behaviour of a stream, implemented with a list of IDs."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def trim_length(self, maximum: int) -> int:
        count = max(len(self.ids) - maximum, 0)
        del self.ids[:count]
        return count

    def trim_before(self, minimum: int) -> int:
        kept = [entry_id for entry_id in self.ids if entry_id >= minimum]
        count = len(self.ids) - len(kept)
        self.ids = kept
        return count


@pytest.mark.parametrize("seed", range(40))
def test_as_a_list_of_entries(seed: int) -> None:
    chance = random.Random(seed)
    entries = chance.choice([1, 2, 3, 10, 0])
    stream, model = Stream(), _Model()
    rows: dict[int, list[bytes]] = {}
    last = 0
    for _ in range(chance.randint(1, 300)):
        action = chance.random()
        if action < 0.7 or not model.ids:
            last += chance.choice([1, 1, 2, 1 << 64, 1 << 70])
            row = [b"a", b"%d" % last] if chance.random() < 0.8 else [b"b", b"x", b"a", b"%d" % last]
            stream.append(last, tuple(row), chance.choice([4096, 100]), entries)
            model.ids.append(last)
            rows[last] = row
        elif action < 0.85:
            entry_id = chance.choice(model.ids) + chance.choice([0, 0, 1])
            there = entry_id in model.ids
            assert (entry_id in stream) == there
            assert stream.delete(entry_id) == there
            stream.find_first()
            if there:
                model.ids.remove(entry_id)
                assert stream.max_deleted_id >= entry_id
        elif action < 0.93:
            maximum = chance.randint(0, len(model.ids) + 1)
            assert stream.trim_length(maximum) == model.trim_length(maximum)
        else:
            minimum = chance.choice(model.ids) + chance.choice([0, 1])
            assert stream.trim_before(minimum) == model.trim_before(minimum)

        assert len(stream) == len(model.ids)
        assert stream.first_id == (model.ids[0] if model.ids else 0)
        assert stream.top_id() == (model.ids[-1] if model.ids else 0)
        assert stream.last_id == last
        start, end = chance.randint(0, last + 1), chance.randint(0, last + 1)
        count = chance.choice([0, 1, 2, 7])
        expected = [entry_id for entry_id in model.ids if start <= entry_id <= end]
        there = list(stream.range(start, end, count))
        assert [(ms << 64 | sequence, list(row)) for ms, sequence, row in there] == [
            (entry_id, rows[entry_id]) for entry_id in expected[: count or None]
        ]
        back = list(stream.range_back(start, end, count))
        assert [ms << 64 | sequence for ms, sequence, _ in back] == expected[::-1][: count or None]
    for entry_id, row in rows.items():
        found = stream.get(entry_id)
        assert (None if found is None else list(found)) == (row if entry_id in model.ids else None)
    assert _ids(stream.copy()) == model.ids


# Trimming by whole nodes


def test_approximate_trimming_removes_whole_nodes() -> None:
    stream = _stream(*range(1, 36), entries=10)
    assert stream.trim_length(20, approximate=True) == 10
    assert len(stream) == 25
    assert stream.first_id == 11
    assert stream.trim_length(16, approximate=True) == 0
    assert stream.trim_length(15, approximate=True) == 10
    assert stream.trim_before(31, approximate=True) == 10
    assert stream.trim_before(35, approximate=True) == 0
    assert stream.trim_length(0, approximate=True) == 5
    assert (len(stream), stream.first_id, stream.nodes) == (0, 0, [])


def test_a_limit_bounds_what_is_trimmed() -> None:
    stream = _stream(*range(1, 101), entries=10)
    assert stream.trim_length(0, approximate=True, limit=25) == 20
    assert stream.trim_before(MAX_ID, approximate=True, limit=9) == 0
    assert stream.trim_before(MAX_ID, approximate=True, limit=30) == 30
    assert stream.first_id == 51


def test_tombstones_do_not_count_for_the_limit() -> None:
    stream = _stream(*range(1, 31), entries=10)
    for entry_id in range(1, 9):
        stream.delete(entry_id)
    assert stream.trim_length(0, approximate=True, limit=12) == 12


def test_a_node_full_of_tombstones_stays_after_an_exact_trim() -> None:
    # Redis also keeps it, because its last entry, a tombstone, is not below the ID.
    stream = _stream(1, 2, 3)
    stream.delete(3)
    assert stream.trim_before(3) == 2
    assert (len(stream), len(stream.nodes), stream.first_stored_id()) == (0, 1, 1)
    assert _ids(stream) == []
    _add(stream, 9)
    assert (stream.first_id, _ids(stream), stream.top_id()) == (9, [9], 9)


def test_a_node_goes_with_its_last_entry() -> None:
    stream = _stream(*range(1, 31), entries=10)
    for entry_id in range(11, 21):
        assert stream.delete(entry_id)
    assert stream.starts == [1, 21]
    assert not stream.delete(15)
    for entry_id in range(21, 31):
        stream.delete(entry_id)
    # The next entry needs a new node, because the node that is now last is full.
    _add(stream, 40, entries=10)
    assert stream.starts == [1, 40]


def test_the_first_stored_id_may_be_a_tombstone() -> None:
    stream = _stream(1, 2)
    stream.delete(1)
    stream.find_first()
    assert (stream.first_id, stream.first_stored_id()) == (2, 1)
    assert Stream().first_stored_id() == MAX_ID


# Ranges


def test_a_range_looks_only_at_the_nodes_it_needs() -> None:
    stream = _stream(*range(1, 100_001))
    nodes = stream.nodes = _Counting(stream.nodes)
    assert [sequence for _, sequence, _ in stream.range(50_050, MAX_ID, 3)] == [50_050, 50_051, 50_052]
    assert [sequence for _, sequence, _ in stream.range_back(0, 50_050, 2)] == [50_050, 50_049]
    assert stream.get(70_000) == [b"n", b"70000"]
    assert nodes.read <= 5


class _Counting(list[Any]):
    """A list that counts how often an item is asked for."""

    read = 0

    def __getitem__(self, place: Any) -> Any:
        self.read += 1
        return super().__getitem__(place)


# Counters


def test_count_until() -> None:
    stream = Stream()
    assert stream.count_until(5) == 0
    for entry_id in range(1, 6):
        _add(stream, entry_id)
    assert stream.count_until(0) == 0
    assert stream.count_until(1) == 1
    assert stream.count_until(3) == UNKNOWN
    assert stream.count_until(5) == 5
    assert stream.count_until(6) == UNKNOWN
    stream.trim_length(3)
    assert stream.count_until(2) == 2
    assert stream.count_until(3) == 3
    stream.delete(4)
    assert stream.count_until(3) == UNKNOWN
    assert stream.count_until(5) == 5
    stream.trim_length(0)
    assert stream.count_until(5) == 5
    assert stream.count_until(2) == 5


def test_lag() -> None:
    stream = Stream()
    group = Group(0, 0)
    assert stream.lag(group) == 0
    for entry_id in range(1, 6):
        _add(stream, entry_id)
    assert stream.lag(group) == 5
    stream.advance(group, 1)
    assert (group.last_id, group.entries_read, stream.lag(group)) == (1, 1, 4)
    stream.advance(group, 2)
    assert (group.entries_read, stream.lag(group)) == (2, 3)
    stream.delete(4)
    assert stream.lag(group) is None
    stream.advance(group, 3)
    assert (group.entries_read, stream.lag(group)) == (UNKNOWN, None)
    stream.advance(group, 5)
    assert (group.entries_read, stream.lag(group)) == (5, 0)
    assert stream.lag(Group(9, UNKNOWN)) is None


def test_lag_of_a_group_behind_the_first_entry() -> None:
    stream = _stream(*range(1, 11))
    stream.trim_length(4)
    assert stream.lag(Group(3, UNKNOWN)) == 4
    stream.delete(8)
    assert stream.lag(Group(3, UNKNOWN)) is None
    assert stream.lag(Group(8, 8)) is None
    assert stream.lag(Group(9, 9)) == 1


# The whole stream


def test_a_copy_shares_nothing_that_changes() -> None:
    stream = _stream(*range(1, 26), entries=10)
    group = stream.groups[b"g"] = Group(3, 3)
    group.deliver(3, group.add_consumer(b"c", 7), 8)
    stream.delete(12)
    twin = stream.copy()
    assert (twin.length, twin.entries_added, twin.max_deleted_id, twin.last_id) == (24, 25, 12, 25)
    assert (twin.tree_nodes, twin.starts) == (stream.tree_nodes, stream.starts)
    twin.delete(13)
    twin.trim_length(5)
    _add(twin, 99)
    twin.groups[b"g"].acknowledge(3)
    del twin.groups[b"g"].consumers[b"c"]
    assert _ids(stream) == [*range(1, 12), *range(13, 26)]
    assert list(group.pending) == [3]
    assert group.consumers[b"c"].pending_count == 1


def test_loaded_nodes() -> None:
    stream = _stream(*range(1, 26), entries=10)
    stream.delete(12)
    other = Stream()
    for node in stream.nodes:
        other.load_node(node.start, node.fields, [Record(*record) for record in node.records()])
    assert _ids(other) == _ids(stream)
    assert (other.length, other.starts, other.tree_nodes) == (24, stream.starts, stream.tree_nodes)
    assert [node.bytes() for node in other.nodes] == [node.bytes() for node in stream.nodes]
    _add(other, 26, entries=10)
    assert len(other.nodes) == 3
    assert other.nodes[0].fields is other.nodes[1].fields


def test_a_node_is_packed_with_the_entry_that_fills_it() -> None:
    stream = _stream(*range(1, 100))
    assert stream.nodes[0].packed is None
    open_size = stream.memory()
    _add(stream, 100)
    assert stream.nodes[0].packed is not None
    assert stream.memory() < open_size / 4
    for now in range(100):
        if stream.append_now(1000 + now, [b"n", b"1"], 4096, 100) is None:
            stream.append(stream.next_id(1000 + now), [b"n", b"1"], 4096, 100)
    assert [len(node) for node in stream.nodes] == [100, 100]
    assert stream.nodes[1].packed is not None
    # With a greater limit the node has room again.
    _add(stream, 2**127, entries=101)
    assert [len(node) for node in stream.nodes] == [100, 101]
    assert _ids(stream)[-2:] == [1099 << 64, 2**127]


def test_an_empty_stream_is_true() -> None:
    stream = Stream()
    assert stream
    assert len(stream) == 0
    assert stream.encoding() == "stream"
    assert type_name(stream) == b"stream"


def test_memory_grows_with_the_entries() -> None:
    sizes = [_stream(*range(1, count)).memory() for count in (2, 1000, 100_000)]
    assert sizes[0] < 2000
    assert 8 * 100_000 < sizes[2] < 30 * 100_000
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize(("max_bytes", "max_entries"), [(4096, 100), (300, 100), (4096, 7), (4096, 0), (0, 10), (0, 0)])
def test_the_simple_way_of_adding_is_the_usual_one(max_bytes: int, max_entries: int) -> None:
    rng = random.Random(max_bytes + max_entries)
    usual, other = Stream(), Stream()
    now = 1000
    ways = [0, 0]
    for _ in range(2000):
        now += rng.choice([0, 0, 0, 0, 1, 5, 100, -50, 10_000_000 if rng.random() < 0.01 else 0])
        fields = rng.choice([(b"a",), (b"a",), (b"a", b"b"), (b"b",)])
        times = rng.choice([1, 1, 1, 9, 60])
        row = [part for field in fields for part in (field, b"%d" % rng.randrange(10**9) * times)]
        added = other.append_now(now, row, max_bytes, max_entries)
        ways[added is not None] += 1
        if added is None:
            other.append(other.next_id(now), row, max_bytes, max_entries)
        else:
            assert added == id_text(other.last_id)
        usual.append(usual.next_id(now), row, max_bytes, max_entries)
        if rng.random() < 0.02:
            victim = usual.starts[-1]
            assert usual.delete(victim) == other.delete(victim)
            usual.find_first()
            other.find_first()
    assert list(usual.range()) == list(other.range())
    for name in ("last_id", "first_id", "length", "entries_added", "max_deleted_id", "starts", "tree_nodes"):
        assert getattr(usual, name) == getattr(other, name)
    assert [node.bytes() for node in usual.nodes] == [node.bytes() for node in other.nodes]
    assert all(ways) == bool(max_entries and max_bytes)


@pytest.mark.parametrize("ms", [5, MAX_PART])
def test_the_simple_way_of_adding_ends_with_the_sequence_numbers(ms: int) -> None:
    stream = Stream()
    stream.append(ms << 64 | MAX_PART - 1, [b"a", b"b"], 4096, 100)
    # The caller then uses append, which finds out whether a number is left.
    assert stream.append_now(5, [b"a", b"b"], 4096, 100) is None
    assert len(stream) == 1
    assert len(stream.nodes[-1].ms) == 1


def test_adding_stays_simple_when_a_node_begins_within_a_millisecond() -> None:
    stream = Stream()
    for now in [5] * 150 + [6] * 49:
        if stream.append_now(now, [b"a", b"b"], 4096, 100) is None:
            stream.append(stream.next_id(now), [b"a", b"b"], 4096, 100)
    assert [node.start for node in stream.nodes] == [5 << 64, 5 << 64 | 100]
    assert stream.append_now(6, [b"a", b"b"], 4096, 100) == b"6-49"
