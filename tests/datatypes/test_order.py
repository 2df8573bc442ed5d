"""The order of a dict or a set: the guarantees of its scans, uniform picks, and its cost."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from twisted_redis.datatypes.order import Order


class Counted(dict[bytes, int]):
    """A container that counts how often it is asked for a key."""

    asked = 0

    def __contains__(self, key: object) -> bool:
        self.asked += 1
        return super().__contains__(key)


def keys(start: int, stop: int) -> list[bytes]:
    return [b"key:%d" % number for number in range(start, stop)]


def remove(container: set[bytes], order: Order, key: bytes) -> None:
    container.remove(key)
    order.discard(key)


def add(container: set[bytes], order: Order, key: bytes) -> None:
    container.add(key)
    order.append(key)


def scan_all(order: Order, count: int) -> list[bytes]:
    cursor, found = order.scan(0, count)
    while cursor:
        cursor, more = order.scan(cursor, count)
        found += more
    return found


@pytest.mark.parametrize("size", [0, 1, 9, 10, 255, 256, 257, 512, 1000, 5000])
@pytest.mark.parametrize("count", [1, 10, 256, 10_000])
def test_scan_returns_each_key_once(size: int, count: int) -> None:
    container = set(keys(0, size))
    assert sorted(scan_all(Order(container), count)) == sorted(container)


def test_blocks_without_removed_keys_are_not_copied() -> None:
    container: set[bytes] = set()
    order = Order(container)
    for key in keys(0, 600):
        add(container, order, key)
    assert [key for block in order.blocks() for key in block] == keys(0, 600)
    assert all(one is other for one, other in zip(order.blocks(), order.blocks(), strict=True))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000])
def test_blocks_have_the_keys_in_the_order_in_which_they_were_added(size: int) -> None:
    container: set[bytes] = set()
    order = Order(container)
    for key in keys(0, size):
        add(container, order, key)
    for key in keys(0, size)[::3]:
        remove(container, order, key)
    left = [key for key in keys(0, size) if key in container]
    blocks = list(order.blocks())
    assert [key for block in blocks for key in block] == left
    assert len(blocks) == order.count_blocks()
    assert list(order.blocks(1)) == blocks[1:]
    # An order that was not told of a key finds that out.
    container.add(b"untold")
    assert order.count_blocks() >= len(blocks)
    assert [key for block in order.blocks() for key in block] == [*left, b"untold"]


def test_scan_returns_what_was_appended() -> None:
    container: set[bytes] = set()
    order = Order(container)
    for key in keys(0, 1000):
        add(container, order, key)
    assert sorted(scan_all(order, 7)) == sorted(container)


def test_scan_returns_as_many_as_asked_for() -> None:
    order = Order(set(keys(0, 1000)))
    cursor, found = order.scan(0, 10)
    assert len(found) == 10
    assert cursor
    cursor, found = order.scan(cursor, 10)
    assert len(found) == 10


@pytest.mark.parametrize("seed", range(20))
def test_scan_returns_whatever_stays_while_the_rest_churns(seed: int) -> None:
    rng = Random(seed)
    stay = set(keys(0, rng.choice([3, 100, 2000])))
    come_and_go = [b"other:%d" % number for number in range(rng.choice([10, 1000, 5000]))]
    container = stay | {key for key in come_and_go if rng.random() < 0.5}
    order = Order(container)
    for _ in range(3):
        cursor, found = order.scan(0, 10)
        while cursor:
            for key in rng.sample(come_and_go, min(len(come_and_go), rng.choice([5, 50, 500]))):
                if key in container:
                    remove(container, order, key)
                else:
                    add(container, order, key)
            cursor, more = order.scan(cursor, 10)
            found += more
        assert stay <= set(found)
        assert Counter(found).most_common(1)[0][1] <= 2
        assert len(order) <= 2 * len(container) + 1024


def test_scan_ends_though_keys_are_added_faster_than_it_returns_them() -> None:
    container = set(keys(0, 1000))
    order = Order(container)
    cursor, calls = order.scan(0, 10)[0], 1
    while cursor:
        for key in keys(1000 * calls, 1000 * calls + 1000):
            add(container, order, key)
        cursor = order.scan(cursor, 10)[0]
        calls += 1
    assert calls == 100


def test_a_key_that_comes_again_stands_once() -> None:
    container = set(keys(0, 10))
    order = Order(container)
    for _ in range(1000):
        remove(container, order, b"key:3")
        add(container, order, b"key:3")
    assert len(order) == 10
    assert sorted(scan_all(order, 3)) == sorted(container)


def test_scan_looks_at_ten_entries_for_each_key_asked_for() -> None:
    container = Counted(dict.fromkeys(keys(0, 10_000), 0))
    order = Order(container)
    for key in keys(2000, 5000):
        del container[key]
        order.discard(key)
    container.asked = 0
    cursor, found = order.scan(0, 10)
    while cursor:
        assert container.asked <= 100
        container.asked = 0
        cursor, more = order.scan(cursor, 10)
        found += more
    assert sorted(found) == sorted(container)


@pytest.mark.parametrize("cursor", [1, 2, 77, 257, 1000, 1001, 1002, 2**32, 2**63, 2**64 - 1, -1])
def test_any_number_is_a_cursor(cursor: int) -> None:
    container = set(keys(0, 1000))
    order = Order(container)
    following, found = order.scan(cursor, 10)
    assert 0 <= following < 2**64
    assert container.issuperset(found)


def test_cursors_survive_when_everything_is_swept() -> None:
    container = set(keys(0, 10_000))
    order = Order(container)
    cursor = 0
    for _ in range(500):  # the first half
        cursor = order.scan(cursor, 10)[0]
    rest = set()
    place = cursor
    while place:
        place, some = order.scan(place, 10)
        rest.update(some)
    stay = set(Random(1).sample(sorted(rest), 20))
    for key in keys(0, 10_000):
        if key not in stay:
            remove(container, order, key)
    assert len(order) < 1000
    found: list[bytes] = []
    while cursor:
        cursor, more = order.scan(cursor, 10)
        found += more
    assert sorted(found) == sorted(stay)


def test_removal_keeps_no_more_than_it_must() -> None:
    container = Counted(dict.fromkeys(keys(0, 100_000), 0))
    order = Order(container)
    container.asked = 0
    for key in keys(0, 100_000):
        del container[key]
        order.discard(key)
        assert len(order) <= 2 * len(container) + 1024
    assert container.asked <= 10 * 100_000


def test_no_removal_pays_for_all_the_others() -> None:
    container = Counted(dict.fromkeys(keys(0, 100_000), 0))
    order = Order(container)
    for key in keys(0, 100_000):
        del container[key]
        container.asked = 0
        order.discard(key)
        assert container.asked <= 4 * 256
    for key in keys(0, 10_000):
        container[key] = 0
        container.asked = 0
        order.append(key)
        assert container.asked <= 4 * 256


def test_a_sweep_is_under_way_until_every_block_was_visited() -> None:
    container = set(keys(0, 10_000))
    order = Order(container)
    steps = 0
    for key in keys(0, 10_000):
        remove(container, order, key)
        steps += order.is_sweeping
        if steps and not order.is_sweeping:
            break
    assert steps == 40 // 4
    assert len(order) < 1.1 * len(container)


def test_more_is_endured_while_a_child_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    container = set(keys(0, 10_000))
    order = Order(container)
    monkeypatch.setattr(Order, "saving", True)
    for key in keys(0, 9000):
        remove(container, order, key)
    assert len(order) == 10_000
    assert order.random() in container
    assert not order.is_sweeping
    monkeypatch.setattr(Order, "saving", False)
    for _ in range(20):
        assert order.random() in container
    assert len(order) == 1000
    monkeypatch.setattr(Order, "saving", True)
    for key in keys(9000, 9995):
        remove(container, order, key)
    for _ in range(20):
        assert order.random() in container
    assert len(order) == 5


def test_nothing_is_swept_where_that_is_forbidden() -> None:
    container = set(keys(0, 1000))
    order = Order(container)
    order.may_sweep = False
    for key in keys(0, 990):
        remove(container, order, key)
    assert len(order) == 1000
    assert sorted(scan_all(order, 10)) == sorted(container)


def test_figures() -> None:
    container = set(keys(0, 1000))
    order = Order(container)
    assert order.figures() == (4, 256)
    for key in sorted(container)[:999]:
        remove(container, order, key)
    assert order.figures() == (1, 1)
    assert Order(set()).figures() == (0, 0)


def test_random_of_nothing() -> None:
    container = set(keys(0, 1))
    order = Order(container)
    assert order.random(Random(1)) == b"key:0"
    remove(container, order, b"key:0")
    assert order.random(Random(1)) is None
    assert order.pop(Random(1)) is None


def chi_square(picks: Counter[bytes], of: set[bytes]) -> float:
    expected = picks.total() / len(of)
    return sum((picks[key] - expected) ** 2 / expected for key in of)


@pytest.mark.parametrize("size", [1, 2, 100, 257, 300, 700])
def test_random_is_uniform(size: int) -> None:
    rng = Random(size)
    container = set(keys(0, size))
    order = Order(container)
    for key in keys(0, size // 2):  # some are added again, some are popped, some are new
        remove(container, order, key)
    for key in keys(size // 4, size // 2 + 1):
        if key not in container:
            add(container, order, key)
    for _ in range(size // 10):
        popped = order.pop(rng)
        assert popped is not None
        container.remove(popped)
    for key in keys(size, size + size // 5):
        add(container, order, key)
    picks: Counter[bytes] = Counter()
    for _ in range(100 * len(container)):
        key_picked = order.random(rng)
        assert key_picked is not None
        picks[key_picked] += 1
    assert set(picks) == container
    freedom = max(1, len(container) - 1)
    assert chi_square(picks, container) < freedom + 5 * (2 * freedom) ** 0.5


def test_pop_takes_each_key_once() -> None:
    rng = Random(2)
    container = set(keys(0, 5000))
    order = Order(container)
    popped = []
    while container:
        key = order.pop(rng)
        assert key is not None
        container.remove(key)
        popped.append(key)
        assert len(order) <= 2 * len(container) + 1024
    assert sorted(popped) == sorted(keys(0, 5000))


@pytest.mark.parametrize("size", [200, 256, 300, 600])
def test_pop_is_uniform(size: int) -> None:
    rng = Random(size)
    every = keys(0, size)
    picks: Counter[bytes] = Counter()
    for _ in range(20 * size):
        order = Order(set(every))
        for _ in range(2):
            key = order.pop(rng)
            assert key is not None
        picks[key] += 1
    freedom = size - 1
    assert chi_square(picks, set(every)) < freedom + 5 * (2 * freedom) ** 0.5


def test_a_popped_key_may_come_again() -> None:
    container = set(keys(0, 5))
    order = Order(container)
    key = order.pop(Random(3))
    assert key is not None
    container.remove(key)
    add(container, order, key)
    assert sorted(scan_all(order, 2)) == sorted(container)


def test_random_costs_little_however_many_were_removed() -> None:
    rng = Random(4)
    container = Counted(dict.fromkeys(keys(0, 50_000), 0))
    order = Order(container)
    for key in keys(5, 50_000):
        del container[key]
        order.discard(key)
    container.asked = 0
    for _ in range(1000):
        order.random(rng)
    assert container.asked < 20_000


def test_an_order_that_was_not_told_reads_anew() -> None:
    container = set(keys(0, 1000))
    order = Order(container)
    cursor, found = order.scan(0, 100)
    container.difference_update(keys(0, 300))
    rest = container - set(found)
    found = []
    while cursor:
        cursor, more = order.scan(cursor, 10)
        found += more
    assert sorted(found) == sorted(rest)
    container.update(keys(5000, 5100))
    assert sorted(scan_all(order, 10)) == sorted(container)
    container.clear()
    assert scan_all(order, 10) == []


def test_many_keys_that_come_at_once_stand_once_each() -> None:
    """Some of them are tombstones, and their number begins a sweep."""
    container = set(keys(0, 5000))
    order = Order(container)
    gone = keys(0, 4990)
    for key in gone:
        remove(container, order, key)
    come = [*keys(5000, 9000), *gone, *keys(9000, 9500)]
    container.update(come)
    order.append_all(come)
    assert sorted(scan_all(order, 100)) == sorted(container)
    assert sorted(key for key in scan_all(order, 7) if key in set(gone)) == sorted(gone)


def test_keys_that_come_at_once_stand_as_if_they_came_one_by_one() -> None:
    container: set[bytes] = set()
    together, alone = Order(container), Order(container)
    for start, stop in ((0, 3), (3, 3000), (3000, 3001), (3001, 9000)):
        container.update(keys(start, stop))
        together.append_all(keys(start, stop))
        for key in keys(start, stop):
            alone.append(key)
    assert len(together) == len(alone) == 9000
    for cursor in (0, 1000, 4095):
        assert together.scan(cursor, 5000) == alone.scan(cursor, 5000)
