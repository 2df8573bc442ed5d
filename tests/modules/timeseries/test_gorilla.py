"""The compression of samples."""

from __future__ import annotations

from array import array
from random import Random

from twisted_redis.modules.timeseries.gorilla import MOST_BITS, BitWriter, bits_of, unpack, values_of

UNLIMITED = 1 << 60


def written(times: list[int], values: list[float]) -> BitWriter:
    words = bits_of(array("d", values))
    writer = BitWriter(times[0], words[0])
    assert writer.append(times[1:], words[1:], UNLIMITED) == len(times) - 1
    return writer


def test_the_bits_of_small_steps() -> None:
    # The difference 10 is a change by 10 (01 and five bits), then by 0; the values are equal (0) both times.
    writer = written([100, 110, 120], [1.0, 1.0, 1.0])
    assert writer.length == 8 + 2
    assert writer.to_bytes() == bytes([0b0_01010_01, 0b00])


def test_the_bits_of_a_value_with_its_place_and_of_one_in_the_same_place() -> None:
    # 2.0 and 3.0 differ in bit 51: 12 zeros before it, and one bit.
    writer = written([0, 0, 0], [2.0, 3.0, 2.0])
    first = 0b0 | 0b11 << 1 | 12 << 3 | 0 << 8 | 1 << 14
    second = 0b0 | 0b01 << 1 | 1 << 3
    assert writer.length == 15 + 4
    assert writer.to_bytes() == (first | second << 15).to_bytes(3, "little")


def test_what_is_written_is_read_again() -> None:
    random = Random(7)
    for _ in range(200):
        time, value = 0, 0.0
        times, values = [], []
        for _ in range(random.randint(1, 300)):
            time += random.choice([0, 1, 1000, 1000, random.randint(0, 10**5), random.randint(0, 2**50)])
            value = random.choice(
                [value, value + 1, random.random(), -0.0, random.uniform(-1e300, 1e300), float("inf")]
            )
            times.append(time)
            values.append(value)
        writer = written(times, values)
        assert writer.length <= MOST_BITS * (len(times) - 1)
        found_times, words = unpack(writer.to_bytes(), len(times), times[0], bits_of(array("d", values))[0])
        assert found_times == times
        assert values_of(words).tobytes() == array("d", values).tobytes()


def test_a_time_before_the_last_one_is_possible() -> None:
    times = [1 << 40, 5, 1 << 40]
    writer = written(times, [1.0, 2.0, 3.0])
    assert unpack(writer.to_bytes(), 3, times[0], bits_of(array("d", [1.0]))[0])[0] == times


def test_samples_are_appended_while_they_fit() -> None:
    words = bits_of(array("d", [1.5] * 40))
    writer = BitWriter(0, words[0])
    # Each sample takes two bits, except the one that changes the step from 0 to 10.
    assert writer.append(range(10, 400, 10), words[1:], 8 + 2 * 5) == 6
    assert (writer.length, writer.time) == (18, 60)
    before = writer.to_bytes()
    assert writer.append((70,), words[:1], 19) == 0
    assert (writer.to_bytes(), writer.time) == (before, 60)


def test_writing_goes_on_after_loading_the_bits() -> None:
    random = Random(1)
    times = sorted(random.sample(range(10**6), 500))
    values = [random.choice([1.0, 2.5, 3.25]) for _ in times]
    whole = written(times, values)
    half = written(times[:250], values[:250])
    again = half.copy()
    again.load(half.to_bytes() + b"\xff" * 8, half.length)
    assert again.append(times[250:], bits_of(array("d", values[250:])), UNLIMITED) == 250
    assert again.to_bytes() == whole.to_bytes()
    assert half.time == times[249]


def test_the_last_batches_are_taken_back() -> None:
    random = Random(11)
    times = sorted(random.sample(range(10**6), 400))
    values = [random.choice([1.0, 2.5, random.random()]) for _ in times]
    words = bits_of(array("d", values))
    writer = BitWriter(times[0], words[0])
    for start, end in ((1, 200), (200, 390), (390, 396), (396, 400)):
        writer.append(times[start:end], words[start:end], UNLIMITED)
    whole = writer.to_bytes()
    for place, first in ((397, 396), (391, 390), (300, 200)):
        found = writer.copy().rewind(times[place])
        assert found is not None
        assert found == (times[first:], list(words[first:]))
    # A time at which a batch ends belongs to the samples that are taken back.
    found = writer.rewind(times[389])
    assert found is not None
    assert (writer.count, writer.time) == (200, times[199])
    writer.append(*found, UNLIMITED)
    assert writer.to_bytes() == whole
    assert writer.count == 400
    assert writer.copy().rewind(times[0]) is None
    assert writer.to_bytes() == whole
