"""XNACK, and CLAIM of XREADGROUP. The right values come from Redis 8.8.0."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.inprocess import InProcess, Refused

START = 1700000000000
MOST = 2**63 - 1


def plain(reply: Any) -> Any:
    """Returns a reply with lists for all arrays."""
    return [plain(part) for part in reply] if isinstance(reply, list | tuple) else reply


@pytest.fixture
def server() -> InProcess:
    """Creates a stream of five entries; the first three are pending for ``a``."""
    server = InProcess()
    for number in range(1, 6):
        server("XADD", "s", f"{number}-0", "n", number)
    server("XGROUP", "CREATE", "s", "g", "0")
    server("XREADGROUP", "GROUP", "g", "a", "COUNT", 3, "STREAMS", "s", ">")
    return server


def pending(server: InProcess, *more: str) -> list[list[Any]]:
    return plain(server("XPENDING", "s", "g", *more, "-", "+", 10))


def claim(server: InProcess, consumer: str, idle: int, count: int = 0) -> list[list[Any]]:
    """Returns ID, idle time and deliveries of the entries of a reply."""
    reply = plain(server("XREADGROUP", "GROUP", "g", consumer, "CLAIM", idle, "COUNT", count, "STREAMS", "s", ">"))
    return [] if not isinstance(reply, list) else [[entry[0], *entry[2:]] for entry in reply[0][1]]


def test_entries_are_given_back(server: InProcess) -> None:
    server.advance(1)
    assert server("XNACK", "s", "g", "FAIL", "IDS", 2, "1-0", "9-0") == 1
    assert server("XNACK", "s", "g", "SILENT", "IDS", 1, "2-0") == 1
    assert server("XNACK", "s", "g", "FATAL", "IDS", 1, "3-0") == 1
    # There is no idle time, which IDLE would ask for.
    assert pending(server, "IDLE", "1000000") == [
        [b"1-0", b"", -1, 1],
        [b"2-0", b"", -1, 0],
        [b"3-0", b"", -1, MOST],
    ]
    assert plain(server("XPENDING", "s", "g"))[:3] == [3, b"1-0", b"3-0"]
    assert server("XPENDING", "s", "g")[3] == []
    assert server("XINFO", "STREAM", "s", "FULL")[-1][0][10:12] == [b"nacked-count", 3]
    assert server("XACK", "s", "g", "1-0") == 1
    assert server("XGROUP", "DELCONSUMER", "s", "g", "a") == 0
    assert [entry[0] for entry in pending(server)] == [b"2-0", b"3-0"]


def test_force_and_retrycount(server: InProcess) -> None:
    assert server("XNACK", "s", "g", "FAIL", "IDS", 2, "4-0", "9-0", "FORCE") == 1
    assert server("XNACK", "s", "g", "FATAL", "RETRYCOUNT", 7, "IDS", 2, "5-0", "1-0", "FORCE") == 2
    assert pending(server)[0] == [b"1-0", b"", -1, 7]
    assert pending(server)[3:] == [[b"4-0", b"", -1, 0], [b"5-0", b"", -1, 7]]


def test_propagation_of_xnack(server: InProcess) -> None:
    assert server.effects("XNACK", "s", "g", "FAIL", "IDS", 1, "9-0") == []
    assert server.effects("XNACK", "s", "g", "FAIL", "IDS", 1, "1-0") == ["XNACK s g FAIL IDS 1 1-0"]
    assert server.events("XNACK", "s", "g", "FAIL", "IDS", 1, "2-0") == []
    assert server.dirty("XNACK", "s", "g", "FAIL", "IDS", 2, "2-0", "3-0") == 2
    server("XDEL", "s", "1-0", "2-0")
    assert server.effects("XCLAIM", "s", "g", "a", 0, "1-0") == ["XACK s g 1-0"]
    assert server.effects("XAUTOCLAIM", "s", "g", "a", 0, "-")[0] == "XACK s g 2-0"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["g", "NO", "IDS", "1", "1"], "ERR mode must be SILENT, FAIL, or FATAL"),
        (["x", "FAIL", "IDS", "1", "1"], "NOGROUP No such key 's' or consumer group 'x'"),
        (["g", "FAIL", "IDS", "0", "1"], "ERR numids must be a positive integer"),
        (["g", "FAIL", "IDS", "2", "1"], "ERR number of IDs doesn't match numids"),
        (["g", "FAIL", "IDS", "1", "1", "2"], "ERR Unrecognized XNACK option '2'"),
        (["g", "FAIL", "FORCE", "RETRYCOUNT", "1"], "ERR syntax error, expected IDS keyword"),
        (["g", "FAIL", "IDS", "1", "1", "RETRYCOUNT", "-1"], "ERR Invalid RETRYCOUNT value, must be >= 0"),
    ],
)
def test_xnack_says_what_is_wrong(server: InProcess, words: list[str], error: str) -> None:
    with pytest.raises(Refused) as caught:
        server("XNACK", "s", *words)
    assert str(caught.value) == error


def test_xclaim_ignores_the_idle_time_of_entries_without_a_consumer(server: InProcess) -> None:
    server("XNACK", "s", "g", "FATAL", "IDS", 1, "1-0")
    assert server("XCLAIM", "s", "g", "b", 10000, "1-0", "2-0", "JUSTID") == [b"1-0"]
    server("XCLAIM", "s", "g", "b", 0, "1-0")
    # The greatest count stays.
    assert pending(server)[0] == [b"1-0", b"b", 0, MOST]
    server("XNACK", "s", "g", "FAIL", "IDS", 1, "2-0")
    assert server("XAUTOCLAIM", "s", "g", "b", 10000, "-", "JUSTID")[1] == [b"2-0"]


def test_claim_takes_over_what_is_idle(server: InProcess) -> None:
    server.advance(1)
    assert claim(server, "b", 1000, 2) == [[b"1-0", 1000, 1], [b"2-0", 1000, 1]]
    assert claim(server, "b", 1000, 2) == [[b"3-0", 1000, 1], [b"4-0", 0, 0]]
    assert claim(server, "b", 1000) == [[b"5-0", 0, 0]]
    assert claim(server, "b", 1000) == []
    assert pending(server)[0] == [b"1-0", b"b", 0, 2]
    # With no limit each entry comes once, though it is new again.
    assert [entry[0] for entry in claim(server, "c", 0)] == [b"1-0", b"2-0", b"3-0", b"4-0", b"5-0"]


def test_claim_takes_over_by_age(server: InProcess) -> None:
    server.advance(1)
    server("XCLAIM", "s", "g", "b", 0, "1-0", "TIME", START + 500)
    server("XNACK", "s", "g", "FAIL", "IDS", 2, "3-0", "2-0")
    server("XADD", "s", "6-0", "n", 6)
    server("XDEL", "s", "3-0")
    assert claim(server, "b", 100, 2) == [[b"2-0", START + 1000, 1], [b"1-0", 500, 2]]


def test_claim_keeps_the_order_through_changes(server: InProcess) -> None:
    assert claim(server, "b", 5000, 1) == [[b"4-0", 0, 0]]  # this makes the order
    server.advance(1)
    for _ in range(100):
        server("XCLAIM", "s", "g", "b", 0, "1-0", "JUSTID")
    server("XACK", "s", "g", "2-0")
    server("XNACK", "s", "g", "FAIL", "IDS", 1, "4-0")
    server("XGROUP", "DELCONSUMER", "s", "g", "a")
    server("COPY", "s", "s2")
    assert [entry[0] for entry in claim(server, "c", 0)] == [b"4-0", b"1-0", b"5-0"]


def test_claim_without_new_entries_of_another_id(server: InProcess) -> None:
    reply = plain(server("XREADGROUP", "GROUP", "g", "a", "CLAIM", 0, "STREAMS", "s", "0"))
    assert [len(entry) for entry in reply[0][1]] == [2, 2, 2]


def test_propagation_of_claims(server: InProcess) -> None:
    server.advance(1)
    assert server.effects("XREADGROUP", "GROUP", "g", "b", "CLAIM", 10, "COUNT", 4, "STREAMS", "s", ">") == [
        *(
            f"XCLAIM s g b 0 {number}-0 TIME {START + 1000} RETRYCOUNT {2 if number < 4 else 1} FORCE JUSTID LASTID 3-0"
            for number in range(1, 5)
        ),
        "XGROUP SETID s g 4-0 ENTRIESREAD 4",
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["XREAD", "CLAIM", "1"], "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."),
        (["XREADGROUP", "GROUP", "g", "a", "CLAIM", "x"], "ERR min-idle-time is not an integer or out of range"),
        (["XREADGROUP", "GROUP", "g", "a", "CLAIM", "-1"], "ERR min-idle-time must be a positive integer"),
    ],
)
def test_claim_says_what_is_wrong(server: InProcess, words: list[str], error: str) -> None:
    with pytest.raises(Refused) as caught:
        server(*words, "STREAMS", "s", ">")
    assert str(caught.value) == error
