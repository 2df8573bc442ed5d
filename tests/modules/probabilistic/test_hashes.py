"""The hashes, in the form for an interpreter and in the form for compiled code."""

from __future__ import annotations

import pytest

from twisted_redis.modules.probabilistic import hashes

WORDS = [bytes(range(100, 100 + size)) for size in range(20)] + [b"hello world", b"\xff" * 33]
MASK = (1 << 64) - 1


def test_known_values() -> None:
    # From the reference implementation of MurmurHash.
    assert hashes.murmur2(b"hello world", 3) == 3249663440
    assert hashes.murmur64(b"hello world") == 15256545620076441550


@pytest.mark.parametrize("data", WORDS, ids=range(len(WORDS)))
def test_both_forms_agree(data: bytes) -> None:
    assert hashes._interpreted2(data, (0, 5, 1919)) == [hashes._machine2(data, seed) for seed in (0, 5, 1919)]
    first, second = hashes._interpreted_pair64(data)
    machine = hashes._machine64(data, hashes._SIGNED)
    assert (first, second) == (machine & MASK, hashes._machine64(data, machine) & MASK)
    assert hashes._machine64(data, 0) & MASK == hashes.murmur64(data)
    assert hashes.seeded(data, (0, 9)) == [hashes.murmur2(data, 0), hashes.murmur2(data, 9)]


def test_the_second_hash_of_a_pair_has_the_first_as_its_seed() -> None:
    first, second = hashes.pair64(b"item")
    assert first & MASK == hashes._machine64(b"item", hashes._SIGNED) & MASK
    assert second & MASK == hashes._machine64(b"item", first) & MASK
    first, second = hashes.pair32(b"item")
    assert second == hashes.murmur2(b"item", first)
