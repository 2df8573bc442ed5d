"""HyperLogLogs: the same bytes and estimates as in Redis, and each operation on all registers against a simple one."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.datatypes import hll_registers, hll_sparse, hyperloglog
from twisted_redis.datatypes.hll_registers import REGISTERS
from twisted_redis.datatypes.hyperloglog import Corrupted
from twisted_redis.datatypes.murmur import murmur64a

LIMIT = 3000


def filled(count: int, limit: int = LIMIT, letter: str = "e") -> bytearray:
    """Returns a HyperLogLog of the elements e0, e1..., in this order."""
    data = hyperloglog.create()
    hyperloglog.add(data, [f"{letter}{number}".encode() for number in range(count)], limit)
    return data


def with_runs(runs: bytes) -> bytearray:
    """Returns a sparse HyperLogLog with these bytes after the header."""
    return hyperloglog.create()[: hll_sparse.HEADER] + runs


registers_in_runs = st.lists(st.tuples(st.integers(0, 63), st.integers(1, 3000)), min_size=1, max_size=30).map(
    lambda runs: b"".join(bytes([value]) * length for value, length in runs).ljust(REGISTERS, b"\1")[:REGISTERS]
)


# compared with Redis


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"", 0xD8DFEA6585BC9732),
        (b"abc", 0x77EC90AEB374E502),
        (b"\xff\xfe\xfd\xfc\xfb\xfa\xf9", 0xAE8FEEEAB22A7524),
        (b"12345678", 0x95EBB86389132953),
        (b"twelve bytes", 0xCDAA2077E392AAA6),
    ],
)
def test_hashes(data: bytes, hashed: int) -> None:
    assert murmur64a(data, 0xADC83B19) == hashed


def test_a_small_one_byte_for_byte() -> None:
    data = hyperloglog.create()
    assert data == b"HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"
    assert hyperloglog.add(data, [b"a", b"b", b"c"], LIMIT) == 3
    assert data == b"HYLL\1\0\0\0\0\0\0\0\0\0\0\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ"
    assert " ".join(hll_sparse.runs(data)) == "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
    assert hyperloglog.add(data, [b"c", b"a"], LIMIT) == 0
    assert hyperloglog.cached_count(data) is None
    assert hyperloglog.count(data) == hyperloglog.cached_count(data) == 3
    assert data == b"HYLL\1\0\0\0\3\0\0\0\0\0\0\0`\xf3\x80P\xb1\x84K\xfb\x80BZ"


@pytest.mark.parametrize(
    ("count", "size", "digest", "estimate"),
    [
        (1, 21, "3eb3234681303a26e57d597ed228af6a15d63ac1", 1),
        (10, 48, "771d194bc0a419552a28bb34101cac65f9c44a11", 10),
        (100, 285, "47f6cb6c3c5a16056e3bb450f9572a1524d44455", 100),
        (500, 1068, "dc4c5c567a263152bb03598f9664eccf9ac734e6", 506),
        (1000, 1906, "26dc3c41142e0317d54eb6adc1e29ccff5ca6941", 1008),
        (1500, 2719, "f17ea61075556d348df7ba5c18a023987abf0faf", 1509),
        (2000, 12304, "d89749d695c9bf2d520372e472f50f24ee53f88b", 2000),
        (10000, 12304, "815121cd20d56c18b25dc3df04d13b8fe679a663", 9973),
    ],
)
def test_larger_ones_as_redis_makes_them(count: int, size: int, digest: str, estimate: int) -> None:
    data = filled(count)
    assert len(data) == size
    assert hashlib.sha1(data).hexdigest() == digest
    assert hyperloglog.count(data) == estimate


def test_a_merged_one_as_redis_makes_it() -> None:
    one, other = filled(600), filled(400, letter="f")
    merged = hyperloglog.create()
    registers = hyperloglog.union(hyperloglog.registers_of(one), other)
    hyperloglog.merge_into(merged, registers, False, LIMIT)
    assert hashlib.sha1(merged).hexdigest() == "1e469f63f9018599a464fca80a73400548223e90"
    assert hyperloglog.cardinality(registers) == hyperloglog.count(merged) == 1005


# registers


def test_registers_stand_packed_from_the_low_bits_on() -> None:
    registers = bytes([1, 2, 3, 63]) + bytes(REGISTERS - 4)
    packed = hll_registers.pack(registers)
    assert len(packed) == hll_registers.DENSE_SIZE
    assert packed[:4] == bytes([1 | 2 << 6 & 255, 2 >> 2 | 3 << 4, 63 << 2 & 255, 0])


@settings(max_examples=30)
@given(registers_in_runs, st.integers(0, 2**32))
def test_all_registers_at_once(registers: bytes, seed: int) -> None:
    other = bytes(random.Random(seed).choices(range(64), k=REGISTERS))
    assert hll_registers.unpack(hll_registers.pack(registers)) == registers
    assert hll_registers.unpack(hll_registers.pack(other)) == other
    assert hll_registers.maximum(registers, other) == bytes(map(max, registers, other))
    assert hll_registers.histogram(registers) == [registers.count(value) for value in range(64)]


def test_one_dense_register_among_others() -> None:
    chance = random.Random(5)
    expected = bytearray(chance.choices(range(64), k=REGISTERS))
    data = bytearray(b"HYLL" + bytes(12)) + hll_registers.pack(bytes(expected))
    for _ in range(2000):
        index, value = chance.choice([0, 1, 2, 3, REGISTERS - 1, chance.randrange(REGISTERS)]), chance.randrange(64)
        assert hyperloglog.set_register(data, index, value, LIMIT) == (value > expected[index])
        expected[index] = max(value, expected[index])
    assert hyperloglog.registers_of(data) == expected
    assert len(data) == 12304


def test_estimates_of_extremes() -> None:
    assert hyperloglog.cardinality(bytes(REGISTERS)) == 0
    assert hyperloglog.cardinality(bytes([60]) * REGISTERS) == -(2**63)
    assert hyperloglog.cardinality(bytes([51]) * REGISTERS) == -(2**63)
    assert hyperloglog.cardinality(bytes([50]) * REGISTERS) > 2**62


def test_an_infinite_estimate_is_never_up_to_date() -> None:
    data = bytearray(b"HYLL" + bytes(11) + b"\x80" + b"\xff" * hll_registers.DENSE_SIZE)
    assert hyperloglog.count(data) == -(2**63)
    assert hyperloglog.cached_count(data) is None


@pytest.mark.parametrize("count", [100, 3000, 40000])
def test_estimates_are_near(count: int) -> None:
    assert abs(hyperloglog.count(filled(count)) - count) < 0.03 * count


# sparse


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 1500), st.integers(1, 5000))
def test_runs_hold_what_was_set(seed: int, count: int, spread: int) -> None:
    chance = random.Random(seed)
    expected = bytearray(REGISTERS)
    data = hyperloglog.create()
    for _ in range(count):
        # Values and positions that are close to each other, so that runs merge.
        index, value = chance.randrange(max(1, min(spread * 4, REGISTERS))), chance.choice([1, 1, 1, 2, 2, 3, 32])
        raised = hll_sparse.set_register(data, index, value, 10**6)
        assert bool(raised) == (value > expected[index])
        expected[index] = max(value, expected[index])
    assert hll_sparse.expand(data) == expected
    written = sum(int(run.rpartition(",")[2] if run[0] == "v" else run[2:]) for run in hll_sparse.runs(data))
    assert written == REGISTERS


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 1200), st.integers(1, 4000), st.booleans())
def test_merging_goes_on_where_it_stopped(seed: int, count: int, spread: int, onto: bool) -> None:
    chance = random.Random(seed)
    registers = bytearray(REGISTERS)
    data = hyperloglog.create()
    for _ in range(count):
        index, value = chance.randrange(spread * 4), chance.choice([1, 1, 2])
        registers[index] = max(registers[index], value)
        if onto and chance.random() < 0.5:
            hll_sparse.set_register(data, index, 1, 10**6)
    plain = bytearray(data)
    for index, value in enumerate(registers):
        if value:
            hll_sparse.set_register(plain, index, value, 10**6)
    hyperloglog.merge_into(data, bytes(registers), False, 10**6)
    assert data[hll_sparse.HEADER :] == plain[hll_sparse.HEADER :]


def test_a_merge_may_get_too_long_on_its_way() -> None:
    registers = hyperloglog.registers_of(filled(1000))
    data = filled(10)
    hyperloglog.merge_into(data, hyperloglog.union(registers, data), False, 1000)
    assert hyperloglog.is_dense(data)
    assert hyperloglog.registers_of(data) == registers


def test_high_registers_need_the_dense_representation() -> None:
    data = hyperloglog.create()
    assert hyperloglog.set_register(data, 7, 32, LIMIT)
    assert not hyperloglog.is_dense(data)
    assert hyperloglog.set_register(data, 8, 33, LIMIT)
    assert hyperloglog.is_dense(data)
    assert hyperloglog.registers_of(data)[6:10] == bytes([0, 32, 33, 0])


def test_the_limit_counts_the_header() -> None:
    data = filled(100)
    longest = max(len(filled(count)) for count in range(100))
    assert not hyperloglog.is_dense(filled(100, len(data)))
    assert longest < len(data)
    assert hyperloglog.is_dense(filled(100, len(data) - 1))
    assert hyperloglog.is_dense(filled(1, 0))
    assert not hyperloglog.is_dense(filled(0, 0))


@pytest.mark.parametrize(
    "runs",
    [
        b"",
        b"\x7f\xfe",
        b"\x7f\xff\x00",
        b"\x7f\xff\x80",
        b"\x7f\xfe\x81",
        b"\x7f",
        b"\x3f" * 255,
        b"\x3f" * 257,
        b"\x83" * 20000,
        b"\x7f\xff" * 100_000,
    ],
)
def test_runs_that_do_not_cover_the_registers(runs: bytes) -> None:
    data = with_runs(runs)
    assert hyperloglog.is_hyperloglog(data)
    for use in (hyperloglog.registers_of, hyperloglog.count, hyperloglog.to_dense):
        before = bytes(data)
        with pytest.raises(Corrupted):
            use(data)
        assert data == before


@pytest.mark.parametrize("runs", [b"", b"\x7f\x00", b"\x3f" * 10, b"\x80" * 2000, b"\x7f"])
def test_a_register_that_no_run_covers(runs: bytes) -> None:
    data = with_runs(runs)
    with pytest.raises(Corrupted):
        hyperloglog.set_register(data, REGISTERS - 1, 1, LIMIT)
    assert data == with_runs(runs)


# invalid HyperLogLogs


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (b"", False),
        (b"HYLL", False),
        (b"HYLL\1" + bytes(10), False),
        (b"HYLL\1" + bytes(11), True),
        (b"hyll\1" + bytes(11), False),
        (b"HYLL\2" + bytes(11), False),
        (b"HYLL\0" + bytes(11 + 12287), False),
        (b"HYLL\0" + bytes(11 + 12288), True),
        (b"HYLL\0" + bytes(11 + 12289), False),
        (bytearray(b"HYLL\0" + bytes(11 + 12288)), True),
    ],
)
def test_which_strings_are_hyperloglogs(value: bytes, valid: bool) -> None:
    assert hyperloglog.is_hyperloglog(value) == valid
