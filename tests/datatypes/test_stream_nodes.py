"""Nodes of a stream: where they end, how compactly they are stored, and the figures about them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from twisted_redis.datatypes.stream_nodes import Node
from twisted_redis.datatypes.stream_size import entry_bound, entry_bytes, header_bytes
from twisted_redis.datatypes.stream_tree import EMPTY_TREE, tree_nodes_of

# The radix tree


def _tree_nodes(keys: list[int]) -> int:
    """Returns the number of nodes of a compressed trie by building it."""
    trie: dict[int, Any] = {}
    for key in keys:
        at = trie
        for byte in key.to_bytes(16, "big"):
            at = at.setdefault(byte, {})

    def count(at: dict[int, Any]) -> int:
        if not at:
            return 1
        if len(at) > 1:
            return 1 + sum(map(count, at.values()))
        while len(at) == 1:
            (at,) = at.values()
        return 1 + count(at)

    return count(trie)


@pytest.mark.parametrize("seed", range(30))
def test_tree_nodes_come_and_go_with_their_keys(seed: int) -> None:
    chance = random.Random(seed)
    bits = chance.choice([4, 12, 70, 128])
    keys: list[int] = []
    nodes = EMPTY_TREE
    for _ in range(60):
        key = chance.getrandbits(bits)
        if key in keys or (len(keys) > 3 and chance.random() < 0.4):
            place = chance.randrange(len(keys))
            nodes -= tree_nodes_of(keys, place)
            del keys[place]
        else:
            keys = sorted([*keys, key])
            nodes += tree_nodes_of(keys, keys.index(key))
        assert nodes == _tree_nodes(keys)


# Sizes, as lpBytes in Redis reports them


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (b"", 2),
        (b"0", 2),
        (b"127", 2),
        (b"128", 3),
        (b"-1", 3),
        (b"-4096", 3),
        (b"4096", 4),
        (b"32768", 5),
        (b"8388608", 6),
        (b"2147483648", 10),
        (b"9223372036854775807", 10),
        (b"9223372036854775808", 21),
        (b"-0", 4),
        (b"01", 4),
        (b"x" * 63, 65),
        (b"x" * 64, 67),
        (b"x" * 125, 128),
        (b"x" * 126, 130),
        (b"x" * 4095, 4099),
        (b"x" * 4096, 4103),
        (b"x" * 16377, 16384),
        (b"x" * 16378, 16386),
    ],
)
def test_size_of_an_element(value: bytes, size: int) -> None:
    # The flags, both parts of the ID, and the number of elements take two bytes each.
    assert entry_bytes(0, 0, [b"field", value], True) == 8 + size


def test_size_with_fields_of_its_own() -> None:
    assert entry_bytes(200, -1, [b"ab", b"c"], False) == 2 + 3 + 3 + 2 + 4 + 3 + 2


def test_size_of_the_header() -> None:
    assert header_bytes([b"field"], 1, 0) == 6 + 2 + 2 + 2 + 7 + 2 + 1


def test_the_quick_bound_is_never_too_small() -> None:
    chance = random.Random(5)
    for _ in range(2000):
        row = [
            chance.choice([b"%d" % chance.getrandbits(70), b"x" * chance.choice([0, 5, 63, 64, 5000, 20000])])
            for _ in range(2 * chance.choice([1, 1, 2, 5, 40, 90]))
        ]
        ms = chance.getrandbits(chance.choice([1, 12, 23, 64]))
        sequence = chance.getrandbits(chance.choice([1, 12, 64])) - chance.choice([0, 1 << 63])
        bound = entry_bound(ms, sequence, len(row), sum(map(len, row)))
        assert bound >= entry_bytes(ms, sequence, row, False)
        values = row[1::2]
        assert entry_bound(ms, sequence, len(values), sum(map(len, values))) >= entry_bytes(ms, sequence, row, True)


# Nodes


def _filled(ids: list[int]) -> Node:
    node = Node(ids[0], (b"f",))
    for entry_id in ids:
        node.append(entry_id >> 64, entry_id & (2**64 - 1), (b"f", b"%d" % entry_id), 2)
    return node


@pytest.mark.parametrize("packed", [False, True])
def test_places_by_id(packed: bool) -> None:
    ids = [5 << 64 | 9, 5 << 64 | 11, 6 << 64, 6 << 64 | 1, 6 << 64 | 5, 1 << 100, 2**128 - 1]
    node = _filled(ids)
    if packed:
        node.pack()
    for place, entry_id in enumerate(ids):
        assert node.id_at(place) == entry_id
        assert node.place_of(entry_id) == place
        assert node.place_of(entry_id - 1) == place - (entry_id - 1 in ids)
        assert node.place_of(entry_id + 1) == place + 1
    assert node.place_of(0) == 0
    assert node.place_of(2**128) == len(ids)


def test_packing_and_unpacking_change_nothing_to_see() -> None:
    ids = [10 << 64 | number * 3 for number in range(50)]
    node = _filled(ids)
    node.delete(3)
    before = list(node.records())
    size = node.bytes()
    node.pack()
    assert list(node.records()) == [(entry.entry_id, list(entry.row), entry.dead) for entry in before]
    assert node.bytes() == size
    node.append(11, 0, (b"g", b"1"), 2)
    assert node.packed is None
    assert [entry.entry_id for entry in node.records()] == [*ids, 11 << 64]
    assert node.live == 50
    assert node.bytes() == size + entry_bytes(1, 0, (b"g", b"1"), False)


def test_tombstones_are_passed_over() -> None:
    node = _filled([1, 2, 3, 4, 5])
    assert (node.next_live(), node.last_live()) == (0, 4)
    for place in (0, 2, 4):
        node.delete(place)
    assert node.live == 2
    assert [node.next_live(place) for place in range(6)] == [1, 1, 3, 3, -1, -1]
    assert node.last_live() == 3
    assert [entry[1] for entry in node.entries(0, 5)] == [2, 4]


def test_a_copy_goes_its_own_way() -> None:
    node = _filled([1, 2, 3])
    node.delete(1)
    twin = node.copy()
    twin.append(0, 4, (b"f", b"4"), 2)
    twin.delete(0)
    assert (len(node), node.live) == (3, 2)
    assert (len(twin), twin.live) == (4, 2)
    node.pack()
    other = node.copy()
    other.append(0, 9, (b"f", b"9"), 2)
    assert len(node) == 3
    assert node.row(2) == [b"f", b"3"]


def test_limits_of_a_node() -> None:
    node = _filled(list(range(1, 11)))
    size = node.bytes()
    assert node.takes(10, size + 11, 0)
    assert not node.takes(10, size + 10, 0)
    assert node.takes(10, 4096, 11)
    assert not node.takes(10, 4096, 10)


def test_a_packed_entry_takes_a_few_bytes_beside_its_values() -> None:
    node = Node(1700000000000 << 64, (b"field",))
    for number in range(100):
        node.append(1700000000000 + number, 0, (b"field", b"%020d" % number), 25)
    node.pack()
    assert node.memory() < 100 * (20 + 20)
