"""Chunks, packed and plain."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from sys import getsizeof

import pytest

from twisted_redis.extending import Reader
from twisted_redis.modules.timeseries.chunks import Chunk, PackedChunk, PlainChunk

KINDS = [PackedChunk, PlainChunk]


def new_value(before: float, value: float) -> float:
    return value


def filled(kind: Callable[[int], Chunk], size: int, step: int = 10) -> Chunk:
    chunk = kind(size)
    time = 0
    while chunk.append(time, time / 4):
        time += step
    return chunk


def content(chunk: Chunk) -> list[tuple[int, float]]:
    times, values = chunk.samples()
    return list(zip(times, values, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_behaves_like_a_sorted_dict(kind: Callable[[int], Chunk]) -> None:
    random = Random(3)
    for size in (48, 128, 4096):
        chunk = kind(size)
        model: dict[int, float] = {}
        for _ in range(400):
            time, value = random.randint(0, 3000), random.choice([1.0, 2.0, random.random()])
            step = random.random()
            if step < 0.5 and time > chunk.last:
                if chunk.append(time, value):
                    model[time] = value
            elif step < 0.9 and model:
                added, kept = chunk.upsert(time, value, max)
                assert (added, kept) == (int(time not in model), max(value, model.get(time, value)))
                model[time] = kept
            elif step > 0.98:
                end = time + random.randint(0, 300)
                gone = [one for one in model if time <= one <= end]
                assert chunk.delete(time, end) == len(gone)
                for one in gone:
                    del model[one]
            if random.random() < 0.05:
                chunk = chunk.copy()
            if random.random() < 0.05:
                chunk = kind.load(Reader(list(chunk.save())))  # type: ignore[attr-defined]
            assert len(chunk) == len(model)
            assert chunk.first == min(model, default=0)
            assert chunk.last == max(model, default=0)
            if model:
                assert chunk.last_value == model[chunk.last]
        assert content(chunk) == sorted(model.items())


def test_slightly_late_samples_give_the_bits_of_samples_in_order() -> None:
    random = Random(8)
    for size in (256, 4096):
        chunk = PackedChunk(size)
        model: dict[int, float] = {}
        moment = 1000
        while True:
            moment += random.randint(1, 50)
            late = max(1000, moment - random.choice([0, 0, 0, 20, 200, 2000]))
            value = random.choice([1.0, 2.5, random.random()])
            if late > chunk.last:
                if not chunk.append(late, value):
                    break
            else:
                chunk.upsert(late, value, new_value)
            model[late] = value
            if random.random() < 0.02:
                chunk = chunk.copy()
            if random.random() < 0.02:
                chunk.pack()
        assert content(chunk) == sorted(model.items())
        ordered = PackedChunk(chunk.size)
        for time in sorted(model):
            assert ordered.append(time, model[time])
        assert list(chunk.save()) == list(ordered.save())


def test_the_last_samples_are_read_without_the_others() -> None:
    chunk = PackedChunk(4096)
    for number in range(700):
        assert chunk.append(number * 10, number / 8)
    everything = content(chunk)
    shortest = len(everything)
    for start in range(0, 7010, 35):
        times, values = chunk.samples(start)
        found = list(zip(times, values, strict=True))
        assert found == everything[len(everything) - len(found) :]
        assert [sample for sample in found if sample[0] >= start] == [one for one in everything if one[0] >= start]
        shortest = min(shortest, len(found))
    assert shortest < 100
    assert len(chunk.samples(6000)[0]) < 300


def test_a_full_chunk_refuses_another_sample_and_keeps_the_others() -> None:
    plain = filled(PlainChunk, 64)
    assert content(plain) == [(0, 0.0), (10, 2.5), (20, 5.0), (30, 7.5)]
    packed = filled(PackedChunk, 64)
    before = content(packed)
    assert not packed.append(before[-1][0] + 10, 1 / 3)
    assert content(packed) == before
    assert packed.append(before[-1][0] + 10, before[-1][1])  # two bits are left


def test_an_inserted_sample_makes_a_full_chunk_grow() -> None:
    plain = filled(PlainChunk, 64)
    assert plain.upsert(5, 1.0, new_value) == (1, 1.0)
    assert plain.size == 80
    packed = filled(PackedChunk, 64)
    assert packed.upsert(5, 1 / 3, new_value) == (1, 1 / 3)
    assert packed.size == 96
    assert (5, 1 / 3) in content(packed)


def test_a_refused_merge_changes_nothing() -> None:
    def refuse(before: float, value: float) -> float:
        raise ValueError

    for kind in KINDS:
        chunk = filled(kind, 64)
        before = content(chunk)
        with pytest.raises(ValueError, match=r"^$"):
            chunk.upsert(20, 1.0, refuse)
        assert content(chunk) == before


def test_a_split_halves_the_samples_and_gives_spare_bytes_back() -> None:
    plain = filled(PlainChunk, 16 * 7)
    later = plain.split()
    assert (len(plain), len(later), plain.size, later.size) == (4, 3, 64, 48)
    assert not plain.append(100, 1.0)
    packed = filled(PackedChunk, 4096)
    everything = content(packed)
    after = packed.split()
    assert content(packed) + content(after) == everything
    assert len(packed) - len(after) in (0, 1)
    for chunk in (packed, after):
        assert chunk.size < 4096
        assert chunk.size % 8 == 0


def test_a_packed_chunk_takes_no_more_memory_than_its_bytes() -> None:
    for step in (7, 1000):
        chunk = PackedChunk(4096)
        random = Random(step)
        time = 0
        while chunk.append(time, random.random() if step == 7 else 1.5):
            time += step
            live = len(chunk.times) * 16
            assert len(chunk.writer.groups) + live <= 4096
        chunk.pack()
        assert getsizeof(chunk.writer.groups) + getsizeof(chunk.times) + getsizeof(chunk.values) < 4096 * 1.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", range(11))
def test_damaged_chunks_are_refused_or_read_without_harm(kind: Callable[[int], Chunk], place: int) -> None:
    stored = list(filled(kind, 64).save())
    if place >= len(stored):
        return
    for damaged in (0, 1, 7, 1 << 20, (1 << 63) - 1, (1 << 64) - 1, b"", b"short", 1.5):
        items = [*stored[:place], damaged, *stored[place + 1 :]]
        try:
            chunk = kind.load(Reader(items))  # type: ignore[attr-defined]
        except ValueError:
            continue
        assert len(content(chunk)) == len(chunk) <= 600
        chunk.upsert(15, 1.0, new_value)
        chunk.delete(0, 20)


def test_a_chunk_that_ends_too_early_is_refused() -> None:
    for kind in KINDS:
        stored = list(filled(kind, 64).save())
        for length in range(len(stored)):
            with pytest.raises(ValueError, match="ends too early"):
                kind.load(Reader(stored[:length]))
