"""IDMP and IDMPAUTO of XADD, XCFGSET and XIDMPRECORD. The right values come from Redis 8.8.0."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused

START = 1700000000000


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def facts(server: InProcess, key: str = "s") -> list[int]:
    """Returns the six figures of XINFO STREAM on idempotent IDs."""
    return server("XINFO", "STREAM", key)[15:26:2]


def test_an_entry_that_comes_twice_is_added_once(server: InProcess) -> None:
    first = server("XADD", "s", "IDMP", "p", "a", "*", "f", "1")
    assert server("XADD", "s", "MAXLEN", 0, "IDMP", "p", "a", "*", "f", "2") == first
    assert server("XADD", "s", "IDMP", "q", "a", "*", "f", "3") != first
    assert server("XLEN", "s") == 2
    assert facts(server) == [100, 100, 2, 2, 2, 1]


def test_the_contents_are_an_id_without_order(server: InProcess) -> None:
    first = server("XADD", "s", "IDMPAUTO", "p", "*", "a", "1", "b", "2")
    assert server("XADD", "s", "IDMPAUTO", "p", "*", "b", "2", "a", "1") == first
    assert server("XADD", "s", "IDMPAUTO", "p", "*", "a", "2", "b", "1") != first
    commands = server("XIDMPRECORD", "s", "p", bytes.fromhex("00"), first)
    assert commands == b"OK"


def test_propagation(server: InProcess) -> None:
    assert server.effects("XADD", "s", "IDMP", "p", "a", "*", "f", "v") == [f"XADD s IDMP p a {START}-0 f v"]
    assert server.effects("XADD", "s", "IDMP", "p", "a", "*", "f", "v") == ["XADD s IDMP p a * f v"]
    assert server.effects("XCFGSET", "s", "IDMP-MAXSIZE", "7") == ["XCFGSET s IDMP-MAXSIZE 7"]
    assert server.effects("XCFGSET", "s", "IDMP-MAXSIZE", "7") == []
    assert server.effects("XIDMPRECORD", "s", "p", "z", f"{START}-0") == [f"XIDMPRECORD s p z {START}-0"]
    assert server.effects("XIDMPRECORD", "s", "p", "z", f"{START}-0") == []
    assert server.events("XADD", "s", "IDMP", "p", "z", "*", "f", "v") == []


def test_the_oldest_goes_first(server: InProcess) -> None:
    server("CONFIG", "SET", "stream-idmp-maxsize", 2, "stream-idmp-duration", 5)
    for iid in "abc":
        server("XADD", "s", "IDMP", "p", iid, "*", "f", "v")
    assert facts(server) == [5, 2, 1, 2, 3, 0]
    server("XADD", "s", "IDMP", "p", "a", "*", "f", "v")
    assert server("XLEN", "s") == 4


def test_old_ids_are_forgotten(server: InProcess) -> None:
    server("XADD", "s", "IDMP", "p", "a", "*", "f", "v")
    server.advance(50)
    server("XADD", "s", "IDMP", "p", "b", "*", "f", "v")
    server("COPY", "s", "copied")
    server("RENAME", "s", "renamed")
    for seconds, left in ((49, 2), (1, 1), (49, 1), (1, 0)):
        server.advance(seconds)
        server.engine.expiry.cycle()
        assert facts(server, "renamed")[3] == facts(server, "copied")[3] == left
    assert facts(server, "renamed") == [100, 100, 0, 0, 2, 0]
    server.advance(1)
    server.engine.expiry.cycle()
    assert not server.engine.databases[0].idempotent


def test_other_limits_forget_all(server: InProcess) -> None:
    server("XADD", "s", "IDMP", "p", "a", "*", "f", "v")
    server("XCFGSET", "s", "IDMP-DURATION", 100)
    assert facts(server) == [100, 100, 1, 1, 1, 0]
    server("XCFGSET", "s", "IDMP-MAXSIZE", 10000, "IDMP-DURATION", 86400)
    assert facts(server) == [86400, 10000, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["XADD", "s", "IDMP", "p", "a", "1-1", "f", "v"], "IDMP/IDMPAUTO can be used only with auto-generated IDs"),
        (["XADD", "s", "IDMP", "p", "a", "IDMPAUTO", "q", "*", "f", "v"], "IDMP/IDMPAUTO specified multiple times"),
        (["XADD", "s", "IDMP", "", "a", "*", "f", "v"], "IDMP requires a non-empty producer ID"),
        (["XADD", "s", "IDMPAUTO", "", "*", "f", "v"], "IDMPAUTO requires a non-empty producer ID"),
        (["XADD", "s", "IDMP", "p", "", "*", "f", "v"], "IDMP requires a non-empty idempotent ID"),
    ],
)
def test_xadd_says_what_is_wrong(server: InProcess, words: list[str], error: str) -> None:
    with pytest.raises(Refused) as caught:
        server(*words)
    assert str(caught.value) == "ERR syntax error, " + error


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["XCFGSET", "missing", "x"], "ERR no such key"),
        (["XCFGSET", "s"], "ERR At least one parameter must be specified"),
        (["XCFGSET", "s", "IDMP-DURATION", "0"], "ERR IDMP-DURATION must be between 1 and 86400 seconds"),
        (["XCFGSET", "s", "IDMP-MAXSIZE", "10001"], "ERR IDMP-MAXSIZE must be between 1 and 10000 entries"),
        (
            ["XCFGSET", "s", "IDMP-MAXSIZE", "1", "IDMP-MAXSIZE", "1"],
            "ERR IDMP-MAXSIZE specified multiple times",
        ),
        (["XCFGSET", "s", "IDMP-MAXSIZE"], "ERR syntax error"),
        (["XIDMPRECORD", "missing", "p", "a", "1-1"], "ERR no such key"),
        (["XIDMPRECORD", "s", "", "a", "1-1"], "ERR producer ID must be non-empty"),
        (["XIDMPRECORD", "s", "p", "", "1-1"], "ERR idempotent ID must be non-empty"),
        (["XIDMPRECORD", "s", "p", "a", "9-9"], "ERR No such message in stream"),
        (
            ["XIDMPRECORD", "s", "p", "known", "2-2"],
            "ERR IID already exists for this producer with a different stream ID",
        ),
    ],
)
def test_commands_say_what_is_wrong(server: InProcess, words: list[str], error: str) -> None:
    server("XADD", "s", "1-1", "f", "v")
    server("XADD", "s", "2-2", "f", "v")
    server("XIDMPRECORD", "s", "p", "known", "1-1")
    with pytest.raises(Refused) as caught:
        server(*words)
    assert str(caught.value) == error
