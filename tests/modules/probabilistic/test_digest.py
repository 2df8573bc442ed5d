"""TDIGEST.*: what is particular about t-digests here, beside what the differential tests compare."""

from __future__ import annotations

import math
from random import Random

import pytest

from tests.modules.probabilistic import recorded
from tests.support.server import Server
from twisted_redis.modules.probabilistic.digest import (
    MOST_WEIGHT,
    Digest,
    Node,
    _in_order,
    _quicksort,
    divided,
    rounded,
    whole,
)


def plain_quicksort(nodes: list[Node], start: int, end: int) -> None:
    """The quicksort with the middle as its pivot, without shortcuts."""
    while end - start > 1:
        middle = (start + end) // 2
        nodes[middle], nodes[end] = nodes[end], nodes[middle]
        pivot, place = nodes[end], start
        for at in range(start, end):
            if nodes[at][0] < pivot[0]:
                nodes[place], nodes[at] = nodes[at], nodes[place]
                place += 1
        nodes[place], nodes[end] = nodes[end], nodes[place]
        plain_quicksort(nodes, start, place - 1)
        start = place + 1
    if end - start == 1 and nodes[start][0] > nodes[end][0]:
        nodes[start], nodes[end] = nodes[end], nodes[start]


@pytest.mark.parametrize("values", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 50, 300])
def test_the_order_of_equal_means(values: int, length: int) -> None:
    random = Random(values * length)
    for _ in range(20):
        nodes = [(float(random.randrange(values)), random.randrange(1, 5)) for _ in range(length)]
        expected = nodes[:]
        plain_quicksort(expected, 0, length - 1)
        assert _in_order(nodes[:]) == expected
        assert _quicksort(nodes[:], False) == expected
        assert _quicksort(nodes[:], True) == expected


def test_many_equal_observations_take_no_quadratic_time() -> None:
    nodes = [(1.0, weight % 7 + 1) for weight in range(100_000)]
    # Without the shortcut, this would be five thousand million steps.
    assert sorted(_quicksort(nodes[:], False)) == sorted(nodes)


def test_quantiles_of_a_known_distribution() -> None:
    digest = Digest(100)
    for number in range(10_000):
        digest.add((number * 7919) % 10_000 / 100, 1)
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert digest.quantile(share) == pytest.approx(100 * share, abs=0.5)
        assert digest.cdf(100 * share) == pytest.approx(share, abs=0.005)
    assert digest.quantiles([0.1, 0.5, 0.2]) == [digest.quantile(share) for share in (0.1, 0.5, 0.2)]
    assert digest.trimmed_mean(0.1, 0.9) == pytest.approx(50, abs=0.2)
    assert len(digest.means) < digest.capacity
    assert digest.observations == 10_000


def test_arithmetic_as_in_c() -> None:
    assert divided(1, 0.0) == math.inf
    assert divided(-1, 0.0) == divided(1, -0.0) == -math.inf
    assert math.isnan(divided(0, 0))
    assert [rounded(number) for number in (0.4, 0.5, 1.5, 2.5, -0.5, -0.4)] == [0, 1, 2, 3, -1, 0]
    assert [rounded(number, down=True) for number in (0.5, 1.5, 0.6)] == [0, 1, 1]
    assert rounded(math.inf) == math.inf
    assert [whole(number) for number in (3.0, math.inf, math.nan, 1e30)] == [3, -(1 << 63), -(1 << 63), -(1 << 63)]


def test_the_same_calls_make_the_same_dump(server: Server) -> None:
    calls, dump = recorded.DIGEST
    for call in calls:
        server(*call)
    assert server("TDIGEST.QUANTILE", "key", ".1", ".5", ".9") == [
        2.847386769457514,
        12.323724007561438,
        22.322408536585368,
    ]
    # The question has compressed the digest, which a dump counts; real Redis was asked afterwards.
    assert server("DUMP", "key")[:-10].hex() == dump
    assert server("RESTORE", "restored", 0, recorded.payload(dump)) == b"OK"
    assert server("DUMP", "restored") == server("DUMP", "key")


def test_a_damaged_dump_is_refused(server: Server) -> None:
    dump = bytes.fromhex(recorded.DIGEST[1])
    refused = 0
    for at in range(10, len(dump)):
        for flipped in (0x01, 0x80, 0xFF):
            damaged = dump[:at] + bytes([dump[at] ^ flipped]) + dump[at + 1 :]
            reply = server("RESTORE", "damaged", 0, recorded.payload(damaged.hex()), "REPLACE")
            if reply == b"ERR Bad data format":
                refused += 1
            else:
                assert server("TDIGEST.ADD", "damaged", 1, 2, 3) == b"OK"
                assert b"internal error" not in str(server("TDIGEST.QUANTILE", "damaged", "0.5")).encode()
                assert b"internal error" not in str(server("TDIGEST.RANK", "damaged", "0.5")).encode()
    assert refused > 200


def test_a_single_observation_survives_a_dump(server: Server) -> None:
    server("TDIGEST.CREATE", "key")
    server("TDIGEST.ADD", "key", "2.5")
    server("RESTORE", "copy", 0, server("DUMP", "key"))
    for key in ("key", "copy"):
        server("TDIGEST.ADD", key, 4)
    assert server("TDIGEST.QUANTILE", "copy", 0, 1) == [2.5, 4.0]
    assert server("DUMP", "copy") == server("DUMP", "key")


def test_an_overflow_changes_nothing(server: Server) -> None:
    server("TDIGEST.CREATE", "key")
    server("TDIGEST.ADD", "key", 1, 2)
    for _ in range(61):
        assert server("TDIGEST.MERGE", "key", 1, "key") == b"OK"
    before = server("DUMP", "key")
    recorder = server.record()
    assert server("TDIGEST.MERGE", "key", 1, "key") == b"ERR T-Digest: overflow detected"
    assert server("DUMP", "key") == before
    assert recorder.take() == []
    digest = server.engine.databases[0].data[b"key"].sketch
    assert digest.observations == 1 << 62
    assert not digest.add(1.0, MOST_WEIGHT)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (
            ("TDIGEST.CREATE", "new", "COMPRESSION", 0),
            b"ERR T-Digest: compression parameter needs to be a positive integer",
        ),
        (("TDIGEST.CREATE", "new", "COMPRESSION", 1 << 63), b"ERR T-Digest: error parsing compression parameter"),
        (("TDIGEST.CREATE", "new", "COMPRESSION", 1 << 40), b"ERR T-Digest: allocation failed"),
        (("TDIGEST.CREATE", "new", "COMPRESSION", (1 << 63) - 1), b"ERR T-Digest: allocation failed"),
        (("TDIGEST.CREATE", "new", "OTHER", 5), b"ERR T-Digest: wrong keyword"),
        (("TDIGEST.CREATE", "new", "COMPRESSION"), b"ERR wrong number of arguments for 'tdigest.create' command"),
        (("TDIGEST.CREATE", "key"), b"ERR T-Digest: key already exists"),
        (("TDIGEST.ADD", "key", 5, "nan"), b"ERR T-Digest: error parsing val parameter"),
        (("TDIGEST.ADD", "key", 5, "inf"), b"ERR T-Digest: val parameter needs to be a finite number"),
        (("TDIGEST.ADD", "new", 5), b"ERR T-Digest: key does not exist"),
        (("TDIGEST.MERGE", "new", 0, "key"), b"ERR T-Digest: numkeys needs to be a positive integer"),
        (("TDIGEST.MERGE", "new", 1 << 62, "key"), b"ERR wrong number of arguments for 'tdigest.merge' command"),
        (("TDIGEST.MERGE", "new", 1, "key", "OTHER"), b"ERR T-Digest: wrong keyword"),
        (("TDIGEST.MERGE", "new", 1, "new"), b"ERR T-Digest: key does not exist"),
        (
            ("TDIGEST.MERGE", "new", 1, "key", "COMPRESSION", 1 << 40),
            b"ERR T-Digest: allocation of destination digest failed",
        ),
        (("TDIGEST.QUANTILE", "key", "1.5"), b"ERR T-Digest: quantile should be in [0,1]"),
        (("TDIGEST.BYRANK", "key", -1), b"ERR T-Digest: rank needs to be non negative"),
        (
            ("TDIGEST.TRIMMED_MEAN", "key", "0.5", "0.5"),
            b"ERR T-Digest: low_cut_percentile should be lower than high_cut_percentile",
        ),
    ],
)
def test_bad_calls(server: Server, call: tuple[str | int, ...], error: bytes) -> None:
    server("TDIGEST.CREATE", "key")
    server("TDIGEST.ADD", "key", 1)
    before = server("DUMP", "key")
    assert server(*call) == error
    assert server("DUMP", "key") == before
    assert server("EXISTS", "new") == 0


def test_a_merge_replaces_the_value_and_its_time_to_live(server: Server) -> None:
    for key in ("a", "b"):
        server("TDIGEST.CREATE", key)
        server("TDIGEST.ADD", key, 1, 2, 3)
    server("EXPIRE", "a", 100)
    assert server("TDIGEST.MERGE", "a", 1, "b") == b"OK"
    assert server("TTL", "a") == -1
    assert server("TDIGEST.MERGE", "a", 1, "b", "OVERRIDE") == b"OK"
    assert server("TDIGEST.RANK", "a", 4) == [3]
    assert server("COMMAND", "GETKEYS", "TDIGEST.MERGE", "a", 2, "b", "c") == [b"a", b"b", b"c"]


def test_memory_follows_the_nodes(server: Server) -> None:
    server("TDIGEST.CREATE", "key", "COMPRESSION", 1_000_000)
    assert server("MEMORY", "USAGE", "key") < 1000
    server("TDIGEST.ADD", "key", *range(1000))
    assert 16_000 < server("MEMORY", "USAGE", "key") < 20_000
