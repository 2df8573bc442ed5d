"""Positions as numbers, and distances. Real Redis supplied the expected figures."""

from __future__ import annotations

from math import inf, isnan, pi, radians
from random import Random

import pytest

from twisted_redis.datatypes import geohash

# longitude, latitude, score, the decoded position, geohash
POSITIONS = [
    (13.361389, 38.115556, 3479099956230698, (13.361389338970184, 38.1155563954963), b"sqc8b49rny0"),
    (15.087269, 37.502669, 3479447370796909, (15.087267458438873, 37.50266842333162), b"sqdtr74hyu0"),
    (0.0, 0.0, 3377699720527872, (2.682209014892578e-06, 1.2673605809254695e-06), b"s0000000000"),
    (-1e-7, -1e-7, 1125899906842623, (-2.682209014892578e-06, -1.2673605809254695e-06), b"7zzzzzzzzz0"),
    (-180.0, -85.05112878, 0, (-179.99999731779099, -85.05112751263943), b"00bh0hbj200"),
    (180.0, 85.05112878, 13510798882111488, (180.0, 85.05112878), b"bp05b5048p0"),
    (180.0, 0.0, 10133099161583616, (180.0, 1.2673605809254695e-06), b"80000000000"),
    (0.0, 85.05112878, 6755399441055744, (2.682209014892578e-06, 85.05112878), b"up05b5048p0"),
    (-122.4194, 37.7749, 1367859919124626, (-122.41940170526505, 37.77490001056578), b"9q8yyk8ytp0"),
]

# How geo commands interpret the scores of other sorted sets.
OTHER_SCORES = [
    (-1.0, (180.0, 85.05112878), b"bp05b5048p0"),
    (1.5, (-179.99999731779099, -85.05112497791825), b"00bh0hbj210"),
    (-inf, (180.0, -85.05112751263943), b"00bh0hbj200"),
    (inf, (-179.99999731779099, -85.05112751263943), b"00bh0hbj200"),
    (1e19, (180.0, 85.05112878), b"bp05b5048p0"),
    (2.0**63, (180.0, -85.05112751263943), b"00bh0hbj200"),
    (-(2.0**63), (180.0, -85.05112751263943), b"00bh0hbj200"),
    (-(2.0**70), (180.0, -85.05112751263943), b"00bh0hbj200"),
    (2.0**54, (-179.99999731779099, 85.05112878), b"bp05b5048p0"),
    (3.7e15, (24.01474267244339, 50.75963776012708), b"u910f2x0240"),
]


@pytest.mark.parametrize(("longitude", "latitude", "score", "back", "text"), POSITIONS)
def test_positions(longitude: float, latitude: float, score: int, back: tuple[float, float], text: bytes) -> None:
    assert geohash.encode(longitude, latitude) == score
    assert geohash.decode(float(score)) == back
    assert geohash.hash_text(float(score)) == text


@pytest.mark.parametrize(("score", "back", "text"), OTHER_SCORES)
def test_any_score_is_a_position(score: float, back: tuple[float, float], text: bytes) -> None:
    assert geohash.decode(score) == back
    assert geohash.hash_text(score) == text


def bits_by_turns(latitude: int, longitude: int) -> int:
    return sum((latitude >> place & 1) << 2 * place | (longitude >> place & 1) << 2 * place + 1 for place in range(32))


def test_bits_by_turns() -> None:
    random = Random(1)
    pairs = [(0, 0), (1 << 26, 1 << 26), ((1 << 26) - 1, 0), (0, (1 << 26) - 1)]
    pairs += [(random.randrange(1 << 26), random.randrange(1 << 26)) for _ in range(200)]
    numbers = [geohash.interleave(*pair) for pair in pairs]
    assert numbers == [bits_by_turns(*pair) for pair in pairs]
    assert [geohash.deinterleave(number) for number in numbers] == pairs
    assert geohash.deinterleave(2**64 - 1) == (2**32 - 1, 2**32 - 1)


@pytest.mark.parametrize("count", [0, 1, 2, geohash.LANES])
def test_many_at_a_time(count: int) -> None:
    random = Random(count)
    numbers = [random.getrandbits(64) for _ in range(count)]
    assert list(zip(*geohash.deinterleave_all(numbers), strict=True)) == list(map(geohash.deinterleave, numbers))


def test_a_coarse_grid_has_the_first_bits_of_the_fine_one() -> None:
    random = Random(2)
    for _ in range(200):
        position = random.uniform(-180, 180), random.uniform(-85, 85)
        steps = random.randint(1, 26)
        assert geohash.encode(*position, steps) == geohash.encode(*position) >> 2 * (26 - steps)


def test_a_decoded_position_encodes_to_the_same_score() -> None:
    random = Random(3)
    for _ in range(1000):
        score = random.getrandbits(52)
        assert geohash.encode(*geohash.decode(float(score))) == score


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ((13.361389338970184, 38.1155563954963), (15.087267458438873, 37.50266842333162), b"166274.1516"),
        ((10.0, 50.0), (10.0, 50.0), b"0.0000"),
    ],
)
def test_distances(start: tuple[float, float], end: tuple[float, float], text: bytes) -> None:
    assert geohash.distance_text(geohash.distance(*start, *end)) == text
    assert geohash.distance(*end, *start) == geohash.distance(*start, *end)


@pytest.mark.parametrize(
    ("start", "end", "angle"),
    [
        ((0.0, 0.0), (180.0, 0.0), 180),
        ((0.0, 1.0), (0.0, -1.0), 2),
        ((5.0, -85.0), (5.0, 85.0), 170),
        ((179.5, 0.0), (-179.5, 0.0), 1),
        ((90.0, 80.0), (-90.0, 80.0), 20),
    ],
)
def test_distances_on_great_circles(start: tuple[float, float], end: tuple[float, float], angle: int) -> None:
    assert geohash.distance(*start, *end) == pytest.approx(geohash.EARTH_RADIUS * radians(angle), rel=1e-14)


def test_distances_as_text() -> None:
    assert geohash.distance_text(0.00005) == b"0.0000"
    assert geohash.distance_text(0.00025) == b"0.0002"
    assert geohash.distance_text(0.00075) == b"0.0008"
    assert geohash.distance_text(0.1) == b"0.1000"
    assert geohash.distance_text(12345.67891) == b"12345.6789"
    assert geohash.distance_text(2.0) == b"2.0000"


def test_opposite_points_have_a_distance() -> None:
    random = Random(4)
    for _ in range(5000):
        longitude, latitude = random.uniform(0, 180), random.uniform(-85, 85)
        length = geohash.distance(longitude, latitude, longitude - 180, -latitude)
        assert isnan(length) or length == pytest.approx(geohash.EARTH_RADIUS * pi, abs=1)
