"""Range queries, and queries of several series."""

from __future__ import annotations

import pytest

from tests.support.server import Server


def fill(server: Server, key: str, samples: dict[int, float], *options: str) -> None:
    server("TS.CREATE", key, *options)
    for time, value in samples.items():
        server("TS.ADD", key, time, value)


def found(server: Server, *words: str | int) -> list[tuple[int, float]]:
    reply = server(*words)
    assert isinstance(reply, list), reply
    return [(time, float(value)) for time, value in reply]


@pytest.fixture(params=["COMPRESSED", "UNCOMPRESSED"])
def ten(server: Server, request: pytest.FixtureRequest) -> Server:
    fill(server, "t", {time: float(time) for time in range(0, 100, 10)}, "CHUNK_SIZE", "48", "ENCODING", request.param)
    return server


def test_ranges(ten: Server) -> None:
    assert found(ten, "TS.RANGE", "t", 20, 40) == [(20, 20.0), (30, 30.0), (40, 40.0)]
    assert found(ten, "TS.REVRANGE", "t", 20, 40) == [(40, 40.0), (30, 30.0), (20, 20.0)]
    assert found(ten, "TS.RANGE", "t", 41, 49) == found(ten, "TS.REVRANGE", "t", 50, 10) == []
    assert [time for time, _ in found(ten, "TS.RANGE", "t", "-", "+", "COUNT", 2)] == [0, 10]
    assert [time for time, _ in found(ten, "TS.REVRANGE", "t", "-", "+", "COUNT", 2)] == [90, 80]


def test_filters(ten: Server) -> None:
    assert found(ten, "TS.RANGE", "t", "-", "+", "FILTER_BY_TS", 80, 20, 20, 25) == [(20, 20.0), (80, 80.0)]
    assert found(ten, "TS.REVRANGE", "t", "-", "+", "FILTER_BY_TS", 80, 20) == [(80, 80.0), (20, 20.0)]
    assert found(ten, "TS.RANGE", "t", "-", "+", "FILTER_BY_VALUE", 25, 40) == [(30, 30.0), (40, 40.0)]
    both = ("FILTER_BY_VALUE", 25, 40, "FILTER_BY_TS", 20, 30)
    assert found(ten, "TS.RANGE", "t", "-", "+", *both) == [(30, 30.0)]


def test_buckets(ten: Server) -> None:
    buckets = [(0, 30.0), (30, 120.0), (60, 210.0), (90, 90.0)]
    assert found(ten, "TS.RANGE", "t", "-", "+", "AGGREGATION", "sum", 30) == buckets
    assert found(ten, "TS.REVRANGE", "t", "-", "+", "AGGREGATION", "sum", 30) == buckets[::-1]
    assert found(ten, "TS.RANGE", "t", "-", "+", "AGGREGATION", "count", 30, "COUNT", 1) == [(0, 3.0)]


@pytest.mark.parametrize(("word", "shift"), [("start", 0), ("-", 0), ("mid", 15), ("~", 15), ("end", 30), ("+", 30)])
def test_the_time_of_a_bucket(ten: Server, word: str, shift: int) -> None:
    reply = found(ten, "TS.RANGE", "t", "-", "+", "AGGREGATION", "sum", 30, "BUCKETTIMESTAMP", word)
    assert [time for time, _ in reply] == [0 + shift, 30 + shift, 60 + shift, 90 + shift]


@pytest.mark.parametrize(
    ("align", "expected"),
    [("0", [0, 30, 60]), ("start", [0, 15, 45, 75]), ("end", [20, 50, 80]), ("7", [7, 37, 67])],
)
def test_alignment(ten: Server, align: str, expected: list[int]) -> None:
    reply = found(ten, "TS.RANGE", "t", 15, 80, "ALIGN", align, "AGGREGATION", "count", 30)
    assert [time for time, _ in reply] == [time for time in expected if time > 0 or align == "0"]


@pytest.mark.parametrize(
    ("aggregator", "expected"),
    [("count", "0 0"), ("sum", "0 0"), ("last", "7 7"), ("avg", "NaN NaN"), ("max", "NaN NaN"), ("twa", "10 13")],
)
def test_empty_buckets(server: Server, aggregator: str, expected: str) -> None:
    fill(server, "t", {5: 7.0, 35: 16.0})
    reply = server("TS.RANGE", "t", "-", "+", "AGGREGATION", aggregator, 10, "EMPTY")
    assert [time for time, _ in reply] == [0, 10, 20, 30]
    assert b" ".join(value for _, value in reply[1:3]).decode() == expected


def test_more_empty_buckets_than_any_memory_holds(server: Server) -> None:
    fill(server, "t", {0: 1.0, 10**15: 2.0})
    for aggregator in ("sum", "twa"):
        query = ("TS.RANGE", "t", "-", "+", "AGGREGATION", aggregator, 1, "EMPTY")
        assert server(*query) == b"ERR TSDB: more than 10000000 empty buckets in a row"
    assert len(server(*query, "COUNT", 5)) == 5


def test_the_time_weighted_average_looks_beyond_the_range(server: Server) -> None:
    fill(server, "t", {0: 0.0, 20: 20.0, 40: 40.0})
    assert found(server, "TS.RANGE", "t", 10, 30, "AGGREGATION", "twa", 10) == [(20, 25.0)]
    assert found(server, "TS.RANGE", "t", 10, 39, "AGGREGATION", "twa", 10, "EMPTY") == [
        (10, 15.0),
        (20, 25.0),
        (30, 34.5),
    ]


@pytest.fixture
def rooms(server: Server) -> Server:
    fill(server, "k1", {10: 1.0, 20: 2.0}, "LABELS", "room", "kitchen", "kind", "heat")
    fill(server, "k2", {10: 3.0, 30: 4.0}, "LABELS", "room", "kitchen", "kind", "light")
    fill(server, "k3", {10: 5.0}, "LABELS", "room", "hall")
    fill(server, "k4", {10: 6.0})
    return server


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ("room=kitchen", "k1 k2"),
        ("room=(kitchen,hall)", "k1 k2 k3"),
        ("room=kitchen kind=heat", "k1"),
        ("room=kitchen kind!=heat", "k2"),
        ("room=(kitchen,hall) kind=", "k3"),
        ("room=(kitchen,hall) kind!=", "k1 k2"),
        ("room=(kitchen,hall) kind!=(heat,odd)", "k2 k3"),
        ("room=attic", ""),
        ("room=kitchen odd!=", ""),
        ("room=()", ""),
        ("room=kitchen=x", "k1 k2"),
    ],
)
def test_conditions(rooms: Server, matchers: str, expected: str) -> None:
    assert rooms("TS.QUERYINDEX", *matchers.split()) == expected.encode().split()
    reply = rooms("TS.MGET", "FILTER", *matchers.split())
    assert [row[0] for row in reply] == expected.encode().split()


@pytest.mark.parametrize(
    ("matchers", "error"),
    [
        ("room", b"ERR TSDB: failed parsing labels"),
        ("room=(a", b"ERR TSDB: failed parsing labels"),
        ("room=(a,)", b"ERR TSDB: failed parsing labels"),
        ("=", b"ERR TSDB: failed parsing labels"),
        ("room!=a", b"ERR TSDB: please provide at least one matcher"),
        ("room= kind!=", b"ERR TSDB: please provide at least one matcher"),
    ],
)
def test_conditions_that_are_not_valid(rooms: Server, matchers: str, error: bytes) -> None:
    assert rooms("TS.QUERYINDEX", *matchers.split()) == error
    assert rooms("TS.MGET", "FILTER", *matchers.split()) == error
    assert rooms("TS.MRANGE", "-", "+", "FILTER", *matchers.split()) == error


def test_labels_in_the_reply(rooms: Server) -> None:
    kitchen = [[b"room", b"kitchen"], [b"kind", b"heat"]]
    assert rooms("TS.MGET", "WITHLABELS", "FILTER", "kind=heat") == [[b"k1", kitchen, [20, b"2"]]]
    reply = rooms("TS.MGET", "SELECTED_LABELS", "KIND", "odd", "FILTER", "kind=heat")
    assert reply == [[b"k1", [[b"kind", b"heat"], [b"odd", None]], [20, b"2"]]]
    assert rooms("TS.MRANGE", "-", "+", "FILTER", "kind=heat") == [[b"k1", [], [[10, b"1"], [20, b"2"]]]]


def test_maps_in_resp3(rooms: Server) -> None:
    connection = rooms.connect()
    connection("HELLO", 3)
    assert connection(
        "TS.MRANGE", "-", "+", "WITHLABELS", "COUNT", 1, "AGGREGATION", "max", 5, "FILTER", "kind=heat"
    ) == (
        b"%1\r\n$2\r\nk1\r\n*3\r\n%2\r\n$4\r\nroom\r\n$7\r\nkitchen\r\n$4\r\nkind\r\n$4\r\nheat\r\n"
        b"%1\r\n$11\r\naggregators\r\n*1\r\n$3\r\nmax\r\n*1\r\n*2\r\n:10\r\n,1\r\n"
    )
    assert connection("TS.QUERYINDEX", "kind=heat") == b"~1\r\n$2\r\nk1\r\n"


def test_groups(rooms: Server) -> None:
    query = ("FILTER", "room=(kitchen,hall)", "GROUPBY", "room", "REDUCE", "sum")
    hall = [b"room=hall", [], [[10, b"5"]]]
    assert rooms("TS.MRANGE", "-", "+", *query) == [
        hall,
        [b"room=kitchen", [], [[10, b"4"], [20, b"2"], [30, b"4"]]],
    ]
    assert rooms("TS.MREVRANGE", "-", "+", "COUNT", 1, *query) == [hall, [b"room=kitchen", [], [[30, b"4"]]]]
    (_, labels, _) = rooms("TS.MRANGE", "-", "+", "WITHLABELS", *query)[1]
    assert labels == [[b"room", b"kitchen"], [b"__reducer__", b"sum"], [b"__source__", b"k1,k2"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("FILTER", b"ERR TSDB: missing labels for filter argument"),
        ("GROUPBY room REDUCE sum FILTER room=hall", b"ERR TSDB: GROUPBY should always come after filter"),
        ("FILTER room=hall GROUPBY", b"ERR wrong number of arguments for 'ts.mrange' command"),
        ("FILTER room=hall GROUPBY room", b"ERR wrong number of arguments for 'ts.mrange' command"),
        ("FILTER room=hall GROUPBY room REDUCE twa", b"ERR TSDB: Invalid reducer type"),
        ("COUNT 3", b"ERR TSDB: missing FILTER argument"),
        (
            "WITHLABELS SELECTED_LABELS a FILTER room=hall",
            b"ERR TSDB: cannot accept WITHLABELS and SELECT_LABELS together",
        ),
        ("SELECTED_LABELS FILTER room=hall", b"ERR TSDB: SELECT_LABELS should have at least 1 parameter"),
        ("SELECTED_LABELS " + "a " * 51 + "FILTER room=hall", b"ERR TSDB: reached max size for SELECT_LABELS"),
    ],
)
def test_queries_of_several_series_that_are_not_valid(rooms: Server, words: str, error: bytes) -> None:
    assert rooms("TS.MRANGE", "-", "+", *words.split()) == error


def test_the_index_follows_the_keys(rooms: Server) -> None:
    def kitchens() -> list[bytes]:
        reply = rooms("TS.QUERYINDEX", "room=kitchen")
        assert isinstance(reply, list)
        return reply

    rooms("TS.ALTER", "k3", "LABELS", "room", "kitchen")
    assert kitchens() == [b"k1", b"k2", b"k3"]
    rooms("DEL", "k1")
    rooms("SET", "k2", "x")
    assert kitchens() == [b"k3"]
    rooms("RENAME", "k3", "k2")
    assert kitchens() == [b"k2"]
    rooms("COPY", "k4", "k2", "REPLACE")
    assert kitchens() == []
    rooms("TS.ADD", "k9", 1, 1, "LABELS", "room", "kitchen")
    rooms("MOVE", "k9", 3)
    assert kitchens() == []
    rooms("SELECT", 3)
    assert kitchens() == [b"k9"]
    rooms("FLUSHALL")
    assert kitchens() == []
