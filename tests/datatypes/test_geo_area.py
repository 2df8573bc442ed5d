"""Searches in areas, compared with examining every member."""

from __future__ import annotations

from math import inf
from random import Random

import pytest

from twisted_redis.config import Config
from twisted_redis.datatypes import geo_area
from twisted_redis.datatypes.geo_area import Area, box, circle, search
from twisted_redis.datatypes.geohash import decode, distance, encode, latitude_distance
from twisted_redis.datatypes.zset import ZSet

EDGE = 85.05112878


def index(positions: list[tuple[float, float]]) -> ZSet:
    return ZSet.from_pairs(
        [(b"m%d" % number, float(encode(*position))) for number, position in enumerate(positions)], Config()
    )


def around(random: Random, longitude: float, latitude: float, spread: float) -> tuple[float, float]:
    """Returns a position near another one, possibly across the date line."""
    x = (random.gauss(longitude, spread) + 180) % 360 - 180
    return x, min(max(random.gauss(latitude, spread), -EDGE), EDGE)


def all_in(members: ZSet, area: Area) -> set[bytes]:
    """Returns the members in an area by examining each member."""
    found = set()
    for member, score in members.scores.items():
        longitude, latitude = decode(score)
        if area.round:
            inside = distance(area.longitude, area.latitude, longitude, latitude) <= area.reach
        else:
            inside = (
                latitude_distance(area.latitude, latitude) <= area.half_height
                and distance(area.longitude, latitude, longitude, latitude) <= area.half_width
            )
        if inside:
            found.add(member)
    return found


def names(found: list[geo_area.Found]) -> list[bytes]:
    return [member for _, member, _, _, _ in found]


@pytest.mark.parametrize("seed", range(6))
def test_against_looking_at_every_member(seed: int) -> None:
    random = Random(seed)
    middle = random.choice([0.0, 2.0, 179.9, -179.99]), random.uniform(-60, 60)
    members = index([around(random, *middle, 10 ** random.uniform(-3, 1)) for _ in range(2000)])
    hits = 0
    for _ in range(60):
        place = around(random, *middle, 1)
        first, second = 10 ** random.uniform(0, 3), 10 ** random.uniform(0, 3)
        area = random.choice([circle(*place, first, 1000.0), box(*place, first, second, 1000.0)])
        found = search(members, area)
        assert len(found) == len(set(names(found)))
        assert set(names(found)) == all_in(members, area)
        hits += len(found)
    assert hits > 1000


@pytest.mark.parametrize("seed", range(10))
def test_division_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near the poles Redis misses some members, and the result depends on its boxes. Our boxes are parts of them."""
    random = Random(seed)
    places = [(0.0, EDGE), (0.0, -EDGE), (100.0, 84.0), (180.0, 0.0), (-180.0, 70.0), (180.0, EDGE), (30.0, -30.0)]
    # A dense box is divided often, other boxes once or never.
    positions = [around(random, *random.choice(places), random.choice([0.01, 1, 30])) for _ in range(1500)]
    members = index(positions + places)
    areas = []
    for _ in range(60):
        place = around(random, *random.choice(places), 1)
        lengths = [random.choice([0.0, inf, 10 ** random.uniform(-3, 5), 10 ** random.uniform(2, 4)]) for _ in "ab"]
        areas.append(random.choice([circle(*place, lengths[0], 1000.0), box(*place, *lengths, 1000.0)]))
    limits = [random.choice([0, 0, 1, 7]) for _ in areas]
    with monkeypatch.context() as patch:
        patch.setattr(geo_area, "_FEW", 10**9)
        whole = [search(members, area, limit) for area, limit in zip(areas, limits, strict=True)]
    divided = [search(members, area, limit) for area, limit in zip(areas, limits, strict=True)]
    assert divided == whole
    assert sum(map(len, whole)) > 1000


def test_division_passes_over_most_of_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(7)
    members = index([(random.uniform(0, 10), random.uniform(40, 50)) for _ in range(20000)])
    looked_at = 0
    look = geo_area._look_in_circle

    def counted(area: Area, pairs: list[tuple[bytes, float]], found: list[geo_area.Found]) -> None:
        nonlocal looked_at
        looked_at += len(pairs)
        look(area, pairs, found)

    monkeypatch.setattr(geo_area, "_look_in_circle", counted)
    found = search(members, circle(5.0, 45.0, 100.0, 1000.0))
    assert len(found) > 500
    assert looked_at < 3 * len(found)


def test_members_found() -> None:
    members = index([(13.361389, 38.115556)])
    score = members.scores[b"m0"]
    ((length, member, found, longitude, latitude),) = search(members, circle(13.0, 38.0, 100.0, 1000.0))
    assert (member, found) == (b"m0", score)
    assert (longitude, latitude) == decode(score)
    assert length == distance(13.0, 38.0, longitude, latitude)


def test_the_order_is_that_of_the_boxes() -> None:
    # The box in the middle comes first, then the one in the north. Inside a box, the lowest score comes first.
    members = index([(0.3, 0.2), (0.1, 0.1), (0.1, -0.3), (-0.1, 0.1), (-0.2, -0.2)])
    assert names(search(members, circle(0.2, 0.2, 100.0, 1000.0))) == [b"m1", b"m0", b"m2", b"m3", b"m4"]


def test_a_limit_ends_the_search() -> None:
    members = index([(number / 1000, 1.0) for number in range(500)])
    area = circle(0.2, 1.0, 1000.0, 1000.0)
    every = search(members, area)
    assert len(every) == 500
    for limit in (1, 63, 64, 65, 499, 500, 501):
        assert search(members, area, limit) == every[:limit]


def test_no_reach_at_all() -> None:
    members = index([(10.0, 20.0)])
    place = decode(members.scores[b"m0"])
    assert names(search(members, circle(*place, 0.0, 1000.0))) == [b"m0"]
    assert names(search(members, box(*place, 0.0, 0.0, 1.0))) == [b"m0"]
    assert search(members, circle(10.1, 20.0, 0.0, 1.0)) == []


@pytest.mark.parametrize("length", [25000.0, 1e9, 1e308, inf])
def test_around_the_whole_earth(length: float) -> None:
    random = Random(8)
    positions = [(random.uniform(-180, 180), random.uniform(-EDGE, EDGE)) for _ in range(500)]
    members = index([*positions, (-180.0, -EDGE)])
    for area in (circle(100.0, 50.0, length, 1000.0), box(-170.0, -80.0, 2 * length, 2 * length, 1000.0)):
        found = names(search(members, area))
        assert len(found) == len(set(found)) == 501


def test_upper_limits_lie_outside_of_the_grid() -> None:
    """As in Redis, a search elsewhere does not find a member there, but a search from there finds its neighbours."""
    members = index([(180.0, EDGE), (179.9999, 85.0511)])
    assert names(search(members, circle(180.0, EDGE, 1.0, 1000.0))) == [b"m0", b"m1"]
    assert names(search(members, circle(179.9999, 85.0511, 1.0, 1000.0))) == [b"m1"]
