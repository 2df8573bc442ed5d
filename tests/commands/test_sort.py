"""SORT and SORT_RO, on collections that the test puts into the database directly."""

from __future__ import annotations

from random import Random

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List

NO_NUMBER = "ERR One or more scores can't be converted into double"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def put(server: InProcess, key: str, elements: str) -> None:
    server.db.set(key.encode(), List([element.encode() for element in elements.split(" ")]))


def text(reply: list[bytes | None]) -> str:
    return " ".join("-" if element is None else element.decode() for element in reply)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "-5 .5 1 2 2.5 3 10 1e1"),
        ("DESC", "1e1 10 3 2.5 2 1 .5 -5"),
        ("desc asc", "-5 .5 1 2 2.5 3 10 1e1"),
        ("ALPHA", "-5 .5 1 10 1e1 2 2.5 3"),
        ("ALPHA DESC LIMIT 1 2", "2.5 2"),
        ("LIMIT 0 2", "-5 .5"),
        ("LIMIT 6 -1", "10 1e1"),
        ("LIMIT -3 1", "-5"),
        ("LIMIT 7 100", "1e1"),
        ("BY nosort", "3 10 1 2 -5 2.5 1e1 .5"),
        ("BY nosort DESC LIMIT 0 3", ".5 1e1 2.5"),
        ("BY nosort BY w_*", "3 10 1 2 -5 2.5 1e1 .5"),
        ("GET # GET const LIMIT 0 2", "-5 - .5 -"),
    ],
)
def test_lists(server: InProcess, options: str, expected: str) -> None:
    put(server, "l", "3 10 1 2 -5 2.5 1e1 .5")
    for name in ("SORT", "SORT_RO"):
        assert text(server(name, "l", *options.split())) == expected


@pytest.mark.parametrize("options", ["LIMIT 100 1", "LIMIT 0 0", "LIMIT 8 -1"])
def test_nothing_is_left(server: InProcess, options: str) -> None:
    put(server, "l", "3 10 1 2 -5 2.5 1e1 .5")
    assert server("SORT", "l", *options.split()) == []
    assert server("SORT", "missing", *options.split()) == []


def test_sets(server: InProcess) -> None:
    server("SADD", "s", "b", "a", "c")
    assert server("SORT", "s", "ALPHA", "DESC") == [b"c", b"b", b"a"]
    assert sorted(server("SORT", "s", "BY", "nosort")) == [b"a", b"b", b"c"]
    # The stored result must be the same on every replica.
    assert server("SORT", "s", "BY", "nosort", "STORE", "d") == 3
    assert server("SORT", "d", "BY", "nosort") == [b"a", b"b", b"c"]


def test_weights_and_values_of_other_keys(server: InProcess) -> None:
    put(server, "l", "1 2 3 4")
    server("MSET", "w_1", 40, "w_2", 30, "w_3", 20, "v_1", "one", "v_2", "two", "v_4", "four")
    for number, weight in ((1, b"9"), (2, b"8")):
        server.db.set(b"h_%d" % number, Hash({b"f": weight, b"g": b"g%d" % number}))
    assert text(server("SORT", "l", "BY", "w_*")) == "4 3 2 1"
    assert text(server("SORT", "l", "BY", "w_*", "GET", "v_*", "GET", "#")) == "four 4 - 3 two 2 one 1"
    assert text(server("SORT", "l", "BY", "h_*->f", "DESC")) == "1 2 4 3"
    assert text(server("SORT", "l", "BY", "v_*", "ALPHA")) == "3 4 1 2"
    assert text(server("SORT", "l", "BY", "missing_*")) == "1 2 3 4"
    assert text(server("SORT", "l", "GET", "h_*->g")) == "g1 g2 - -"
    assert text(server("SORT", "l", "GET", "v_*->f", "GET", "h_*", "LIMIT", 0, 1)) == "- -"
    assert refused(server, "SORT", "l", "BY", "v_*") == NO_NUMBER


def test_an_arrow_without_a_field_belongs_to_the_name(server: InProcess) -> None:
    put(server, "l", "a")
    server("SET", "x:a->", "v")
    assert server("SORT", "l", "ALPHA", "GET", "x:*->") == [b"v"]


def test_fields_that_have_expired_are_not_seen(server: InProcess) -> None:
    put(server, "l", "1")
    value = Hash({b"f": b"v"})
    value.set_time(b"f", server.engine.time.wall_ms() + 1000)
    server.db.set(b"h_1", value)
    assert server("SORT", "l", "GET", "h_*->f") == [b"v"]
    server.clock.advance(2)
    assert server("SORT", "l", "GET", "h_*->f") == [None]


@pytest.mark.parametrize("number", ["0x10", "+5", "10e308", "inf", "-INFINITY", ".5", "5.", "5.e1", "1e-342"])
def test_numbers(server: InProcess, number: str) -> None:
    server.db.set(b"l", List([number.encode(), b"3"]))
    assert len(server("SORT", "l")) == 2


@pytest.mark.parametrize(
    "other", [" 5", "5 ", "nan", "", "1e999", "1\0abc", "0x", "1e", ".", "1_0", "infi", "a", "--1"]
)
def test_no_numbers(server: InProcess, other: str) -> None:
    server.db.set(b"l", List([other.encode(), b"3"]))
    assert refused(server, "SORT", "l") == NO_NUMBER
    assert refused(server, "SORT", "l", "STORE", "d") == NO_NUMBER
    assert server("EXISTS", "d") == 0


def test_equal_weights_are_told_apart_by_the_elements(server: InProcess) -> None:
    put(server, "l", "b d a c")
    for key in "abcd":
        server("SET", f"w_{key}", 1)
    assert text(server("SORT", "l", "BY", "w_*")) == "a b c d"
    assert text(server("SORT", "l", "BY", "w_*", "DESC")) == "d c b a"


def test_store(server: InProcess) -> None:
    put(server, "l", "3 1 2")
    assert server.events("SORT", "l", "STORE", "d") == ["new d", "sortstore d"]
    assert server.dirty("SORT", "l", "STORE", "d", "GET", "none_*") == 3
    assert server("SORT", "d", "BY", "nosort") == [b"", b"", b""]
    server("EXPIRE", "d", 10)
    assert server.effects("SORT", "l", "STORE", "d") == ["SORT l STORE d"]
    assert server("TTL", "d") == -1
    assert server.events("SORT", "missing", "STORE", "d") == ["del d"]
    assert server.effects("SORT", "missing", "STORE", "d") == []
    assert server("SORT", "l", "STORE", "a", "STORE", "b") == 3
    assert server("EXISTS", "a", "b") == 1


def test_errors(server: InProcess) -> None:
    put(server, "l", "1")
    server("SET", "s", "v")
    assert refused(server, "SORT", "s").startswith("WRONGTYPE")
    for options in ("bogus", "LIMIT 1", "BY", "GET", "STORE"):
        assert refused(server, "SORT", "s", *options.split()) == "ERR syntax error"
    assert refused(server, "SORT_RO", "l", "STORE", "d") == "ERR syntax error"
    assert refused(server, "SORT", "l", "LIMIT", "x", "1") == "ERR value is not an integer or out of range"


def test_patterns_of_other_slots(server: InProcess) -> None:
    server.config.cluster_enabled = True
    put(server, "{a}l", "1 2")
    for option in ("BY", "GET"):
        error = (
            f"ERR {option} option of SORT denied in Cluster mode when keys formed by the pattern may be in "
            "different slots."
        )
        assert refused(server, "SORT", "{a}l", option, "w_*") == error
        assert refused(server, "SORT", "{a}l", option, "{b}*") == error
        assert text(server("SORT", "{a}l", option, "{a}w_*")) in ("1 2", "- -")
    assert text(server("SORT", "{a}l", "BY", "nosort", "GET", "#")) == "1 2"


def test_which_arguments_are_keys(server: InProcess) -> None:
    spec = server.engine.commands.by_name[b"sort"].spec
    assert spec.getkeys is not None

    def places(argv: str) -> list[int]:
        assert spec.getkeys is not None
        return [place for place, _ in spec.getkeys([word.encode() for word in argv.split()])]

    assert places("SORT l") == [1]
    assert places("SORT l STORE d") == [1, 3]
    assert places("SORT l STORE a store b") == [1, 5]
    assert places("SORT l BY STORE GET STORE LIMIT STORE x STORE d") == [1, 10]
    assert places("SORT l STORE") == [1]


@pytest.mark.parametrize("command", ["SORT", "SORT_RO"])
@pytest.mark.parametrize("options", [(), ("BY", "nosort"), ("ALPHA",), ("LIMIT", 0, 0)])
def test_a_sorted_set_becomes_a_skiplist(server: InProcess, command: str, options: tuple[str | int, ...]) -> None:
    server("ZADD", "z", "-0", 1, 2, 2)
    assert server("OBJECT", "ENCODING", "z") == b"listpack"
    server(command, "z", *options)
    assert server("OBJECT", "ENCODING", "z") == b"skiplist"
    assert server("ZRANGE", "z", 0, -1, "WITHSCORES") == (b"1", b"0", b"2", b"2")


def test_even_if_sorting_fails(server: InProcess) -> None:
    server("ZADD", "z", 1, "no number")
    assert refused(server, "SORT", "z") == NO_NUMBER
    assert server("OBJECT", "ENCODING", "z") == b"skiplist"
    server("ZADD", "y", 1, "a")
    refused(server, "SORT", "y", "BOGUS")
    assert server("OBJECT", "ENCODING", "y") == b"listpack"


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_numbers_in_any_spelling(server: InProcess, seed: int, descending: bool) -> None:
    rng = Random(seed)
    spellings = {
        **{b"%d" % number: float(number) for number in range(-5, 6)},
        b"1.0": 1.0,
        b"+1": 1.0,
        b".5": 0.5,
        b"1.": 1.0,
        b"1e2": 100.0,
        b"-0": 0.0,
        b"-2.5e-1": -0.25,
    }
    if seed % 2:
        spellings |= {b"inf": float("inf"), b"0x10": 16.0, b"1e-342": 0.0}
    elements = rng.choices(list(spellings), k=rng.randrange(1, 12))
    server("RPUSH", "numbers", *elements)
    expected = sorted(elements, key=lambda text: (spellings[text], text), reverse=descending)
    assert server("SORT", "numbers", *(["DESC"] if descending else [])) == expected


@pytest.mark.parametrize("text", ["1_0", "-", "e", "1e", " 1", "+-1", "0x", "nan", ".", "", "1e999", "2\0x"])
def test_one_element_that_is_no_number_is_refused(server: InProcess, text: str) -> None:
    server("RPUSH", "numbers", "1", text, "2")
    with pytest.raises(Refused, match="can't be converted into double"):
        server("SORT", "numbers")
