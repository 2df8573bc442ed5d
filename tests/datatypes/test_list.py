"""Lists: their contents, their cost, and the encoding and nodes that they would have in Redis."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from twisted_redis.datatypes import quicklist
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.quicklist import entry_size


@dataclass
class Limits:
    list_max_listpack_size: int = -2
    list_compress_depth: int = 0
    quicklist_packed_threshold: int = 0


DEFAULT = Limits()
LARGE = b"x" * 9000


def letters(count: int) -> list[bytes]:
    return [bytes((ord("a") + number,)) for number in range(count)]


def pushed(elements: list[bytes], config: Limits = DEFAULT) -> List:
    made = List()
    made.push_right(elements, config)
    return made


def contents(one: List) -> list[bytes]:
    return one.range(0, -1)


def nodes(one: List) -> list[int]:
    """Returns the number of elements in each node, 0 for a plain node."""
    return [0 if plain else len(elements) for plain, elements in one.nodes()]


class TestEnds:
    def test_the_last_pushed_at_the_head_comes_first(self) -> None:
        one = List()
        assert one.push_left([b"a"], DEFAULT) == 1
        assert one.push_left([b"b", b"c"], DEFAULT) == 3
        assert one.push_right([b"x", b"y"], DEFAULT) == 5
        assert contents(one) == [b"c", b"b", b"a", b"x", b"y"]
        assert list(one) == contents(one)
        assert len(one) == 5

    def test_pops_take_from_either_end(self) -> None:
        one = pushed(letters(4))
        assert one.pop_left(DEFAULT) == b"a"
        assert one.pop_right(DEFAULT) == b"d"
        assert contents(one) == [b"b", b"c"]

    def test_several_come_off_in_the_order_of_pops(self) -> None:
        one = pushed(letters(6))
        assert one.take_left(2, DEFAULT) == [b"a", b"b"]
        assert one.take_right(2, DEFAULT) == [b"f", b"e"]
        assert one.take_right(9, DEFAULT) == [b"d", b"c"]
        assert not one

    def test_a_list_can_be_emptied_and_filled_again(self) -> None:
        one = pushed([b"a"])
        one.pop_left(DEFAULT)
        assert len(one) == 0
        one.push_left([b"b"], DEFAULT)
        one.pop_right(DEFAULT)
        one.push_right([b"c"], DEFAULT)
        assert contents(one) == [b"c"]

    @pytest.mark.parametrize("left", [True, False])
    def test_the_room_in_front_stays_in_proportion(self, left: bool) -> None:
        one = List()
        for number in range(5000):
            one.push_left([b"%d" % number], DEFAULT)
        assert one.head <= len(one) / 4
        for _ in range(4990):
            (one.pop_left if left else one.pop_right)(DEFAULT)
        assert one.head <= len(one) + 16
        assert contents(one) == [b"%d" % n for n in (range(9, -1, -1) if left else range(4999, 4989, -1))]

    def test_a_queue_does_not_grow(self) -> None:
        one = pushed(letters(20))
        for number in range(2000):
            one.push_right([b"%d" % number], DEFAULT)
            one.pop_left(DEFAULT)
            assert len(one.items) <= 64
        assert contents(one) == [b"%d" % n for n in range(1980, 2000)]

    def test_removed_elements_are_not_kept_alive(self) -> None:
        one = pushed(letters(10))
        one.pop_left(DEFAULT)
        one.take_left(2, DEFAULT)
        assert set(one.items[: one.head]) <= {None}


class TestReading:
    @pytest.mark.parametrize(
        ("start", "stop", "expected"),
        [
            (0, -1, b"abcde"),
            (1, 2, b"bc"),
            (-2, -1, b"de"),
            (-100, 1, b"ab"),
            (3, 100, b"de"),
            (2, 1, b""),
            (5, 9, b""),
            (0, -6, b""),
            (-1, -2, b""),
            (0, 2**63 - 1, b"abcde"),
            (-(2**63), -(2**63), b""),
        ],
    )
    @pytest.mark.parametrize("room", [True, False])
    def test_range(self, start: int, stop: int, expected: bytes, room: bool) -> None:
        one = List(letters(5))
        if room:
            one.push_left([b"-"], DEFAULT)
            one.pop_left(DEFAULT)
            assert one.head
        assert b"".join(one.range(start, stop)) == expected

    @pytest.mark.parametrize(
        ("index", "expected"),
        [(0, b"b"), (1, b"c"), (2, None), (-1, b"c"), (-2, b"b"), (-3, None), (2**63, None)],
    )
    def test_get(self, index: int, expected: bytes | None) -> None:
        one = pushed(letters(3))
        one.pop_left(DEFAULT)
        assert one.get(index) == expected

    @pytest.mark.parametrize(
        ("rank", "count", "maxlen", "expected"),
        [
            (1, 1, 0, [0]),
            (2, 1, 0, [2]),
            (1, 0, 0, [0, 2, 3]),
            (-1, 1, 0, [3]),
            (-1, 0, 0, [3, 2, 0]),
            (-2, 2, 0, [2, 0]),
            (4, 0, 0, []),
            (1, 0, 3, [0, 2]),
            (-1, 0, 2, [3]),
            (1, 9, 99, [0, 2, 3]),
            (2**63 - 1, 0, 0, []),
            (-(2**63) + 1, 2**63 - 1, 0, []),
        ],
    )
    def test_find(self, rank: int, count: int, maxlen: int, expected: list[int]) -> None:
        one = List()
        one.push_left([b"b", b"a", b"a", b"b", b"a"], DEFAULT)
        assert contents(one) == [b"a", b"b", b"a", b"a", b"b"]
        assert one.find(b"a", rank, count, maxlen) == expected

    def test_find_from_the_end_of_a_long_list(self) -> None:
        one = pushed([b"%d" % (number % 10) for number in range(1000)])
        assert one.find(b"3", -1, 0, 0) == list(range(993, 0, -10))
        assert one.find(b"3", -50, 2, 0) == [503, 493]


class TestMiddle:
    def test_insert_finds_the_first_pivot(self) -> None:
        one = pushed([b"a", b"b", b"a"])
        assert one.insert(b"a", b"1", after=False, config=DEFAULT)
        assert one.insert(b"b", b"2", after=True, config=DEFAULT)
        assert not one.insert(b"z", b"3", after=True, config=DEFAULT)
        assert contents(one) == [b"1", b"a", b"b", b"2", b"a"]

    def test_insert_moves_the_shorter_part(self) -> None:
        one = pushed(letters(20))
        one.pop_left(DEFAULT)
        room = one.head
        one.insert(b"c", b"-", after=True, config=DEFAULT)
        assert one.head == room - 1
        assert one.range(0, 3) == [b"b", b"c", b"-", b"d"]

    def test_set(self) -> None:
        one = pushed(letters(3))
        assert one.set(0, b"A", DEFAULT)
        assert one.set(-1, b"C", DEFAULT)
        assert not one.set(3, b"-", DEFAULT)
        assert not one.set(-4, b"-", DEFAULT)
        assert contents(one) == [b"A", b"b", b"C"]

    @pytest.mark.parametrize(
        ("count", "left", "removed"),
        [(0, b"bc", 3), (2, b"bca", 2), (-2, b"abc", 2), (-1, b"abac", 1), (9, b"bc", 3)],
    )
    def test_remove(self, count: int, left: bytes, removed: int) -> None:
        one = pushed([b"a", b"b", b"a", b"c", b"a"])
        assert one.remove(b"a", count, DEFAULT) == removed
        assert b"".join(contents(one)) == left

    def test_remove_many(self) -> None:
        one = pushed([b"%d" % (number % 3) for number in range(300)])
        assert one.remove(b"1", 0, DEFAULT) == 100
        assert contents(one) == [b"0", b"2"] * 100
        assert one.remove(b"1", 0, DEFAULT) == 0

    def test_trim(self) -> None:
        one = pushed(letters(6))
        one.trim(1, 2, DEFAULT)
        assert contents(one) == [b"b", b"c", b"d"]

    def test_a_copy_is_its_own(self) -> None:
        one = pushed(letters(9), Limits(3))
        one.pop_left(DEFAULT)
        twin = one.copy()
        twin.push_left([b"-"], Limits(3))
        twin.pop_right(Limits(3))
        assert contents(one) == letters(9)[1:]
        assert contents(twin) == [b"-", *letters(9)[1:-1]]
        assert nodes(one) == [2, 3, 3]
        assert nodes(twin) == [3, 3, 2]


# Replies of Redis 8.0: the bytes of entries (DEBUG OBJECT), OBJECT ENCODING, and the number of nodes.


@pytest.mark.parametrize(
    ("element", "size"),
    [
        (b"", 2),
        (b"0", 2),
        (b"127", 2),
        (b"128", 3),
        (b"-1", 3),
        (b"4095", 3),
        (b"4096", 4),
        (b"-4096", 3),
        (b"-4097", 4),
        (b"32767", 4),
        (b"32768", 5),
        (b"-32768", 4),
        (b"-32769", 5),
        (b"8388607", 5),
        (b"8388608", 6),
        (b"2147483647", 6),
        (b"2147483648", 10),
        (b"9223372036854775807", 10),
        (b"9223372036854775808", 21),
        (b"-9223372036854775808", 10),
        (b"-9223372036854775809", 22),
        (b"01", 4),
        (b"-0", 4),
        (b"-", 3),
        (b"1 ", 4),
        (b"a" * 63, 65),
        (b"a" * 64, 67),
        (b"a" * 125, 128),
        (b"a" * 126, 130),
        (b"a" * 4095, 4099),
        (b"a" * 4096, 4103),
        (b"a" * 16377, 16384),
        (b"a" * 16378, 16386),
        (b"a" * 16379, 16387),
    ],
)
def test_entry_sizes(element: bytes, size: int) -> None:
    assert entry_size(element) == size


@pytest.mark.parametrize(
    ("fill", "elements", "expected"),
    [
        (-1, [b"a" * 4080], None),
        (-1, [b"a" * 4080, b"bb"], None),
        (-1, [b"a" * 4090], 1),
        (-1, [b"a" * 4096], 1),
        (0, [b"a"], None),
        (0, [b"a", b"b"], 2),
        (-6, [b"x" * 60000], None),
        (-6, [b"x" * 60000, b"x" * 5536], 2),
        (16, [b"x" * 8180], None),
        (16, [b"x" * 8190], 1),
        (3, letters(3), None),
        (3, letters(4), 2),
        (3, letters(7), 3),
        (3, [b"a", LARGE, b"b"], 3),
    ],
)
def test_growing(fill: int, elements: list[bytes], expected: int | None) -> None:
    config = Limits(fill)
    for left in (True, False):
        one = List()
        for element in elements:
            (one.push_left if left else one.push_right)([element], config)
        assert one.encoding() == ("listpack" if expected is None else "quicklist")
        assert len(nodes(one)) == (expected or 1)


Change = tuple[str, int | bytes, bytes]


@pytest.mark.parametrize(
    ("change", "expected", "size"),
    [
        (("after", b"b", b"X"), 4, 52),
        (("before", b"b", b"X"), 4, 52),
        (("before", b"d", b"X"), 4, 52),
        (("after", b"f", b"X"), 3, 45),
        (("after", b"g", b"X"), 3, 45),
        (("set", 1, b"X"), 3, 42),
        (("set", 1, LARGE), 5, 9046),
        (("set", 0, LARGE), 4, 9039),
        (("set", 2, LARGE), 4, 9039),
        (("after", b"b", LARGE), 5, 9049),
        (("before", b"b", LARGE), 5, 9049),
        (("before", b"a", LARGE), 4, 9042),
        (("remove", 0, b"b"), 3, 39),
        (("remove", 0, b"g"), 2, 32),
    ],
)
def test_changes_in_the_middle_split_and_join_nodes(change: Change, expected: int, size: int) -> None:
    config = Limits(3)
    one = pushed(letters(7), config)
    how, where, element = change
    if how == "set":
        assert isinstance(where, int)
        one.set(where, element, config)
    elif how == "remove":
        one.remove(element, 0, config)
    else:
        assert isinstance(where, bytes)
        one.insert(where, element, after=how == "after", config=config)
    assert one.debug_details(False) == (
        f" ql_nodes:{expected} ql_avg_node:{len(one) / expected:.2f} ql_listpack_max:3 ql_compressed:0"
        f" ql_uncompressed_size:{size}"
    )


def test_an_element_that_stops_being_large_leaves_its_node() -> None:
    config = Limits(3)
    one = pushed([b"a", LARGE, b"b"], config)
    assert nodes(one) == [1, 0, 1]
    one.set(1, b"X", config)
    assert nodes(one) == [1, 2]
    one.push_right([LARGE], config)
    one.set(3, b"Y", config)
    assert nodes(one) == [1, 2, 1]


class TestShrinking:
    def test_half_of_the_limit_is_small(self) -> None:
        config = Limits(4)
        one = pushed(letters(8), config)
        one.take_right(5, config)
        assert one.encoding() == "quicklist"
        one.pop_right(config)
        assert one.encoding() == "listpack"

    def test_two_nodes_are_not(self) -> None:
        config = Limits(4)
        one = pushed(letters(9), config)
        one.take_left(7, config)
        assert nodes(one) == [1, 1]
        assert one.encoding() == "quicklist"
        one.pop_left(config)
        assert one.encoding() == "listpack"

    def test_bytes_count_where_the_limit_is_of_size(self) -> None:
        config = Limits(-1)
        one = pushed([b"a" * 2000, b"b" * 2000, b"c" * 2000], config)
        one.pop_right(config)
        assert one.encoding() == "quicklist"
        one.pop_left(config)
        assert one.encoding() == "listpack"

    def test_a_large_element_is_never_small(self) -> None:
        config = Limits(-1)
        one = pushed([b"a", LARGE], config)
        one.pop_left(config)
        assert one.encoding() == "quicklist"
        one.set(0, b"b", config)
        assert one.encoding() == "listpack"

    def test_replacing_and_missing_a_pivot_count_as_growth(self) -> None:
        config = Limits(3)
        replaced, missed = pushed(letters(3), config), pushed(letters(3), config)
        replaced.set(1, b"X", config)
        missed.insert(b"nope", b"X", after=True, config=config)
        assert replaced.encoding() == missed.encoding() == "quicklist"
        outside = pushed(letters(3), config)
        assert not outside.set(3, b"X", config)
        assert outside.encoding() == "quicklist"

    def test_it_may_be_put_off(self) -> None:
        config = Limits(3)
        one = pushed(letters(4), config)
        one.take_right(2, config)
        one.push_right([one.pop_left(None)], config)
        one.shrink(config)
        assert one.encoding() == "quicklist"
        one.pop_left(config)
        assert one.encoding() == "listpack"

    def test_the_limit_of_the_moment_holds(self) -> None:
        one = pushed(letters(4), Limits(3))
        one.pop_left(Limits(128))
        assert one.encoding() == "quicklist", "there are two nodes"
        one.pop_right(Limits(128))
        assert one.encoding() == "listpack"


class TestMaking:
    def test_of_elements(self) -> None:
        assert List(letters(3), Limits(3)).encoding() == "listpack"
        assert nodes(List(letters(7), Limits(3))) == [3, 3, 1]
        assert List([LARGE], Limits(-1)).encoding() == "quicklist"
        assert contents(List(letters(7), Limits(3))) == letters(7)

    def test_of_nodes(self) -> None:
        made = [(False, letters(2)), (True, [LARGE]), (False, [b"z"])]
        one = List.from_nodes(made, Limits(3))
        assert list(one.nodes()) == made
        assert contents(one) == [b"a", b"b", LARGE, b"z"]
        one.pop_left(Limits(3))
        assert nodes(one) == [1, 0, 1]

    def test_one_packed_node_within_the_limit_is_a_listpack(self) -> None:
        assert List.from_nodes([(False, letters(3))], Limits(3)).encoding() == "listpack"
        assert List.from_nodes([(False, letters(4))], Limits(3)).encoding() == "quicklist"
        assert List.from_nodes([(True, [b"a"])], Limits(3)).encoding() == "quicklist"


def test_the_size_of_plain_elements_can_be_set() -> None:
    config = Limits(4)
    one = pushed([b"aa", b"bb", b"cc", b"dd", b"ee"], config)
    config.quicklist_packed_threshold = 5
    assert nodes(one) == [4, 1]
    one.set(2, b"e" * 10, config)
    assert nodes(one) == [2, 0, 2]
    one.push_right([b"12345", b"x"], config)
    assert nodes(one) == [2, 0, 2, 0, 1]


def test_memory_follows_the_contents() -> None:
    small, large = (pushed([b"%0*d" % (length, number) for number in range(1000)]) for length in (10, 100))
    assert 40_000 < small.memory() < 80_000
    assert 80_000 < large.memory() - small.memory() < 110_000


def element(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.3:
        return b"%d" % random.choice([random.randint(-300, 300), random.randint(-(2**63), 2**63)])
    if kind < 0.9:
        return random.choice([b"a", b"b", b"xyz"]) * random.choice([1, 1, 1, 2, 20, 40])
    return b"l" * random.choice([100, 1000, 4100, 9000])


@pytest.mark.parametrize("fill", [-2, -1, 0, 2, 5, 16])
@pytest.mark.parametrize("seed", range(6))
def test_counting_late_is_counting_at_once(fill: int, seed: int) -> None:
    """The test asks one of two lists for its nodes after each change, so that list counts all elements."""
    random = Random(seed)
    config = Limits(fill)
    late = eager = List()
    plain: list[bytes] = []
    for _ in range(400):
        kind = random.random()
        if not plain:
            # An empty list is deleted.
            late, eager = List(), List()
        both = (late, eager)
        if not plain or kind < 0.5:
            some = [element(random) for _ in range(random.choice([1, 1, 2, 30]))]
            if random.random() < 0.5:
                plain[0:0] = some[::-1]
                assert {one.push_left(some, config) for one in both} == {len(plain)}
            else:
                plain += some
                assert {one.push_right(some, config) for one in both} == {len(plain)}
        elif kind < 0.65:
            count = random.choice([1, 2, random.randint(1, len(plain))])
            if random.random() < 0.5:
                assert [one.take_left(count, config) for one in both] == [plain[:count]] * 2
                del plain[:count]
            else:
                assert [one.take_right(count, config) for one in both] == [plain[: -count - 1 : -1]] * 2
                del plain[-count:]
        elif kind < 0.8:
            end = random.choice([0, -1])
            assert {(one.pop_right if end else one.pop_left)(config) for one in both} == {plain.pop(end)}
        elif kind < 0.86:
            pivot, new, after = random.choice(plain), element(random), random.random() < 0.5
            plain.insert(plain.index(pivot) + after, new)
            assert all(one.insert(pivot, new, after=after, config=config) for one in both)
        elif kind < 0.92:
            index, new = random.randint(-len(plain), len(plain) - 1), element(random)
            plain[index] = new
            assert all(one.set(index, new, config) for one in both)
        elif kind < 0.96:
            gone = random.choice(plain)
            expected = plain.count(gone)
            plain = [kept for kept in plain if kept != gone]
            assert {one.remove(gone, 0, config) for one in both} == {expected}
        else:
            before = random.randint(0, len(plain) // 2)
            behind = random.randint(0, len(plain) - before)
            plain = plain[before : len(plain) - behind]
            for one in both:
                one.trim(before, behind, config)
        eager_nodes = nodes(eager)
        assert contents(late) == contents(eager) == plain
        assert late.encoding() == eager.encoding()
        assert nodes(late.copy()) == eager_nodes


def test_a_change_in_a_list_with_much_uncounted_stays_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0
    measured = quicklist.entry_size

    def counting(element: bytes) -> int:
        nonlocal counted
        counted += 1
        return measured(element)

    one = pushed([b"1"] * 50_000 + [b"pivot"])
    one.push_left([b"1"] * 50_000, DEFAULT)
    monkeypatch.setattr(quicklist, "entry_size", counting)
    one.set(70_000, b"2", DEFAULT)
    one.insert(b"pivot", b"3", after=True, config=DEFAULT)
    one.insert(b"1", b"4", after=True, config=DEFAULT)
    one.remove(b"3", 0, DEFAULT)
    assert counted < 20_000
    assert len(one) == 100_002
    assert one.range(-2, -1) == [b"1", b"pivot"]
    assert sum(len(elements) for _, elements in one.nodes()) == len(one)
    assert one.take_left(100_001, DEFAULT)[:2] == [b"1", b"4"]
    assert one.encoding() == "listpack"
