"""Adding and reading the members of a geospatial index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.geo.common import coordinates, metres
from twisted_redis.datatypes.geohash import decode, distance, distance_text, encode, hash_text
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.declare.flags import DENYOOM, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, RW, UPDATE, first_key
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("geo", since="3.2.0")

_READ = first_key(RO | ACCESS)

_NX, _XX, _CH = 1, 2, 4
_OPTIONS = {b"NX": _NX, b"XX": _XX, b"CH": _CH}


@command(
    "GEOADD",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=first_key(RW | UPDATE),
    complexity="O(log(N)) for each member, in an index of N",
    history=(("6.2.0", "Options `CH`, `NX` and `XX`."),),
)
def geoadd(ctx: Client, key: bytes, *arguments: bytes) -> Reply:
    """GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]

    Adds members with positions to a geospatial index or moves them; returns the number of new members.

    The index is a sorted set, so the AOF and replicas receive a ZADD with the scores.
    """
    options = first = 0
    for word in arguments:
        option = _OPTIONS.get(keyword(word))
        if option is None:
            break
        options |= option
        first += 1
    members = arguments[first + 2 :: 3]
    if (len(arguments) - first) % 3 or options & (_NX | _XX) == _NX | _XX:
        raise SyntaxError_
    places = zip(arguments[first::3], arguments[first + 1 :: 3], strict=True)
    given = [encode(*coordinates(longitude, latitude)) for longitude, latitude in places]
    if not members:
        raise SyntaxError_

    db, config = ctx.db, ctx.config
    target = db.write(key, ZSet)
    if target is None:
        if options & _XX:
            return 0
        target = ZSet.starting_with(members[0], len(members), config)
        db.add(key, target)
    else:
        target.expect(len(members), config)
    added = updated = 0
    for score, member in zip(given, members, strict=True):
        before = target.score(member)
        if before is None:
            if options & _XX:
                continue
            added += 1
        elif options & _NX or score == before:
            continue
        else:
            updated += 1
        target.set(member, float(score), config)
    if added or updated:
        ctx.changed(key, "zadd", added + updated)
        if ctx.effects.recording:
            pairs = [part for score, member in zip(given, members, strict=True) for part in (b"%d" % score, member)]
            ctx.propagate_as([b"zadd", key, *arguments[:first], *pairs])
    return added + updated if options & _CH else added


lookup_command = command.with_defaults(
    arity=-2, flags=READONLY, keys=_READ, complexity="O(1) for each requested member"
)


@lookup_command("GEOPOS")
def geopos(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """GEOPOS key [member [member ...]]

    Returns the longitudes and latitudes of members of a geospatial index.
    """
    found = ctx.db.read(key, ZSet)
    if found is None:
        return [NullArray] * len(members)
    scores = map(found.scores.get, members)
    return [NullArray if score is None else decode(score) for score in scores]


@lookup_command("GEOHASH")
def geohash(ctx: Client, key: bytes, *members: bytes) -> Reply:
    """GEOHASH key [member [member ...]]

    Returns the positions of members of a geospatial index as geohashes of eleven characters.
    """
    found = ctx.db.read(key, ZSet)
    if found is None:
        return [None] * len(members)
    scores = map(found.scores.get, members)
    return [None if score is None else hash_text(score) for score in scores]


@command("GEODIST", arity=-4, flags=READONLY, keys=_READ, complexity="O(1)")
def geodist(ctx: Client, key: bytes, member1: bytes, member2: bytes, *unit: bytes) -> Reply:
    """GEODIST key member1 member2 [M | KM | FT | MI]

    Returns the distance between two members of a geospatial index, in metres or in another unit.
    """
    if len(unit) > 1:
        raise SyntaxError_
    length = metres(unit[0]) if unit else 1.0
    found = ctx.db.read(key, ZSet)
    if found is None:
        return None
    start, end = found.scores.get(member1), found.scores.get(member2)
    if start is None or end is None:
        return None
    return distance_text(distance(*decode(start), *decode(end)) / length)
