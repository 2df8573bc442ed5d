"""The geo commands."""

from __future__ import annotations

from random import Random

import pytest

from tests.commands.inprocess import InProcess, Refused
from tests.support.server import Server
from twisted_redis.resp.encoder import encode2, encode3
from twisted_redis.resp.types import NullArray

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = "ERR syntax error"
UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI"
FROM = ("FROMLONLAT", 15, 37)
BY = ("BYRADIUS", 200, "km")
PALERMO = (13.361389338970184, 38.1155563954963)
CATANIA = (15.087267458438873, 37.50266842333162)


@pytest.fixture
def server() -> InProcess:
    """A server with an index of two places in Sicily, and a string."""
    made = InProcess()
    made("GEOADD", "sicily", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
    made("SET", "string", "v")
    return made


def refused(server: InProcess, *argv: str | int | float) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


class TestAdding:
    def test_scores(self, server: InProcess) -> None:
        assert server("TYPE", "sicily") == b"zset"
        assert server("ZSCORE", "sicily", "Palermo") == 3479099956230698
        assert server("ZSCORE", "sicily", "Catania") == 3479447370796909

    def test_counts_what_is_new(self, server: InProcess) -> None:
        assert server("GEOADD", "sicily", 13.361389, 38.115556, "Palermo") == 0
        assert server("GEOADD", "sicily", 13, 38, "Palermo", 14, 37, "Licata", 14, 37, "Licata") == 1
        assert server("GEOADD", "sicily", "CH", 13, 38, "Palermo", 14.5, 37, "Licata", 1, 1, "new") == 2

    def test_nx_only_adds(self, server: InProcess) -> None:
        assert server("GEOADD", "sicily", "nx", "ch", 1, 1, "Palermo", 2, 2, "new") == 1
        assert server("GEOPOS", "sicily", "Palermo") == [PALERMO]

    def test_xx_only_moves(self, server: InProcess) -> None:
        assert server("GEOADD", "sicily", "XX", 1, 1, "Palermo", 2, 2, "new") == 0
        assert server("ZRANGE", "sicily", 0, -1) == (b"Palermo", b"Catania")
        assert server("GEOPOS", "sicily", "Palermo") != [PALERMO]
        assert server("GEOADD", "missing", "XX", 1, 1, "a") == 0
        assert server("EXISTS", "missing") == 0

    def test_encoding(self, server: InProcess) -> None:
        assert server("OBJECT", "ENCODING", "sicily") == b"listpack"
        server("GEOADD", "sicily", *[part for number in range(130) for part in (number, 1, number)])
        assert server("OBJECT", "ENCODING", "sicily") == b"skiplist"
        server("GEOADD", "long", 1, 1, "m" * 65)
        assert server("OBJECT", "ENCODING", "long") == b"skiplist"

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ((1, 1), "ERR wrong number of arguments for 'geoadd' command"),
            ((1, 1, "a", 2), SYNTAX),
            (("NX", "XX", 1, 1, "a"), SYNTAX),
            (("NX", "CH", "NX"), SYNTAX),
            (("NX", "CH", 1, 1), SYNTAX),
            ((181, 0, "a"), "ERR invalid longitude,latitude pair 181.000000,0.000000"),
            ((0, -85.06, "a"), "ERR invalid longitude,latitude pair 0.000000,-85.060000"),
            (("inf", 0, "a"), "ERR invalid longitude,latitude pair inf,0.000000"),
            (("x", 91, "a"), "ERR value is not a valid float"),
            ((0, "nan", "a"), "ERR value is not a valid float"),
            ((1, 1, "ok", 200, 1, "bad"), "ERR invalid longitude,latitude pair 200.000000,1.000000"),
        ],
    )
    def test_errors(self, server: InProcess, arguments: tuple[str | int, ...], error: str) -> None:
        assert refused(server, "GEOADD", "new", *arguments) == error
        # The type of the key is checked last.
        assert refused(server, "GEOADD", "string", *arguments) == error
        assert server("EXISTS", "new") == 0

    def test_the_key_must_hold_a_sorted_set(self, server: InProcess) -> None:
        assert refused(server, "GEOADD", "string", 1, 1, "a") == WRONG_TYPE

    def test_effects(self, server: InProcess) -> None:
        assert server.events("GEOADD", "new", 1, 1, "a") == ["new new", "zadd new"]
        assert server.events("GEOADD", "new", 1, 1, "a") == []
        assert server.dirty("GEOADD", "new", 1, 1, "a", 2, 2, "b", 3, 3, "c") == 2
        assert server.effects("GEOADD", "sicily", "ch", 13.361389, 38.115556, "Palermo", 0, 0, "b") == [
            "zadd sicily ch 3479099956230698 Palermo 3377699720527872 b"
        ]
        assert server.effects("GEOADD", "sicily", 0, 0, "b") == []
        assert server.effects("GEOADD", "missing", "XX", 0, 0, "b") == []


class TestMembers:
    def test_geopos(self, server: InProcess) -> None:
        assert server("GEOPOS", "sicily", "Palermo", "x", "Catania") == [PALERMO, NullArray, CATANIA]
        assert server("GEOPOS", "sicily") == []
        assert server("GEOPOS", "missing") == []
        assert server("GEOPOS", "missing", "a", "b") == [NullArray, NullArray]
        assert refused(server, "GEOPOS", "string") == WRONG_TYPE

    def test_geopos_on_the_wire(self, server: InProcess) -> None:
        reply = server("GEOPOS", "sicily", "Palermo", "x")
        assert encode2(reply) == b"*2\r\n*2\r\n$18\r\n13.361389338970184\r\n$16\r\n38.1155563954963\r\n*-1\r\n"
        assert encode3(reply) == b"*2\r\n*2\r\n,13.361389338970184\r\n,38.1155563954963\r\n_\r\n"

    def test_geohash(self, server: InProcess) -> None:
        assert server("GEOHASH", "sicily", "Palermo", "x", "Catania") == [b"sqc8b49rny0", None, b"sqdtr74hyu0"]
        assert server("GEOHASH", "sicily") == []
        assert server("GEOHASH", "missing", "a") == [None]
        assert refused(server, "GEOHASH", "string", "a") == WRONG_TYPE

    @pytest.mark.parametrize(
        ("unit", "length"),
        [
            ((), b"166274.1516"),
            (("m",), b"166274.1516"),
            (("KM",), b"166.2742"),
            (("ft",), b"545518.8700"),
            (("Mi",), b"103.3182"),
        ],
    )
    def test_geodist(self, server: InProcess, unit: tuple[str, ...], length: bytes) -> None:
        assert server("GEODIST", "sicily", "Palermo", "Catania", *unit) == length
        assert server("GEODIST", "sicily", "Catania", "Palermo", *unit) == length

    def test_geodist_where_something_is_missing(self, server: InProcess) -> None:
        assert server("GEODIST", "sicily", "Palermo", "Palermo") == b"0.0000"
        assert server("GEODIST", "sicily", "Palermo", "x") is None
        assert server("GEODIST", "sicily", "x", "Palermo") is None
        assert server("GEODIST", "missing", "a", "b") is None

    def test_errors_of_geodist(self, server: InProcess) -> None:
        assert refused(server, "GEODIST", "string", "a", "b") == WRONG_TYPE
        assert refused(server, "GEODIST", "string", "a", "b", "yd") == UNIT
        assert refused(server, "GEODIST", "string", "a", "b", "km", "km") == SYNTAX


class TestSearching:
    @pytest.mark.parametrize(
        ("arguments", "result"),
        [
            ((*FROM, *BY, "ASC"), "Catania Palermo"),
            ((*FROM, *BY, "DESC"), "Palermo Catania"),
            ((*FROM, *BY, "ASC", "DESC"), "Palermo Catania"),
            ((*FROM, *BY, "COUNT", 1), "Catania"),
            ((*FROM, *BY, "COUNT", 1, "DESC"), "Palermo"),
            ((*FROM, *BY, "COUNT", 9, "COUNT", 1), "Catania"),
            ((*FROM, *BY, "COUNT", 9), "Catania Palermo"),
            ((*FROM, *BY, "COUNT", 1, "ANY"), "Palermo"),
            ((*FROM, *BY, "ANY", "COUNT", 2, "ASC"), "Catania Palermo"),
            ((*FROM, "BYRADIUS", 100, "km"), "Catania"),
            ((*FROM, "BYRADIUS", 0, "km"), ""),
            ((*FROM, "BYBOX", 400, 400, "km", "ASC"), "Catania Palermo"),
            ((*FROM, "BYBOX", 400, 150, "km"), "Catania"),
            (("FROMMEMBER", "Palermo", "BYRADIUS", 100, "mi"), "Palermo"),
            (
                ("fromlonlat", 0, 0, "FROMLONLAT", 15, 37, "byradius", 1, "m", "BYRADIUS", 200, "km", "asc"),
                "Catania Palermo",
            ),
            (("BYBOX", 1, 1, "m", "BYBOX", 400, 400, "km", "ASC", "FROMMEMBER", "Catania"), "Catania Palermo"),
        ],
    )
    def test_geosearch(self, server: InProcess, arguments: tuple[str | int, ...], result: str) -> None:
        assert b" ".join(server("GEOSEARCH", "sicily", *arguments)).decode() == result
        assert server("GEOSEARCHSTORE", "new", "sicily", *arguments) == len(result.split())
        assert set(server("ZRANGE", "new", 0, -1)) == set(result.encode().split())
        assert server("EXISTS", "new") == (result != "")

    def test_replies_about_members(self, server: InProcess) -> None:
        search = ("GEOSEARCH", "sicily", *FROM, *BY, "DESC", "COUNT", 1)
        assert server(*search, "WITHDIST") == [[b"Palermo", b"190.4424"]]
        assert server(*search, "withhash") == [[b"Palermo", 3479099956230698]]
        assert server(*search, "WITHCOORD") == [[b"Palermo", PALERMO]]
        assert server(*search, "WITHCOORD", "WITHHASH", "WITHDIST", "WITHDIST") == [
            [b"Palermo", b"190.4424", 3479099956230698, PALERMO]
        ]

    def test_distances_are_text_and_positions_doubles(self, server: InProcess) -> None:
        reply = server("GEOSEARCH", "sicily", "FROMMEMBER", "Palermo", "BYRADIUS", 1, "ft", "WITHDIST", "WITHCOORD")
        tail = b"\r\n*2\r\n,13.361389338970184\r\n,38.1155563954963\r\n"
        assert encode3(reply) == b"*1\r\n*3\r\n$7\r\nPalermo\r\n$6\r\n0.0000" + tail

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ((*FROM, *BY, "BOGUS"), SYNTAX),
            ((*FROM, *BY, "COUNT"), SYNTAX),
            ((*FROM, *BY, "FROMMEMBER"), SYNTAX),
            ((*FROM, "BYRADIUS", 200), SYNTAX),
            ((*FROM, "BYBOX", 200, 200), SYNTAX),
            ((*BY, "FROMLONLAT", 15), SYNTAX),
            ((*FROM, *BY, "FROMMEMBER", "Palermo"), SYNTAX),
            (("FROMMEMBER", "Palermo", *BY, *FROM), SYNTAX),
            ((*FROM, *BY, "BYBOX", 1, 1, "km"), SYNTAX),
            ((*FROM, "BYBOX", 1, 1, "km", *BY), SYNTAX),
            ((*FROM, *BY, "STORE", "x"), SYNTAX),
            ((*FROM, *BY, "COUNT", 0), "ERR COUNT must be > 0"),
            ((*FROM, *BY, "COUNT", -1), "ERR COUNT must be > 0"),
            ((*FROM, *BY, "COUNT", "x"), "ERR value is not an integer or out of range"),
            ((*FROM, *BY, "ANY"), "ERR the ANY argument requires COUNT argument"),
            (("FROMLONLAT", "x", 37, *BY), "ERR value is not a valid float"),
            (("FROMLONLAT", 15, 86, *BY), "ERR invalid longitude,latitude pair 15.000000,86.000000"),
            ((*FROM, "BYRADIUS", "x", "yd"), "ERR need numeric radius"),
            ((*FROM, "BYRADIUS", -1, "yd"), "ERR radius cannot be negative"),
            ((*FROM, "BYRADIUS", 1, "yd"), UNIT),
            ((*FROM, "BYBOX", "x", "y", "yd"), "ERR need numeric width"),
            ((*FROM, "BYBOX", -1, "y", "yd"), "ERR need numeric height"),
            ((*FROM, "BYBOX", -1, 1, "yd"), "ERR height or width cannot be negative"),
            ((*FROM, "BYBOX", 1, -1, "yd"), "ERR height or width cannot be negative"),
            ((*FROM, "BYBOX", 1, 1, "yd"), UNIT),
        ],
    )
    def test_errors(self, server: InProcess, arguments: tuple[str | int, ...], error: str) -> None:
        for key in ("sicily", "missing"):
            assert refused(server, "GEOSEARCH", key, *arguments) == error
            assert refused(server, "GEOSEARCHSTORE", "sicily", key, *arguments) == error
        assert refused(server, "GEOSEARCH", "string", *arguments) == WRONG_TYPE
        assert server("ZCARD", "sicily") == 2

    def test_a_place_and_an_area_must_be_given(self, server: InProcess) -> None:
        for name, keys in (("GEOSEARCH", ["missing"]), ("GEOSEARCHSTORE", ["new", "missing"])):
            error = f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            assert refused(server, name, *keys, *BY, "ASC", "ASC") == error
            assert refused(server, name, *keys, "ASC", "ASC", "ASC", "ASC", "ASC") == error
            error = f"ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            assert refused(server, name, *keys, *FROM, "ASC", "ANY") == error

    def test_a_member_that_is_missing(self, server: InProcess) -> None:
        error = "ERR could not decode requested zset member"
        assert refused(server, "GEOSEARCH", "sicily", "FROMMEMBER", "x", *BY) == error
        assert server("GEOSEARCH", "missing", "FROMMEMBER", "x", *BY) == ()

    def test_nothing_found(self, server: InProcess) -> None:
        assert encode2(server("GEOSEARCH", "missing", *FROM, *BY)) == b"*0\r\n"
        assert encode2(server("GEOSEARCH", "sicily", "FROMLONLAT", 0, 0, *BY, "WITHDIST")) == b"*0\r\n"

    def test_nearest_of_many(self, server: InProcess) -> None:
        random = Random(1)
        places = {f"m{number}".encode(): (random.uniform(0, 2), random.uniform(0, 2)) for number in range(1000)}
        server("GEOADD", "many", *[part for member, place in places.items() for part in (*place, member)])
        nearest = sorted(places, key=lambda member: (places[member][0] - 1) ** 2 + (places[member][1] - 1) ** 2)
        found = server("GEOSEARCH", "many", "FROMLONLAT", 1, 1, "BYRADIUS", 500, "km", "COUNT", 10)
        assert list(found) == nearest[:10]
        some = server("GEOSEARCH", "many", "FROMLONLAT", 1, 1, "BYRADIUS", 20, "km", "COUNT", 10, "ANY")
        assert len(set(some)) == 10
        assert set(some) < set(server("GEOSEARCH", "many", "FROMLONLAT", 1, 1, "BYRADIUS", 20, "km"))


class TestStoring:
    def test_positions(self, server: InProcess) -> None:
        server("EXPIRE", "string", 100)
        assert server("GEOSEARCHSTORE", "string", "sicily", *FROM, *BY) == 2
        assert server("TTL", "string") == -1
        assert server("GEOPOS", "string", "Palermo", "Catania") == [PALERMO, CATANIA]
        assert server("OBJECT", "ENCODING", "string") == b"listpack"

    def test_distances(self, server: InProcess) -> None:
        assert server("GEOSEARCHSTORE", "new", "sicily", *FROM, *BY, "STOREDIST", "COUNT", 1) == 1
        assert server("ZRANGE", "new", 0, -1) == (b"Catania",)
        assert server("ZSCORE", "new", "Catania") == pytest.approx(56.4413, abs=1e-4)

    def test_over_the_source(self, server: InProcess) -> None:
        assert server("GEOSEARCHSTORE", "sicily", "sicily", *FROM, "BYRADIUS", 100, "km") == 1
        assert server("ZRANGE", "sicily", 0, -1) == (b"Catania",)

    def test_nothing_found_removes_the_key(self, server: InProcess) -> None:
        nowhere = ("FROMLONLAT", 0, 0, "BYRADIUS", 1, "km")
        assert server.events("GEOSEARCHSTORE", "string", "missing", *nowhere) == ["del string"]
        assert server.events("GEOSEARCHSTORE", "string", "missing", *nowhere) == []
        server("SET", "string", "v")
        assert server.dirty("GEOSEARCHSTORE", "string", "sicily", *nowhere) == 1
        assert server("EXISTS", "string") == 0

    @pytest.mark.parametrize("option", ["WITHDIST", "WITHCOORD", "WITHHASH"])
    def test_replies_without_the_key(self, server: InProcess, option: str) -> None:
        error = "ERR {} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        # This is checked before missing options, and before ANY without COUNT.
        assert refused(server, "GEOSEARCHSTORE", "n", "missing", *BY, option, "ANY") == error.format("GEOSEARCHSTORE")
        radius = ("GEORADIUS", "missing", 15, 37, 200, "km", option, "ANY", "STORE", "n")
        assert refused(server, *radius) == error.format("STORE option in GEORADIUS")

    def test_effects(self, server: InProcess) -> None:
        search = ("GEOSEARCHSTORE", "new", "sicily", *FROM, *BY)
        assert server.events(*search) == ["new new", "geosearchstore new"]
        assert server.dirty(*search) == 2
        assert server.effects(*search) == ["GEOSEARCHSTORE new sicily FROMLONLAT 15 37 BYRADIUS 200 km"]
        radius = ("GEORADIUS", "sicily", 15, 37, 200, "km")
        assert server.events(*radius, "STORE", "new") == ["georadiusstore new"]
        assert server.effects(*radius, "STOREDIST", "new") == ["GEORADIUS sicily 15 37 200 km STOREDIST new"]
        assert server.effects(*radius) == []


class TestRadius:
    @pytest.mark.parametrize("suffix", ["", "_RO"])
    def test_results(self, server: InProcess, suffix: str) -> None:
        assert server(f"GEORADIUS{suffix}", "sicily", 15, 37, 200, "km", "ASC") == (b"Catania", b"Palermo")
        assert server(f"GEORADIUS{suffix}", "sicily", 15, 37, 200, "km", "COUNT", 1, "WITHDIST") == [
            [b"Catania", b"56.4413"]
        ]
        by_member = f"GEORADIUSBYMEMBER{suffix}"
        assert server(by_member, "sicily", "Palermo", 200, "km", "DESC") == (b"Catania", b"Palermo")
        assert server(f"GEORADIUS{suffix}", "missing", 15, 37, 200, "km") == ()
        assert server(by_member, "missing", "x", 200, "km") == ()

    def test_storing(self, server: InProcess) -> None:
        assert server("GEORADIUS", "sicily", 15, 37, 200, "km", "STORE", "new") == 2
        assert server("GEOPOS", "new", "Palermo") == [PALERMO]
        assert server("GEORADIUSBYMEMBER", "sicily", "Palermo", 200, "km", "STORE", "x", "STOREDIST", "new") == 2
        assert server("EXISTS", "x") == 0
        assert server("ZSCORE", "new", "Palermo") == 0
        assert server("ZSCORE", "new", "Catania") == pytest.approx(166.2742, abs=1e-4)
        assert server("GEORADIUS", "missing", 15, 37, 200, "km", "STORE", "new") == 0
        assert server("EXISTS", "new") == 0

    @pytest.mark.parametrize("option", ["STORE", "STOREDIST"])
    def test_the_readers_do_not_store(self, server: InProcess, option: str) -> None:
        assert refused(server, "GEORADIUS_RO", "sicily", 15, 37, 200, "km", option, "new") == SYNTAX
        assert refused(server, "GEORADIUSBYMEMBER_RO", "sicily", "Palermo", 200, "km", option, "new") == SYNTAX
        assert refused(server, "GEORADIUS", "sicily", 15, 37, 200, "km", option) == SYNTAX

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ((15, 37, 200), "ERR wrong number of arguments for 'georadius' command"),
            (("x", 37, -1, "yd"), "ERR value is not a valid float"),
            ((15, 99, -1, "yd"), "ERR invalid longitude,latitude pair 15.000000,99.000000"),
            ((15, 37, "x", "yd"), "ERR need numeric radius"),
            ((15, 37, -1, "yd"), "ERR radius cannot be negative"),
            ((15, 37, 1, "yd", "BOGUS"), UNIT),
            ((15, 37, 1, "km", "BOGUS"), SYNTAX),
            ((15, 37, 1, "km", "FROMMEMBER", "Palermo"), SYNTAX),
            ((15, 37, 1, "km", "ANY"), "ERR the ANY argument requires COUNT argument"),
        ],
    )
    def test_errors(self, server: InProcess, arguments: tuple[str | int, ...], error: str) -> None:
        assert refused(server, "GEORADIUS", "sicily", *arguments) == error
        assert refused(server, "GEORADIUS", "missing", *arguments) == error

    def test_errors_by_member(self, server: InProcess) -> None:
        assert refused(server, "GEORADIUSBYMEMBER", "string", "x", 1, "km") == WRONG_TYPE
        missing = "ERR could not decode requested zset member"
        assert refused(server, "GEORADIUSBYMEMBER", "sicily", "x", -1, "km") == missing
        assert refused(server, "GEORADIUSBYMEMBER", "sicily", "Palermo", -1, "km") == "ERR radius cannot be negative"
        # If the key does not exist, the radius and its unit are not checked.
        assert server("GEORADIUSBYMEMBER", "missing", "x", "y", "z") == ()
        assert refused(server, "GEORADIUSBYMEMBER", "missing", "x", "y", "z", "BOGUS") == SYNTAX


def test_keys(server: InProcess) -> None:
    def keys(*argv: str | int) -> list[bytes]:
        return list(server("COMMAND", "GETKEYS", *argv))

    assert keys("GEOSEARCHSTORE", "d", "s", *FROM, *BY) == [b"d", b"s"]
    assert keys("GEORADIUS", "k", 15, 37, 200, "km") == [b"k"]
    assert keys("GEORADIUS", "k", 15, 37, 200, "km", "ASC", "STORE", "d") == [b"k", b"d"]
    assert keys("GEORADIUSBYMEMBER", "k", "m", 200, "km", "storedist", "d") == [b"k", b"d"]
    # The result goes to the last key, but the user needs permission for all of them.
    several = ("STORE", "d", "store", "e", "STOREDIST", "f")
    assert keys("GEORADIUS", "k", 15, 37, 200, "km", *several) == [b"k", b"d", b"e", b"f"]


@pytest.mark.parametrize(
    "options", [("STORE", "own:d", "STORE", "other"), ("STOREDIST", "other", "STORE", "own:d", "STORE", "own:e")]
)
def test_rules_of_a_user_are_checked_against_every_key_to_store_at(options: tuple[str, ...]) -> None:
    server = Server()
    server("GEOADD", "own:g", 15, 37, "m")
    server("ACL", "SETUSER", "u", "on", "nopass", "+@all", "~own:*")
    client = server.connect()
    assert client("AUTH", "u", "x") == b"+OK\r\n"
    refusal = b"-NOPERM No permissions to access a key\r\n"
    assert client("GEORADIUS", "own:g", 15, 37, 1, "km", *options) == refusal
    assert client("GEORADIUSBYMEMBER", "own:g", "m", 1, "km", *options) == refusal
    assert server("EXISTS", "other") == 0
    assert client("GEORADIUS", "own:g", 15, 37, 1, "km", "STORE", "own:a", "STORE", "own:b") == b":1\r\n"
    assert list(server("KEYS", "own:[ab]")) == [b"own:b"]


def test_errors_name_the_command_as_it_was_typed(server: InProcess) -> None:
    assert refused(server, "geoSearch", "g", *FROM, "ASC", "ASC", "ASC") == (
        "ERR exactly one of BYRADIUS and BYBOX can be specified for geoSearch"
    )
