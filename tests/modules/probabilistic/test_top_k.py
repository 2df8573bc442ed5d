"""TOPK.*: what is particular about Top-K sketches here, beside what the differential tests compare."""

from __future__ import annotations

from random import Random

import pytest

from tests.modules.probabilistic import recorded
from tests.support.server import Server
from twisted_redis.modules.probabilistic.top_k import TopK


def test_the_most_frequent_items_are_found() -> None:
    random = Random(1)
    sketch = TopK.create(5, 500, 5, 0.9)
    for _ in range(5000):
        sketch.add(b"item:%d" % int(random.expovariate(0.05)), 1)
    for number in range(5):
        sketch.add(b"heavy:%d" % number, 2000 + number)
    assert {item for item, _ in sketch.ranking()} == {b"heavy:%d" % number for number in range(5)}
    assert 1900 < sketch.count(b"heavy:0") <= 2000


@pytest.mark.parametrize(("decay", "count", "amount"), [(0.9, 5, 10), (0.9, 20, 30), (0.5, 3, 20), (0.99, 200, 150)])
def test_trials_that_are_skipped_have_the_same_effect(decay: float, count: int, amount: int) -> None:
    """One draw for many trials leads to the same distribution as a draw for each trial."""
    random = Random(2)

    def each_trial() -> int:
        left, trials = count, amount
        while trials > 0:
            if random.random() < decay**left:
                left -= 1
                if left == 0:
                    return -trials
            trials -= 1
        return left

    sketch = TopK.create(1, 1, 1, decay)
    results = [sketch._compete(count, amount) for _ in range(4000)]
    skipped = [left or -rest for left, rest in results]
    single = [each_trial() for _ in range(4000)]
    assert abs(sum(skipped) - sum(single)) / 4000 < 0.05 * max(count, amount) ** 0.5
    assert abs(skipped.count(count) - single.count(count)) < 200


def test_a_decay_of_one_always_decreases() -> None:
    sketch = TopK.create(1, 1, 1, 1.0)
    assert [sketch._compete(5, amount) for amount in (1, 4, 5, 8)] == [(4, 0), (1, 0), (0, 1), (0, 4)]


def test_a_large_increment_takes_a_short_time(server: Server) -> None:
    server("TOPK.RESERVE", "key", 1, 1, 50, "0.9")
    server("TOPK.ADD", "key", "a")
    draws = 0
    sketch = server.engine.databases[0].data[b"key"].sketch
    before = sketch._state
    server("TOPK.INCRBY", "key", "b", 100_000)
    while before != sketch._state and draws < 10_000:
        before = before * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        draws += 1
    assert draws == 50  # one for each row


def test_replicas_and_files_have_the_same_random_numbers(server: Server) -> None:
    server("TOPK.RESERVE", "key", 3, 2, 2, "0.8")
    recorder = server.record()
    for number in range(300):
        server("TOPK.ADD", "key", number % 50)
    assert len(recorder.take()) == 300
    server("RESTORE", "copy", 0, server("DUMP", "key"))
    for number in range(300):
        assert server("TOPK.INCRBY", "key", number, 2) == server("TOPK.INCRBY", "copy", number, 2)
    assert server("DUMP", "copy") == server("DUMP", "key")


def test_a_dump_of_redis_is_loaded(server: Server) -> None:
    calls, dump = recorded.TOP_K
    assert server("RESTORE", "restored", 0, recorded.payload(dump)) == b"OK"
    expected = [b"item:2", 252, b"item:4", 212, b"item:1", 211]
    assert server("TOPK.LIST", "restored", "WITHCOUNT") == expected
    for call in calls:
        server(*call)
    assert server("TOPK.LIST", "key", "WITHCOUNT") == expected
    ours, theirs = (server.engine.databases[0].data[key].sketch for key in (b"key", b"restored"))
    assert ours.cells == theirs.cells
    assert server("DUMP", "key")[:-10].hex()[:560] == dump[:560]  # up to the pointers in the heap


def test_a_damaged_dump_is_refused(server: Server) -> None:
    dump = bytes.fromhex(recorded.TOP_K[1])
    refused = 0
    for at in range(10, len(dump)):
        for flipped in (0x01, 0x80, 0xFF):
            damaged = dump[:at] + bytes([dump[at] ^ flipped]) + dump[at + 1 :]
            reply = server("RESTORE", "damaged", 0, recorded.payload(damaged.hex()), "REPLACE")
            if reply == b"ERR Bad data format":
                refused += 1
            else:
                assert b"internal error" not in str(server("TOPK.ADD", "damaged", "a", "b")).encode()
                assert b"internal error" not in str(server("TOPK.LIST", "damaged")).encode()
    assert refused > 50


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0,), b"TopK: invalid k"),
        ((1 << 63,), b"TopK: invalid k"),
        (((1 << 63) - 1,), b"ERR Insufficient memory to create topk data structure"),
        ((1 << 32,), b"ERR Insufficient memory to create topk data structure"),
        ((5, 1 << 31, 1 << 15, "0.9"), b"ERR Insufficient memory to create topk data structure"),
        ((5, 1 << 40, 1, "0.9"), b"TopK: invalid width"),
        ((5, 1, 1 << 40, "0.9"), b"TopK: invalid depth"),
        ((5, 1, 100_000, "0.9"), b"ERR Insufficient memory to create topk data structure"),
        ((10_000_000,), b"ERR Insufficient memory to create topk data structure"),
        ((5, 0, 1, "0.9"), b"TopK: invalid width"),
        ((5, 1, 0, "0.9"), b"TopK: invalid depth"),
        ((5, 1, 1, "0"), b"TopK: invalid decay value. must be '<= 1' & '> 0'"),
        ((5, 1, 1, "1.01"), b"TopK: invalid decay value. must be '<= 1' & '> 0'"),
        ((5, 1), b"ERR wrong number of arguments for 'topk.reserve' command"),
    ],
)
def test_impossible_sketches(server: Server, arguments: tuple[str | int, ...], error: bytes) -> None:
    assert server("TOPK.RESERVE", "key", *arguments) == error
    assert server("EXISTS", "key") == 0


def test_a_bad_increment_ends_the_call(server: Server) -> None:
    server("TOPK.RESERVE", "key", 5)
    first, error = server("TOPK.INCRBY", "key", "a", 1, "b", 100_001, "c", 1)
    assert first is None
    assert error.startswith(b"TopK: increment must be an integer")
    assert server("TOPK.QUERY", "key", "a", "b", "c") == [True, False, False]


def test_items_with_zero_bytes_are_kept_whole(server: Server) -> None:
    server("TOPK.RESERVE", "key", 2)
    server("TOPK.ADD", "key", b"a\0b", b"")
    assert server("TOPK.LIST", "key") == [b"a", b""]  # as Redis' module shows them
    server("RESTORE", "copy", 0, server("DUMP", "key"))
    assert server("TOPK.QUERY", "copy", b"a\0b", b"", b"a") == [True, True, False]


def test_memory_follows_the_items(server: Server) -> None:
    server("TOPK.RESERVE", "key", 10)
    empty = server("MEMORY", "USAGE", "key")
    server("TOPK.ADD", "key", "x" * 5000)
    assert server("MEMORY", "USAGE", "key") == empty + 5000
    server("TOPK.INCRBY", "key", *[word for number in range(10) for word in (f"item:{number}", 5)])
    assert server("MEMORY", "USAGE", "key") < empty + 1000
