"""The histogram of durations: the bounds of its buckets and its percentiles."""

from __future__ import annotations

from random import Random

from twisted_redis.engine.declare.histogram import Histogram


def test_a_bucket_holds_its_lower_bound_and_is_one_part_in_128_wide() -> None:
    for duration in (0, 1, 127, 128, 255, 256, 257, 511, 512, 10_000, 123_456_789, (1 << 40) + 12345):
        made = Histogram()
        made.add([duration], 3)
        ((lowest, count),) = made.items()
        assert count == made.total() == 3
        width = 1 << max(0, duration.bit_length() - 8)
        assert lowest == duration // width * width
        assert made.percentile(50) == lowest + width - 1


def test_buckets_come_in_ascending_order_and_add_up() -> None:
    random = Random(5)
    samples = [int(random.lognormvariate(10, 2)) for _ in range(2000)]
    made = Histogram()
    made.add(samples, 1)
    bounds = [lowest for lowest, _ in made.items()]
    assert bounds == sorted(set(bounds))
    assert made.total() == 2000
    middle = sorted(samples)[999]
    assert middle <= made.percentile(50) <= middle * (1 + 1 / 100)


def test_no_durations() -> None:
    assert Histogram().percentile(99) == 0
    assert list(Histogram().items()) == []
