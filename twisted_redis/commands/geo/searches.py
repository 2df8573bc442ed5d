"""Searching a geospatial index: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS in its four forms."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from twisted_redis.commands.geo.common import coordinates, metres
from twisted_redis.datatypes.geo_area import Area, Found, box, circle, search
from twisted_redis.datatypes.geohash import decode, distance_text
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.declare.flags import DENYOOM, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, OW, RO, UPDATE, KeySpec, after_keyword, first_key, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import AsTyped, CommandError, SyntaxError_
from twisted_redis.engine.parse import float_number, integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("geo")

_READ = first_key(RO | ACCESS)

_COMPLEXITY = "O(N+log(M)) for N members in and around the area, in an index of M"
_UNITS = ("7.0.0", "Units in capitals.")
_ANY = ("6.2.0", "Option `ANY` of `COUNT`.")

# Options that only some of the commands accept.
_STORE = 1
"""STORE and STOREDIST with a key."""
_AREA = 2
"""FROMMEMBER, FROMLONLAT, BYRADIUS, BYBOX."""
_STOREDIST = 4
"""STOREDIST without a key, for a command that always stores."""

_distance_of = itemgetter(0)


class _Query:
    """A search, read from the arguments in their order."""

    __slots__ = (
        "_lengths",
        "_place",
        "_zset",
        "any",
        "by_box",
        "by_radius",
        "count",
        "descending",
        "destination",
        "from_member",
        "from_place",
        "sort",
        "store_distances",
        "unit",
        "with_coord",
        "with_dist",
        "with_hash",
    )

    def __init__(self, zset: ZSet | None, destination: bytes | None = None) -> None:
        self._zset = zset
        self._place = (0.0, 0.0)
        self._lengths = (0.0, 0.0)
        self.unit = 1.0
        self.destination = destination
        self.store_distances = False
        self.with_dist = self.with_hash = self.with_coord = False
        self.from_member = self.from_place = self.by_radius = self.by_box = False
        self.any = False
        self.count = 0
        self.sort = self.descending = False

    def around(self, longitude: bytes, latitude: bytes) -> None:
        """Makes a position the centre."""
        self._place = coordinates(longitude, latitude)
        self.from_place = True

    def around_member(self, member: bytes) -> None:
        """Makes the position of a member the centre."""
        if self._zset is not None:
            score = self._zset.scores.get(member)
            if score is None:
                raise CommandError("ERR could not decode requested zset member")
            self._place = decode(score)
        self.from_member = True

    def within(self, radius: bytes, unit: bytes) -> None:
        """Makes a circle the area to search."""
        length = float_number(radius, "ERR need numeric radius")
        if length < 0:
            raise CommandError("ERR radius cannot be negative")
        self.unit = metres(unit)
        self._lengths = (length, length)
        self.by_radius = True

    def within_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """Makes a box the area to search."""
        sides = float_number(width, "ERR need numeric width"), float_number(height, "ERR need numeric height")
        if min(sides) < 0:
            raise CommandError("ERR height or width cannot be negative")
        self.unit = metres(unit)
        self._lengths = sides
        self.by_box = True

    @property
    def area(self) -> Area:
        """The area to search."""
        first, second = self._lengths
        return box(*self._place, first, second, self.unit) if self.by_box else circle(*self._place, first, self.unit)

    def options(self, words: tuple[bytes, ...], allowed: int) -> None:
        """Parses the options; ``allowed`` names those that only some commands accept."""
        count = len(words)
        place = 0
        while place < count:
            word = keyword(words[place])
            left = count - place - 1
            following = words[place + 1 : place + 4]
            if word == b"WITHDIST":
                self.with_dist = True
            elif word == b"WITHHASH":
                self.with_hash = True
            elif word == b"WITHCOORD":
                self.with_coord = True
            elif word == b"ANY":
                self.any = True
            elif word == b"ASC" or word == b"DESC":
                self.sort = True
                self.descending = word == b"DESC"
            elif word == b"COUNT" and left >= 1:
                self.count = integer(following[0])
                if self.count <= 0:
                    raise CommandError("ERR COUNT must be > 0")
                place += 1
            elif (word == b"STORE" or word == b"STOREDIST") and left >= 1 and allowed & _STORE:
                self.destination = following[0]
                self.store_distances = word == b"STOREDIST"
                place += 1
            elif word == b"STOREDIST" and allowed & _STOREDIST:
                self.store_distances = True
            elif not allowed & _AREA:
                raise SyntaxError_
            elif word == b"FROMMEMBER" and left >= 1 and not self.from_place:
                self.around_member(following[0])
                place += 1
            elif word == b"FROMLONLAT" and left >= 2 and not self.from_member:
                self.around(*following[:2])
                place += 2
            elif word == b"BYRADIUS" and left >= 2 and not self.by_box:
                self.within(*following[:2])
                place += 2
            elif word == b"BYBOX" and left >= 3 and not self.by_radius:
                self.within_box(*following)
                place += 3
            else:
                raise SyntaxError_
            place += 1


def _search(ctx: Client, name: str, query: _Query, zset: ZSet | None) -> Reply:
    """Checks the combination of options, searches, and replies or stores the result."""
    storing = query.destination is not None
    if storing and (query.with_dist or query.with_hash or query.with_coord):
        what = "STORE option in GEORADIUS" if name.startswith("GEORADIUS") else name
        raise CommandError(f"ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    if name.startswith("GEOSEARCH"):
        if not (query.from_member or query.from_place):
            raise AsTyped("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b")
        if not (query.by_radius or query.by_box):
            raise AsTyped("ERR exactly one of BYRADIUS and BYBOX can be specified for %b")
    if query.any and not query.count:
        raise CommandError("ERR the ANY argument requires COUNT argument")
    found = [] if zset is None else _find(query, zset)
    if query.destination is not None:
        event = "geosearchstore" if name.startswith("GEOSEARCH") else "georadiusstore"
        return _store(ctx, query.destination, query, found, event)
    return _reply(query, found)


def _find(query: _Query, zset: ZSet) -> list[Found]:
    """The matching members in the requested order."""
    found = search(zset, query.area, query.count if query.any else 0)
    # COUNT selects the nearest members, unless ANY is given.
    if query.sort or (query.count and not query.any):
        found.sort(key=_distance_of, reverse=query.descending)
    return found[: query.count] if query.count else found


def _store(ctx: Client, destination: bytes, query: _Query, found: list[Found], event: str) -> Reply:
    if not found:
        if ctx.db.delete(destination):
            ctx.changed(destination, "del")
        return 0
    if query.store_distances:
        pairs = [(member, distance / query.unit) for distance, member, _, _, _ in found]
    else:
        pairs = [(member, score) for _, member, score, _, _ in found]
    ctx.store(destination, ZSet.from_pairs(pairs, ctx.config), event, len(pairs))
    return len(pairs)


def _reply(query: _Query, found: list[Found]) -> Reply:
    if not (query.with_dist or query.with_hash or query.with_coord):
        return Bulks([member for _, member, _, _, _ in found])
    reply = []
    for distance, member, score, longitude, latitude in found:
        item: list[Reply] = [member]
        if query.with_dist:
            item.append(distance_text(distance / query.unit))
        if query.with_hash:
            item.append(int(score))
        if query.with_coord:
            item.append((longitude, latitude))
        reply.append(item)
    return reply


search_command = command.with_defaults(since="6.2.0", complexity=_COMPLEXITY, history=(_UNITS,))


@search_command("GEOSEARCH", arity=-7, flags=READONLY, keys=_READ)
def geosearch(ctx: Client, key: bytes, *words: bytes) -> Reply:
    """GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]

    Returns the members of a geospatial index that lie in a circle or a box.
    """
    zset = ctx.db.read(key, ZSet)
    query = _Query(zset)
    query.options(words, _AREA)
    return _search(ctx, "GEOSEARCH", query, zset)


@search_command("GEOSEARCHSTORE", arity=-8, flags=WRITE | DENYOOM, keys=key_at(1, OW | UPDATE) + key_at(2, RO | ACCESS))
def geosearchstore(ctx: Client, destination: bytes, source: bytes, *words: bytes) -> Reply:
    """GEOSEARCHSTORE destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]

    Stores the members of a geospatial index that lie in a circle or a box; returns their number. Their scores are
    their positions or their distances.
    """
    zset = ctx.db.read(source, ZSet)
    query = _Query(zset, destination)
    query.options(words, _AREA | _STOREDIST)
    return _search(ctx, "GEOSEARCHSTORE", query, zset)


def _radius(
    ctx: Client,
    key: bytes,
    place: tuple[bytes, bytes],
    radius: bytes,
    unit: bytes,
    words: tuple[bytes, ...],
    allowed: int,
) -> Reply:
    zset = ctx.db.read(key, ZSet)
    query = _Query(zset)
    query.around(*place)
    query.within(radius, unit)
    query.options(words, allowed)
    return _search(ctx, "GEORADIUS", query, zset)


def _radius_by_member(
    ctx: Client, key: bytes, member: bytes, radius: bytes, unit: bytes, words: tuple[bytes, ...], allowed: int
) -> Reply:
    zset = ctx.db.read(key, ZSet)
    query = _Query(zset)
    if zset is not None:
        # Redis does not check the radius and the unit if the key does not exist.
        query.around_member(member)
        query.within(radius, unit)
    query.options(words, allowed)
    return _search(ctx, "GEORADIUSBYMEMBER", query, zset)


def _keys_with_store(start: int) -> tuple[KeySpec, ...]:
    """The keys of a command that may store its result.

    The last STORE or STOREDIST decides, but the specifications cover all of them: Redis checks only the first of each
    against a user's rules, so it may write to a key that it has not checked.
    """
    store = after_keyword("STORE", OW | UPDATE, start, last=0, every=True)
    return _READ + store + after_keyword("STOREDIST", OW | UPDATE, start, last=0, every=True)


radius_command = command.with_defaults(complexity=_COMPLEXITY, history=(_ANY, _UNITS), deprecated_since="6.2.0")


@radius_command(
    "GEORADIUS",
    arity=-6,
    flags=WRITE | DENYOOM,
    keys=_keys_with_store(6),
    since="3.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`",
)
def georadius(
    ctx: Client, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, *words: bytes
) -> Reply:
    """GEORADIUS key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]

    Returns or stores the members of a geospatial index in a circle around a position.
    """
    return _radius(ctx, key, (longitude, latitude), radius, unit, words, _STORE)


@radius_command(
    "GEORADIUS_RO", arity=-6, flags=READONLY, keys=_READ, since="3.2.10", replaced_by="`GEOSEARCH` with `BYRADIUS`"
)
def georadius_ro(
    ctx: Client, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, *words: bytes
) -> Reply:
    """GEORADIUS_RO key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]

    Returns the members of a geospatial index in a circle around a position.
    """
    return _radius(ctx, key, (longitude, latitude), radius, unit, words, 0)


@radius_command(
    "GEORADIUSBYMEMBER",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=_keys_with_store(5),
    since="3.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`",
)
def georadiusbymember(ctx: Client, key: bytes, member: bytes, radius: bytes, unit: bytes, *words: bytes) -> Reply:
    """GEORADIUSBYMEMBER key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]

    Returns or stores the members of a geospatial index in a circle around a member.
    """
    return _radius_by_member(ctx, key, member, radius, unit, words, _STORE)


@radius_command(
    "GEORADIUSBYMEMBER_RO",
    arity=-5,
    flags=READONLY,
    keys=_READ,
    since="3.2.10",
    replaced_by="`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`",
)
def georadiusbymember_ro(ctx: Client, key: bytes, member: bytes, radius: bytes, unit: bytes, *words: bytes) -> Reply:
    """GEORADIUSBYMEMBER_RO key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]

    Returns the members of a geospatial index in a circle around a member.
    """
    return _radius_by_member(ctx, key, member, radius, unit, words, 0)
