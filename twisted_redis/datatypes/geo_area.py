"""Areas around a position (a circle or a box), and the members of a sorted set inside an area.

Redis searches up to nine boxes of the grid (``geohash``), in an order of its own, each from its lowest score.  The
choice of these boxes is visible, down to the rounding: it determines the order of the results, and which of them ANY
finds.  But a box is much larger than the area.  A box with many members is divided further here, and parts that cannot
overlap the area are skipped.  That changes neither the results nor their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import asin, cos, pi, sin, sqrt
from typing import NamedTuple, TypeAlias

from twisted_redis.datatypes.geohash import (
    CELLS,
    EARTH_RADIUS,
    HALF_LONGITUDE_CELL,
    LANES,
    LATITUDE_CELL,
    LATITUDE_MAX,
    LATITUDE_MIN,
    LATITUDE_RANGE,
    LONGITUDE_MAX,
    RADIANS,
    STEPS,
    arc,
    deinterleave,
    deinterleave_all,
    encode,
)
from twisted_redis.datatypes.zset import ScoreRange, ZSet

__all__ = ["Area", "Found", "box", "circle", "search"]

_MERCATOR_MAX = 20037726.37
"""Half the length of the equator on the map (m)."""

_FEW = 64
"""A box with at most so many members is not divided; its members are examined one by one."""

_EVEN_BITS = 0x5555555555555555
_ODD_BITS = 0xAAAAAAAAAAAAAAAA

Found: TypeAlias = "tuple[float, bytes, float, float, float]"
"""A member in an area: distance from the centre (m), member, score, longitude, latitude (degrees)."""


class Area(NamedTuple):
    """A circle or a box, with lengths in metres.  ``reach`` is the distance of its farthest point from the centre."""

    longitude: float
    latitude: float
    half_width: float
    half_height: float
    reach: float
    round: bool


def circle(longitude: float, latitude: float, radius: float, unit: float) -> Area:
    """A circle.  The radius is in units of ``unit`` metres."""
    radius *= unit
    return Area(longitude, latitude, radius, radius, radius, True)


def box(longitude: float, latitude: float, width: float, height: float, unit: float) -> Area:
    """A box around a position.  The sides are in units of ``unit`` metres."""
    half_width, half_height = width / 2, height / 2
    reach = sqrt(half_width * half_width + half_height * half_height) * unit
    return Area(longitude, latitude, half_width * unit, half_height * unit, reach, False)


def search(members: ZSet, area: Area, limit: int = 0) -> list[Found]:
    """Returns the members in an area in the order in which Redis finds them, at most ``limit`` of them if given."""
    found: list[Found] = []
    look = _look_in_circle if area.round else _look_in_box
    for pairs in _candidates(members, area, _FEW if limit else LANES // 2):
        look(area, pairs, found)
        if limit and len(found) >= limit:
            return found[:limit]
    return found


def _candidates(members: ZSet, area: Area, size: int) -> Iterator[list[tuple[bytes, float]]]:
    """The members that may be in an area, in Redis' order, in lists shorter than twice ``size``."""
    window = _Window(area)
    gathered: list[tuple[bytes, float]] = []
    for low, high, bits, steps in _ranges(area):
        start, stop = members.ranks_of_scores(ScoreRange(low, high, below=True))
        spans: Iterable[tuple[int, int]] = [(start, stop)]
        # Positions at the upper limits are outside the grid, in boxes that are not divided.
        if stop - start > _FEW and not bits >> 2 * steps:
            spans = _spans(members, window, bits, steps, start, stop)
        for first, last in spans:
            for begin in range(first, last, size):
                gathered += members.pairs(begin, min(begin + size, last))
                if len(gathered) >= size:
                    yield gathered
                    gathered = []
    if gathered:
        yield gathered


# the boxes that Redis searches


def _ranges(area: Area) -> Iterator[tuple[int, int, int, int]]:
    """The boxes as ranges of scores (first, and one past the last), with the bits and the steps of each."""
    steps = _steps(area)
    boxes = _boxes(area, steps)
    if steps > 1:
        bounds = _bounds(area)
        if _too_small(bounds, boxes, steps):
            steps -= 1
            boxes = _boxes(area, steps)
        if steps > 1:
            boxes = _without_useless(bounds, boxes, steps)
    shift = 2 * (STEPS - steps)
    before: int | None = None
    for place, bits in enumerate(boxes):
        # In a coarse grid the neighbours in the east and in the west may be the same box.
        if bits is None or bits == before:
            continue
        yield bits << shift, bits + 1 << shift, bits, steps
        before = bits if place else None


def _steps(area: Area) -> int:
    """The number of steps at which the box around the centre and its neighbours usually cover the area."""
    reach = area.reach
    if not reach:
        return STEPS
    steps = -1
    while reach < _MERCATOR_MAX:
        reach *= 2
        steps += 1
    # Boxes narrow towards the poles.
    latitude = abs(area.latitude)
    steps -= (latitude > 66) + (latitude > 80)
    return min(max(steps, 1), STEPS)


def _boxes(area: Area, steps: int) -> list[int | None]:
    """The box of the centre, then those in the north, south, east and west, then those at the four corners."""
    middle = encode(area.longitude, area.latitude, steps)
    odd, even = _ODD_BITS >> 64 - 2 * steps, _EVEN_BITS >> 64 - 2 * steps

    def moved(bits: int, east: int, north: int) -> int:
        # The bits of the other coordinate are filled with ones, so that the carry passes them.  For a step back they
        # are filled too, and removed with the step.  The result wraps around the world and across the poles.
        x, y = bits & _ODD_BITS, bits & _EVEN_BITS
        if east:
            x = (x + even + 1 if east > 0 else (x | even) - even - 1) & odd
        if north:
            y = (y + odd + 1 if north > 0 else (y | odd) - odd - 1) & even
        return x | y

    ways = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
    return [middle, *(moved(middle, east, north) for east, north in ways)]


class _Bounds(NamedTuple):
    west: float
    south: float
    east: float
    north: float


def _bounds(area: Area) -> _Bounds:
    """The approximate borders of an area (degrees).  Near the poles a circle is wider than Redis assumes."""
    latitude, longitude = area.latitude, area.longitude
    height = area.half_height / EARTH_RADIUS / RADIANS
    edge = latitude - height if latitude < 0 else latitude + height
    width = area.half_width / EARTH_RADIUS / cos(edge * RADIANS) / RADIANS
    return _Bounds(longitude - width, latitude - height, longitude + width, latitude + height)


def _edges(bits: int, steps: int) -> _Bounds:
    """The borders of a box."""
    y, x = deinterleave(bits)
    cells = 1 << steps
    return _Bounds(
        x / cells * 360.0 - 180.0,
        LATITUDE_MIN + y / cells * LATITUDE_RANGE,
        (x + 1) / cells * 360.0 - 180.0,
        LATITUDE_MIN + (y + 1) / cells * LATITUDE_RANGE,
    )


def _too_small(bounds: _Bounds, boxes: list[int | None], steps: int) -> bool:
    """Whether an area extends beyond the neighbours of the box of its centre."""
    north, south, east, west = (_edges(bits, steps) for bits in boxes[1:5] if bits is not None)
    return (
        north.north < bounds.north or south.south > bounds.south or east.east < bounds.east or west.west > bounds.west
    )


def _without_useless(bounds: _Bounds, boxes: list[int | None], steps: int) -> list[int | None]:
    """The boxes, without the neighbours on sides where the area stays inside the box of its centre."""
    middle, north, south, east, west, north_east, north_west, south_east, south_west = boxes
    assert middle is not None
    edges = _edges(middle, steps)
    if edges.south < bounds.south:
        south = south_west = south_east = None
    if edges.north > bounds.north:
        north = north_east = north_west = None
    if edges.west < bounds.west:
        west = south_west = north_west = None
    if edges.east > bounds.east:
        east = south_east = north_east = None
    return [middle, north, south, east, west, north_east, north_west, south_east, south_west]


# the parts of these boxes that are skipped


class _Window:
    """A window of rows and columns of the finest grid that contains the area, perhaps with some margin."""

    __slots__ = ("bottom", "columns", "top")

    def __init__(self, area: Area) -> None:
        middle = abs(area.latitude) * RADIANS
        # Angles at the centre of the earth, each a little too large, since the distances are rounded too.
        height = area.half_height / EARTH_RADIUS * 1.000001
        width = area.half_width / EARTH_RADIUS * 1.000001
        self.bottom = self.top = 0
        rows = min(height, pi) / RADIANS / LATITUDE_CELL + 2
        row = (area.latitude - LATITUDE_MIN) / LATITUDE_CELL
        self.bottom, self.top = int(max(row - rows, 0.0)), int(row + rows)
        self.columns = [(0, CELLS)]
        if area.round:
            # Where the meridians touch the circle.  A circle with a pole inside crosses all of them.
            half = asin(min(sin(width) / cos(middle), 1.0)) if middle + width < pi / 2 else pi
        else:
            # The side nearest to a pole crosses the most meridians.
            outermost = min(middle + height, LATITUDE_MAX * RADIANS)
            reached = sin(width / 2) / cos(outermost) if width < pi else 1.0
            half = 2 * asin(reached) if reached < 1.0 else pi
        columns = half / RADIANS / (2 * HALF_LONGITUDE_CELL) + 2
        if 2 * columns < CELLS:
            column = (area.longitude + 180.0) / (2 * HALF_LONGITUDE_CELL)
            west, east = int(column - columns) - 1, int(column + columns) + 1
            # The window may wrap around the end of the grid.
            turned = ((west + turn, east + turn) for turn in (-CELLS, 0, CELLS))
            self.columns = [(first, last) for first, last in turned if last >= 0 and first <= CELLS]

    def covers(self, latitude: int, longitude: int, steps: int) -> bool | None:
        """Whether a box is wholly inside the window; None if it is outside."""
        shift = STEPS - steps
        south, north = latitude << shift, (latitude + 1 << shift) - 1
        west, east = longitude << shift, (longitude + 1 << shift) - 1
        if north < self.bottom or south > self.top:
            return None
        inside = None
        for first, last in self.columns:
            if first <= west and east <= last:
                return self.bottom <= south and north <= self.top
            if east >= first and west <= last:
                inside = False
        return inside


def _spans(members: ZSet, window: _Window, bits: int, steps: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Divides a box, whose members have the ranks from ``start`` up to but not including ``stop``.

    Yields ranges of ranks (first, and one past the last) with all members that may be in the window.
    """
    boxes = [(bits, *deinterleave(bits), steps, start, stop)]
    first = last = start
    while boxes:
        bits, latitude, longitude, steps, start, stop = boxes.pop()
        inside = window.covers(latitude, longitude, steps)
        if inside is None:
            continue
        if inside or stop - start <= _FEW or steps == STEPS:
            if start > last:
                if last > first:
                    yield first, last
                first = start
            last = stop
            continue
        steps += 1
        shift = 2 * (STEPS - steps)
        for quarter in range(4 * bits + 3, 4 * bits - 1, -1):  # in reverse order, since the stack reverses them again
            low, high = quarter << shift, quarter + 1 << shift
            begin = members.ranks_of_scores(ScoreRange(low, high, below=True))[0] if quarter & 3 else start
            if begin < stop:
                boxes.append(
                    (quarter, 2 * latitude + (quarter & 1), 2 * longitude + (quarter >> 1 & 1), steps, begin, stop)
                )
            stop = begin
    if last > first:
        yield first, last


# the members in them


def _placed(pairs: Sequence[tuple[bytes, float]]) -> Iterator[tuple[bytes, float, float, float]]:
    """Each member with its score, longitude and latitude, as by ``decode``, but for many at a time."""
    rows, columns = deinterleave_all([int(score) for _, score in pairs])
    for (member, score), row, column in zip(pairs, rows, columns, strict=True):
        latitude = (LATITUDE_MIN + row * LATITUDE_CELL + (LATITUDE_MIN + (row + 1) * LATITUDE_CELL)) / 2
        longitude = (2 * column + 1) * HALF_LONGITUDE_CELL - 180.0
        if latitude > LATITUDE_MAX:
            latitude = LATITUDE_MAX
        if longitude > LONGITUDE_MAX:
            longitude = LONGITUDE_MAX
        yield member, score, longitude, latitude


def _look_in_circle(area: Area, pairs: Sequence[tuple[bytes, float]], found: list[Found]) -> None:
    """Adds the members that are in a circle."""
    radius = area.reach
    east, north = area.longitude * RADIANS, area.latitude * RADIANS
    cosine = cos(north)
    # Most members outside are so far outside that rounding does not matter.
    angle = radius / (2.0 * EARTH_RADIUS)
    most = sin(angle) ** 2 * 1.000001 if angle < 1.5 else 2.0
    for member, score, longitude, latitude in _placed(pairs):
        radians = latitude * RADIANS
        v = sin((longitude * RADIANS - east) / 2)
        u = sin((radians - north) / 2)
        haversine = u * u + cosine * cos(radians) * v * v
        if haversine > most:
            continue
        length = arc(haversine) if v else EARTH_RADIUS * abs(radians - north)
        # In Redis a distance that is nan is inside, because no radius is less than it.
        if not length > radius:
            found.append((length, member, score, longitude, latitude))


def _look_in_box(area: Area, pairs: Sequence[tuple[bytes, float]], found: list[Found]) -> None:
    """Adds the members that are in a box: near enough along the meridian and along their own parallel."""
    half_width, half_height = area.half_width, area.half_height
    east, north = area.longitude * RADIANS, area.latitude * RADIANS
    cosine = cos(north)
    for member, score, longitude, latitude in _placed(pairs):
        radians = latitude * RADIANS
        apart = EARTH_RADIUS * abs(radians - north)
        if apart > half_height:
            continue
        v = sin((longitude * RADIANS - east) / 2)
        narrowed = cos(radians)
        if arc(narrowed * narrowed * v * v) > half_width:
            continue
        u = sin((radians - north) / 2)
        length = arc(u * u + cosine * narrowed * v * v) if v else apart
        found.append((length, member, score, longitude, latitude))
