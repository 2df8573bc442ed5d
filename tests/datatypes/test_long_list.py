"""Long lists: what is far from both ends is packed, and the list behaves as if it were not."""

from __future__ import annotations

from itertools import chain
from random import Random

import pytest

from tests.datatypes.test_list import DEFAULT, LARGE, Limits, contents, nodes, pushed
from twisted_redis.config import Config
from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.list_elements import LONGEST
from twisted_redis.datatypes.packed import awake, packed, rested
from twisted_redis.persistence.rdb.lists import CODEC


def numbered(count: int) -> list[bytes]:
    return [b"element:%09d" % number for number in range(count)]


def check(one: List, expected: list[bytes]) -> None:
    """Checks the contents, and that both ends can be read and changed without unpacking anything."""
    assert len(one) == len(expected)
    assert list(one) == expected
    assert contents(one) == expected
    assert set(one.items[: one.head]) <= {None}
    # Callers take a list as empty if ``items`` has nothing but room.
    assert (one.head == len(one.items)) == (not expected)
    if expected:
        assert one.items[one.head] == expected[0]
        assert one.items[-1] == expected[-1]
    assert len(one.items) - one.head <= max(
        LONGEST, 1 << 14 if one.encoding() == "listpack" or len(one) < LONGEST else 0
    )


class TestPacking:
    def test_a_list_of_some_thousand_elements_is_a_python_list(self) -> None:
        one = pushed(numbered(LONGEST))
        assert len(one.items) == LONGEST
        one.push_right([b"x"], DEFAULT)
        assert len(one.items) < LONGEST
        check(one, [*numbered(LONGEST), b"x"])

    @pytest.mark.parametrize("left", [True, False])
    @pytest.mark.parametrize("at_once", [1, 3, 20_000])
    def test_pushes_pack_what_is_far_from_the_ends(self, left: bool, at_once: int) -> None:
        elements = numbered(20_000)
        one = List()
        for place in range(0, 20_000, at_once):
            some = elements[place : place + at_once]
            length = one.push_left(some, DEFAULT) if left else one.push_right(some, DEFAULT)
            assert length == place + len(some)
        check(one, elements[::-1] if left else elements)
        assert one.memory() < 20_000 * 36

    @pytest.mark.parametrize("left", [True, False])
    def test_pops_get_them_back(self, left: bool) -> None:
        expected = numbered(20_000)
        one = pushed(expected)
        for number in range(20_000):
            assert (one.pop_left if left else one.pop_right)(DEFAULT) == expected[number if left else 19_999 - number]
            assert len(one) == 19_999 - number
            assert (one.head == len(one.items)) == (number == 19_999)
            assert len(one.items) <= 2 * LONGEST
        assert one.encoding() == "listpack"

    def test_a_queue_stays_packed(self) -> None:
        one = pushed(numbered(20_000))
        for number in range(30_000):
            one.push_left([b"%d" % number], DEFAULT)
            one.pop_right(DEFAULT)
            assert len(one.items) <= 2 * LONGEST
        assert contents(one) == [b"%d" % number for number in range(29_999, 9_999, -1)]

    def test_an_element_of_a_long_list_takes_little_more_than_its_bytes(self) -> None:
        elements = numbered(100_000)
        for one in (pushed(elements), List(elements, DEFAULT), List.from_nodes([(False, elements)] * 2, DEFAULT)):
            assert one.memory() < 24 * len(one)
            assert one.copy().memory() < 24 * len(one)

    def test_memory_is_what_the_interpreter_says(self) -> None:
        # Each element is an object of its own.
        one = pushed([b"%0*d" % (number % 50, number) for number in range(50_000)])
        middle = one._middle
        assert middle is not None
        total = sum(sizes.of_container(held) for held in (one.items, middle.blocks, middle._ends))
        total += sum(sizes.of_bytes(len(block)) for block in chain(one.items[one.head :], middle.blocks))
        assert one.memory() == pytest.approx(total, rel=0.05)

    def test_reading_unpacks_nothing(self) -> None:
        one = pushed(numbered(20_000))
        held = len(one.items)
        assert one.range(9_000, 11_000) == numbered(20_000)[9_000:11_001]
        assert one.get(10_000) == b"element:%09d" % 10_000
        assert one.get(-5_000) == b"element:%09d" % 15_000
        assert one.find(b"element:%09d" % 12_345, 1, 1, 0) == one.find(b"element:%09d" % 12_345, -1, 1, 0) == [12_345]
        assert one.set(10_000, b"x", DEFAULT)
        assert one.insert(b"x", b"y", after=True, config=DEFAULT)
        assert one.remove(b"y", 0, DEFAULT) == 1
        assert len(one.items) == held

    def test_a_list_that_becomes_a_single_node_is_unpacked(self) -> None:
        config = Limits(-5)
        one = List()
        for _ in range(4):
            one.push_right([b"1"] * 15_000, config)
        assert len(one.items) < LONGEST
        while len(one) > 21_000:
            one.pop_left(config)
        assert len(one.items) >= 21_000
        assert one.encoding() == "quicklist"
        while len(one) > 10_000:
            one.pop_left(config)
        assert one.encoding() == "listpack"
        check(one, [b"1"] * 10_000)

    def test_files_have_the_same_nodes(self) -> None:
        elements = [*numbered(3000), LARGE, *numbered(9000), b"", b"-1", LARGE]
        one = pushed(elements)
        kind, parts = CODEC.write(one, 11, False)
        reading = next(encoding for encoding in CODEC.encodings if encoding.number == kind)
        blob = b"".join(parts)
        again, end = reading.read(blob, 0, Config())
        assert end == len(blob)
        check(again, elements)
        assert nodes(again) == nodes(one)
        assert len(again.items) < LONGEST


def element(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.5:
        return b"e%d" % random.randrange(30)
    if kind < 0.9:
        return b"%d" % random.randrange(10 ** random.randrange(1, 9))
    if kind < 0.91:
        return LARGE
    return bytes(random.choices([0xFF, 0xC1, 0xF8, 0xFE, 0xC0, 0xF9, 0xFA, 0xFB, 0xF5], k=random.randrange(8)))


@pytest.mark.parametrize("fill", [-2, 3, -5])
@pytest.mark.parametrize("seed", range(3))
def test_a_long_list_behaves_like_a_python_list(seed: int, fill: int) -> None:
    """One of two lists is asked for its nodes now and then, so that it counts all elements.

    The other one is idle now and then.
    """
    random = Random(seed)
    config = Limits(fill)
    one, counted, plain = List(), List(), list[bytes]()
    both = (one, counted)
    growth = 0.3
    for step in range(100):
        if step % 25 == 0:
            growth = random.choice([0.15, 0.3, 0.45])
        if not plain:
            # An empty list is deleted.
            one, counted = both = (List(), List())
        size = len(plain)
        kind = random.random()
        if not plain or kind < growth:
            some = [element(random) for _ in range(random.choice([1, 300, 3000, 3000]))]
            if random.random() < 0.5:
                plain[0:0] = some[::-1]
                assert {each.push_left(some, config) for each in both} == {len(plain)}
            else:
                plain += some
                assert {each.push_right(some, config) for each in both} == {len(plain)}
        elif kind < 0.55:
            left = random.random() < 0.5
            for _ in range(random.randint(1, min(size, 2500))):
                expected = plain.pop(0 if left else -1)
                assert {(each.pop_left if left else each.pop_right)(config) for each in both} == {expected}
        elif kind < 0.65:
            count = random.randint(1, size if random.random() < 0.1 else size // 5 + 1)
            if random.random() < 0.5:
                assert [each.take_left(count, config) for each in both] == [plain[:count]] * 2
                del plain[:count]
            else:
                assert [each.take_right(count, config) for each in both] == [plain[: -count - 1 : -1]] * 2
                del plain[-count:]
        elif kind < 0.7:
            pivot, new, after = random.choice(plain), element(random), random.random() < 0.5
            plain.insert(plain.index(pivot) + after, new)
            assert all(each.insert(pivot, new, after=after, config=config) for each in both)
            assert not any(each.insert(b"nothing", new, after=after, config=config) for each in both)
        elif kind < 0.8:
            index, new = random.randint(-size, size - 1), element(random)
            assert {each.get(index) for each in both} == {plain[index]}
            plain[index] = new
            assert all(each.set(index, new, config) for each in both)
            for index in (size, -size - 1, 1 << 62, -(1 << 62)):
                assert {each.get(index) for each in both} == {None}
                assert not any(each.set(index, new, config) for each in both)
        elif kind < 0.88:
            gone, count = random.choice(plain), random.choice([0, 1, -1, 7, -7, 500])
            found = [index for index, text in enumerate(plain) if text == gone]
            removed = set(found if not count else found[:count] if count > 0 else found[count:])
            plain = [text for index, text in enumerate(plain) if index not in removed]
            assert {each.remove(gone, count, config) for each in both} == {len(removed)}
        elif kind < 0.93:
            wanted, rank, count = random.choice(plain), random.choice([1, 5, -1, -5]), random.choice([0, 1, 50])
            maxlen = random.choice([0, random.randint(1, size + 5)])
            places = range(size) if rank > 0 else range(size - 1, -1, -1)
            found = [index for index in places[: maxlen or size] if plain[index] == wanted][abs(rank) - 1 :]
            assert [each.find(wanted, rank, count, maxlen) for each in both] == [found[: count or size]] * 2
        elif kind < 0.96:
            start, stop = sorted((random.randrange(size), random.randrange(size)))
            assert one.range(start, stop) == one.range(start - size, stop - size) == plain[start : stop + 1]
        else:
            before = random.randint(0, size if random.random() < 0.2 else size // 4)
            behind = random.randint(0, (size - before) // 4)
            plain = plain[before : size - behind]
            for each in both:
                each.trim(before, behind, config)
        if plain and random.random() < 0.3:
            one = awake(packed(rested(one)))
            both = (one, counted)
        check(one, plain)
        if step % 5 == 0:
            assert nodes(one.copy()) == nodes(counted)
            assert one.encoding() == counted.encoding()
            check(one.copy(), plain)
            check(counted, plain)
            check(List(plain, config), plain)
            check(List.from_nodes(counted.nodes(), config), plain)
