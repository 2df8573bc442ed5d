"""CMS.*: what is particular about Count-Min sketches here, beside what the differential tests compare."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.modules.probabilistic.count_min import MOST_COUNT, CountMin, dimensions


def test_estimates_are_never_too_low() -> None:
    sketch = CountMin.create(50, 4)
    for number in range(500):
        sketch.add(b"%d" % (number % 30), 1)
    assert all(sketch.estimate(b"%d" % number) >= 500 // 30 for number in range(30))
    assert sketch.count == 500


def test_dimensions_are_computed_with_32_bits() -> None:
    # The logarithms of 0.125 and of 0.5 have the quotient 3, which 32 bits hold exactly.
    assert dimensions(0.01, 0.125) == (200, 3)
    assert dimensions(0.001, 0.01) == (2000, 7)
    with pytest.raises(OverflowError):
        dimensions(5e-324, 0.5)
    with pytest.raises(OverflowError):
        dimensions(0.1, 1e-60)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (("CMS.INITBYDIM", "key", 0, 5), b"CMS: invalid width"),
        (("CMS.INITBYDIM", "key", 5, -1), b"CMS: invalid depth"),
        (("CMS.INITBYDIM", "key", 1 << 62, 4), b"CMS: invalid init arguments"),
        (("CMS.INITBYDIM", "key", 1 << 40, 1), b"CMS: Insufficient memory to create the key"),
        (("CMS.INITBYDIM", "key", 1, 100_000), b"CMS: Insufficient memory to create the key"),
        (("CMS.INITBYPROB", "key", "1e-300", "0.1"), b"CMS: invalid init arguments"),
        (("CMS.INITBYPROB", "key", "0.1", "0.99999999999"), b"CMS: invalid init arguments"),
        (("CMS.INITBYPROB", "key", "0", "0.1"), b"CMS: invalid overestimation value"),
        (("CMS.INITBYPROB", "key", "0.1", "1"), b"CMS: invalid prob value"),
        (("CMS.INCRBY", "key", "a", 1), b"CMS: key does not exist"),
        (("CMS.INCRBY", "key", "a", 1, "b"), b"ERR wrong number of arguments for 'cms.incrby' command"),
    ],
)
def test_bad_calls(server: Server, call: tuple[str | int, ...], error: bytes) -> None:
    assert server(*call) == error
    assert server("EXISTS", "key") == 0


def test_a_counter_that_overflows(server: Server) -> None:
    server("CMS.INITBYDIM", "key", 10, 2)
    assert server("CMS.INCRBY", "key", "a", MOST_COUNT - 1) == [MOST_COUNT - 1]
    assert server("CMS.INCRBY", "key", "a", 1, "b", 2) == [b"CMS: INCRBY overflow", 2]
    assert server("CMS.INCRBY", "key", "a", 1) == [b"CMS: INCRBY overflow"]
    assert server("CMS.QUERY", "key", "a") == [MOST_COUNT]


def test_a_bad_increment_changes_nothing(server: Server) -> None:
    server("CMS.INITBYDIM", "key", 10, 2)
    recorder = server.record()
    assert server("CMS.INCRBY", "key", "a", 1, "b", -1) == b"CMS: Number cannot be negative"
    assert server("CMS.INCRBY", "key", "a", 1, "b", "x") == b"CMS: Cannot parse number"
    assert server("CMS.QUERY", "key", "a") == [0]
    assert recorder.take() == []


def test_merging(server: Server) -> None:
    for key in ("one", "two", "sum"):
        server("CMS.INITBYDIM", key, 100, 3)
    server("CMS.INCRBY", "one", "a", 3)
    server("CMS.INCRBY", "two", "a", 4, "b", 5)
    recorder = server.record()
    assert server("CMS.MERGE", "sum", 2, "one", "two", "WEIGHTS", 10, 1) == b"OK"
    assert server("CMS.QUERY", "sum", "a", "b") == [34, 5]
    assert server("CMS.MERGE", "sum", 1, "one", "WEIGHTS", -1) == b"CMS: MERGE overflow"
    assert server("CMS.MERGE", "sum", 2, "one", "two", "WEIGHTS", (1 << 63) - 1, 1) == b"CMS: MERGE overflow"
    assert server("CMS.MERGE", "sum", -1, "one") == b"CMS: Number of keys must be positive"
    assert server("CMS.MERGE", "sum", 1 << 40, "one", "WEIGHTS", 1) == b"CMS: wrong number of keys/weights"
    assert server("CMS.QUERY", "sum", "a", "b") == [34, 5]
    assert server("CMS.MERGE", "one", 1, "one", "WEIGHTS", 2) == b"OK"
    assert server("CMS.QUERY", "one", "a") == [6]
    assert [call[1] for call in recorder.take()] == [b"sum", b"one"]


def test_merging_in_pieces(server: Server) -> None:
    for key in ("one", "sum"):
        server("CMS.INITBYDIM", key, 50_000, 3)
    for number in range(200):
        server("CMS.INCRBY", "one", number, number)
    assert server("CMS.MERGE", "sum", 2, "one", "one", "WEIGHTS", 1, 2) == b"OK"
    assert server("CMS.QUERY", "sum", *range(200)) == [3 * number for number in range(200)]


def test_the_keys_of_a_merge(server: Server) -> None:
    assert server("COMMAND", "GETKEYS", "CMS.MERGE", "to", 2, "a", "b", "WEIGHTS", 1, 2) == [b"to", b"a", b"b"]


def test_memory_is_that_of_the_counters(server: Server) -> None:
    server("CMS.INITBYDIM", "key", 10_000, 5)
    assert 200_000 <= server("MEMORY", "USAGE", "key") <= 201_000
