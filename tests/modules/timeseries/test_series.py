"""Series: their chunks, and what files contain."""

from __future__ import annotations

from random import Random

import pytest

from twisted_redis.modules.timeseries.samples import samples_in
from twisted_redis.modules.timeseries.series import COMPRESSED, UNCOMPRESSED, Rule, Series

ALL = 1 << 63


def new_value(before: float, value: float) -> float:
    return value


def content(series: Series) -> list[tuple[int, float]]:
    return [(time, value) for time, value in samples_in(series, 0, ALL)]


def random_series(options: int, seed: int = 1) -> tuple[Series, dict[int, float]]:
    random = Random(seed)
    series = Series(b"key", 128, options)
    model: dict[int, float] = {}
    time = 0
    for _ in range(600):
        value = random.choice([1.0, 2.5, random.random()])
        if random.random() < 0.3 and model:
            late = random.randint(0, time)
            series.upsert(late, value, new_value)
            model[late] = value
        else:
            time += random.randint(1, 100)
            series.append(time, value)
            model[time] = value
    return series, model


@pytest.mark.parametrize("options", [COMPRESSED, UNCOMPRESSED])
def test_late_samples_and_splits(options: int) -> None:
    series, model = random_series(options)
    assert content(series) == sorted(model.items())
    assert len(series) == series.total == len(model)
    assert len(series.chunks) > 3
    firsts = [chunk.first for chunk in series.chunks]
    assert firsts == sorted(firsts)
    assert series.last is series.chunks[-1]
    assert (series.last_time, series.last_value) == max(model.items())
    assert series.bytes == sum(chunk.size + chunk.STRUCT for chunk in series.chunks)


@pytest.mark.parametrize("options", [COMPRESSED, UNCOMPRESSED])
def test_deletions(options: int) -> None:
    random = Random(2)
    series, model = random_series(options)
    while model:
        start = random.randint(0, series.last_time + 10)
        end = start + random.choice([0, 500, 5000])
        gone = [time for time in model if start <= time <= end]
        assert series.delete(start, end) == len(gone)
        for time in gone:
            del model[time]
        assert content(series) == sorted(model.items())
        assert series.total == len(model)
        assert (series.last_time, series.last_value) == max(model.items(), default=(0, 0.0))
        assert series.bytes == sum(chunk.size + chunk.STRUCT for chunk in series.chunks)
    series.append(5, 1.0)
    assert content(series) == [(5, 1.0)]


def test_chunks_older_than_the_retention_are_dropped() -> None:
    series = Series(b"key", 48, UNCOMPRESSED)
    series.retention = 100
    for time in range(0, 1000, 10):
        series.append(time, 1.0)
    assert content(series) == [(time, 1.0) for time in range(890, 1000, 10)]
    assert series.first_kept()[0] == 890
    assert series.total - series.first_kept()[1] == 11
    assert series.total < 20
    assert series.bytes == len(series.chunks) * (48 + 32)


def test_a_sample_that_a_rule_has_inserted_behind_the_last_time() -> None:
    series = Series(b"key", 4096)
    series.append(10, 1.0)
    series.upsert(30, 3.0, new_value)
    assert series.last_time == 10
    series.append(20, 2.0)
    series.append(40, 4.0)
    assert content(series) == [(10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0)]


@pytest.mark.parametrize("options", [COMPRESSED, UNCOMPRESSED])
def test_what_is_stored_is_loaded(options: int) -> None:
    series, model = random_series(options)
    series.retention, series.policy, series.ignore_time, series.ignore_value = 10**9, 3, 5, 1.5
    series.labels = ((b"a", b"1"), (b"b", b"2"))
    series.source = b"source"
    rule = Rule(b"target", b"twa", 10, 3)
    rule.aggregator.add(1.0, 5)
    series.rules = [rule, Rule(b"other", b"max", 7, 0)]
    stored = list(series.save())
    made = Series.load(stored, 8)
    assert list(made.save()) == stored
    assert content(made) == sorted(model.items())
    assert [one.target for one in made.rules] == [b"target", b"other"]
    assert made.memory() == series.memory()
    made.append(made.last_time + 1, 9.0)
    assert content(made)[-1][1] == 9.0


def test_a_dump_and_a_copy_have_neither_rules_nor_a_source() -> None:
    series, model = random_series(COMPRESSED)
    series.source = b"source"
    series.rules = [Rule(b"target", b"sum", 10, 0)]
    for made in (Series.load(list(series.dump()), 8), series.copy()):
        assert (made.source, made.rules) == (None, [])
        assert content(made) == sorted(model.items())
        made.delete(0, ALL)
    assert content(series) == sorted(model.items())


def test_the_digest_does_not_depend_on_the_key() -> None:
    one, _ = random_series(COMPRESSED)
    other, _ = random_series(COMPRESSED)
    other.key = b"another"
    assert list(one.digest()) == list(other.digest())
    other.append(other.last_time + 1, 1.0)
    assert list(one.digest()) != list(other.digest())


def test_damaged_series_are_refused_or_loaded_without_harm() -> None:
    series, _ = random_series(COMPRESSED)
    series.labels = ((b"a", b"1"),)
    series.rules = [Rule(b"target", b"avg", 10, 0)]
    stored = list(series.save())
    for place in range(40):
        for damaged in (0, 1, 99, 1 << 40, (1 << 64) - 1, b"", b"text", 2.5):
            try:
                made = Series.load([*stored[:place], damaged, *stored[place + 1 :]], 8)
            except ValueError:
                continue
            content(made)
    for length in range(0, len(stored), 7):
        with pytest.raises(ValueError, match=r"too early|is not from"):
            Series.load(stored[:length], 8)
    for version in (0, 1, 10):
        with pytest.raises(ValueError, match=f"version {version}"):
            Series.load(stored, version)
    with pytest.raises(ValueError, match="follow"):
        Series.load([*stored, 1], 8)


def test_chunks_out_of_order_are_refused() -> None:
    series, _ = random_series(COMPRESSED)
    series.chunks.reverse()
    with pytest.raises(ValueError, match="not in order"):
        Series.load(list(series.save()), 8)


def test_files_of_other_versions() -> None:
    series, model = random_series(COMPRESSED)
    series.rules = [Rule(b"target", b"max", 10, 0)]
    stored = list(series.save())
    rule = stored.index(b"target")
    context = rule + 5
    later = [*stored[:context], 1, *stored[context:]]
    assert content(Series.load(later, 9)) == sorted(model.items())
    # No options of IGNORE before version 8, and no alignment before version 6, whose context had one string more.
    seven = [*stored[:9], *stored[11:]]
    assert content(Series.load(seven, 7)) == sorted(model.items())
    at = seven.index(b"target")
    five = [*seven[: at + 2], *seven[at + 3 : at + 7], b"", *seven[at + 7 :]]
    made = Series.load(five, 5)
    assert content(made) == sorted(model.items())
    assert (made.rules[0].duration, made.rules[0].alignment) == (10, 0)
    two = [*five[:7], *five[8:]]
    assert content(Series.load(two, 2)) == sorted(model.items())
