"""Removing entries that groups refer to: KEEPREF, DELREF and ACKED. The right values come from Redis 8.8.0."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused


@pytest.fixture
def server() -> InProcess:
    """Creates a stream of six entries. Group ``g`` has four of them pending, ``h`` two; ``h`` has not read the rest."""
    server = InProcess()
    for number in range(1, 7):
        server("XADD", "s", f"{number}-0", "n", number)
    for group, count in (("g", 4), ("h", 2)):
        server("XGROUP", "CREATE", "s", group, "0")
        server("XREADGROUP", "GROUP", group, "c", "COUNT", count, "STREAMS", "s", ">")
    return server


def pending(server: InProcess, group: str) -> list[bytes]:
    return [entry[0] for entry in server("XPENDING", "s", group, "-", "+", 10)]


def ids(server: InProcess) -> list[bytes]:
    return [entry[0] for entry in server("XRANGE", "s", "-", "+")]


def test_xdelex_keeps_references(server: InProcess) -> None:
    assert server("XDELEX", "s", "IDS", 3, "1-0", "9-0", "6-0") == [1, -1, 1]
    assert ids(server) == [b"2-0", b"3-0", b"4-0", b"5-0"]
    assert pending(server, "g") == [b"1-0", b"2-0", b"3-0", b"4-0"]
    assert server("XDELEX", "missing", "IDS", 2, "1-0", "2-0") == [-1, -1]
    assert server.effects("XDELEX", "s", "IDS", 1, "9-0") == []
    assert server.effects("XDELEX", "s", "IDS", 1, "2-0") == ["XDELEX s IDS 1 2-0"]
    assert server.events("XDELEX", "s", "IDS", 2, "3-0", "4-0") == ["xdel s"]


def test_xdelex_drops_references(server: InProcess) -> None:
    assert server("XDELEX", "s", "DELREF", "IDS", 2, "1-0", "3-0") == [1, 1]
    assert pending(server, "g") == [b"2-0", b"4-0"]
    assert pending(server, "h") == [b"2-0"]


def test_xdelex_spares_references(server: InProcess) -> None:
    server("XACK", "s", "g", "1-0", "2-0")
    server("XACK", "s", "h", "1-0")
    # 3-0 is acknowledged by nobody, and 9-0 is one that no group can have received.
    assert server("XDELEX", "s", "IDS", 4, "1-0", "2-0", "3-0", "9-0", "ACKED") == [1, 2, 2, 2]
    assert ids(server) == [b"2-0", b"3-0", b"4-0", b"5-0", b"6-0"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["IDS", "0", "1"], "ERR Number of IDs must be a positive integer"),
        (["IDS", "x", "1"], "ERR Number of IDs must be a positive integer"),
        (["IDS", "2", "1"], "ERR The `numids` parameter must match the number of arguments"),
        (["IDS", "1", "1", "2"], "ERR syntax error"),
        (["ACKED", "KEEPREF", "IDS", "1", "1"], "ERR syntax error"),
        (["ACKED", "ACKED", "IDS", "1", "1"], "ERR syntax error"),
        (["IDS", "1", "x"], "ERR Invalid stream ID specified as stream command argument"),
    ],
)
def test_xdelex_says_what_is_wrong(server: InProcess, words: list[str], error: str) -> None:
    with pytest.raises(Refused) as caught:
        server("XDELEX", "s", *words)
    assert str(caught.value) == error


def test_xackdel(server: InProcess) -> None:
    assert server("XACKDEL", "s", "g", "ACKED", "IDS", 3, "1-0", "3-0", "9-0") == [2, 2, -1]
    assert server("XACKDEL", "s", "h", "ACKED", "IDS", 1, "1-0") == [1]
    assert ids(server) == [b"2-0", b"3-0", b"4-0", b"5-0", b"6-0"]
    assert server("XACKDEL", "s", "g", "IDS", 1, "2-0") == [1]
    assert pending(server, "h") == [b"2-0"]
    assert server("XACKDEL", "s", "h", "IDS", 1, "2-0") == [1]
    assert server("XACKDEL", "s", "missing", "IDS", 1, "2-0") == [-1]


def test_an_acknowledgement_alone_is_propagated(server: InProcess) -> None:
    assert server.effects("XACKDEL", "s", "g", "ACKED", "IDS", 1, "1-0") == ["XACKDEL s g ACKED IDS 1 1-0"]
    assert server.effects("XACKDEL", "s", "g", "ACKED", "IDS", 1, "1-0") == []
    assert server.events("XACKDEL", "s", "g", "ACKED", "IDS", 1, "2-0") == []
    assert server.events("XACKDEL", "s", "g", "DELREF", "IDS", 1, "3-0") == ["xdel s"]


def test_trimming(server: InProcess) -> None:
    server("XACK", "s", "g", "1-0", "2-0")
    server("XACK", "s", "h", "2-0")
    assert server("XTRIM", "s", "MAXLEN", 1, "ACKED") == 1
    assert ids(server) == [b"1-0", b"3-0", b"4-0", b"5-0", b"6-0"]
    assert server("XTRIM", "s", "DELREF", "MINID", "5-0") == 3
    assert pending(server, "g") == pending(server, "h") == []
    assert ids(server) == [b"5-0", b"6-0"]


def test_approximate_trimming_looks_into_whole_nodes(server: InProcess) -> None:
    server("CONFIG", "SET", "stream-node-max-entries", 2)
    for number in range(1, 8):
        server("XADD", "t", f"{number}-0", "n", number)
    server("XGROUP", "CREATE", "t", "g", "0")
    server("XREADGROUP", "GROUP", "g", "c", "STREAMS", "t", ">")
    server("XACK", "t", "g", "1-0", "2-0", "4-0", "5-0")
    assert server("XTRIM", "t", "MAXLEN", "~", 3, "ACKED") == 4
    assert [entry[0] for entry in server("XRANGE", "t", "-", "+")] == [b"3-0", b"6-0", b"7-0"]


def test_counters_of_new_groups_are_limited(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "new", "0", "ENTRIESREAD", 100)
    server("XGROUP", "SETID", "s", "g", "0", "ENTRIESREAD", 7)
    assert [group[9] for group in server("XINFO", "GROUPS", "s")] == [6, 2, 6]
