"""Consumer groups: creating them, their pending entries, and claiming these."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.inprocess import InProcess, Refused

SYNTAX = "ERR syntax error"
NO_INTEGER = "ERR value is not an integer or out of range"
NO_ID = "ERR Invalid stream ID specified as stream command argument"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_GROUP = "NOGROUP No such key 's' or consumer group 'x'"
START = 1700000000000
NO_KEY = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
    "MKSTREAM option to create an empty stream automatically."
)
UNKNOWN = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP."


@pytest.fixture
def server() -> InProcess:
    """Creates a stream ``s`` of five entries, with a group ``g`` that starts before them."""
    server = InProcess()
    for number in range(1, 6):
        server("XADD", "s", f"{number}-0", "n", number)
    server("XGROUP", "CREATE", "s", "g", "0")
    server("SET", "string", "x")
    return server


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def plain(reply: Any) -> Any:
    """Returns a reply with lists for all arrays."""
    return [plain(part) for part in reply] if isinstance(reply, list | tuple) else reply


def read(server: InProcess, consumer: str, count: int) -> None:
    server("XREADGROUP", "GROUP", "g", consumer, "COUNT", count, "STREAMS", "s", ">")


def facts(server: InProcess, group: int = 0) -> dict[bytes, Any]:
    """Returns the counters of a group."""
    flat = server("XINFO", "GROUPS", "s")[group]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def pending(server: InProcess, *more: str | int) -> list[list[Any]]:
    """Returns the pending entries: ID, consumer, idle time, deliveries."""
    return plain(server("XPENDING", "s", "g", "-", "+", 100, *more))


# XGROUP


def test_xgroup_create(server: InProcess) -> None:
    assert server("XGROUP", "CREATE", "s", "h", "$") == b"OK"
    assert server("XGROUP", "CREATE", "s", "i", "3-0", "ENTRIESREAD", "3") == b"OK"
    assert facts(server, 1)[b"last-delivered-id"] == b"5-0"
    assert facts(server, 1)[b"entries-read"] is None
    assert facts(server, 2)[b"entries-read"] == 3
    assert facts(server, 2)[b"lag"] == 2
    assert server("XGROUP", "CREATE", "new", "g", "$", "MKSTREAM") == b"OK"
    assert server("XLEN", "new") == 0
    assert refused(server, "XGROUP", "CREATE", "s", "g", "0") == "BUSYGROUP Consumer Group name already exists"


def test_effects_of_xgroup(server: InProcess) -> None:
    assert server.effects("XGROUP", "CREATE", "s", "h", "$") == ["XGROUP CREATE s h $"]
    assert server.effects("XGROUP", "CREATE", "new", "h", "$", "MKSTREAM") == ["XGROUP CREATE new h $ MKSTREAM"]
    assert server.effects("XGROUP", "CREATE", "s", "h", "$") == []
    assert server.effects("XGROUP", "SETID", "s", "h", "3", "ENTRIESREAD", "3") == ["XGROUP SETID s h 3 ENTRIESREAD 3"]
    assert server.effects("XGROUP", "CREATECONSUMER", "s", "h", "c") == ["XGROUP CREATECONSUMER s h c"]
    assert server.effects("XGROUP", "CREATECONSUMER", "s", "h", "c") == []
    assert server.effects("XGROUP", "DELCONSUMER", "s", "h", "c") == ["XGROUP DELCONSUMER s h c"]
    assert server.effects("XGROUP", "DELCONSUMER", "s", "h", "c") == []
    assert server.effects("XGROUP", "DESTROY", "s", "h") == ["XGROUP DESTROY s h"]
    assert server.effects("XGROUP", "DESTROY", "s", "h") == []


def test_events_of_xgroup(server: InProcess) -> None:
    assert server.events("XGROUP", "CREATE", "s", "h", "$") == ["xgroup-create s"]
    assert server.events("XGROUP", "CREATE", "t", "h", "$", "MKSTREAM") == ["new t", "xgroup-create t"]
    assert server.events("XGROUP", "SETID", "s", "h", "0") == ["xgroup-setid s"]
    assert server.events("XGROUP", "CREATECONSUMER", "s", "h", "c") == ["xgroup-createconsumer s"]
    assert server.events("XGROUP", "DELCONSUMER", "s", "h", "c") == ["xgroup-delconsumer s"]
    assert server.events("XGROUP", "DESTROY", "s", "h") == ["xgroup-destroy s"]
    for argv in (["CREATE", "s", "i", "$"], ["SETID", "s", "i", "0"], ["CREATECONSUMER", "s", "i", "c"]):
        assert server.dirty("XGROUP", *argv) == 1


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["CREATE", "string", "g", "$"], WRONG_TYPE),
        (["CREATE", "s", "h", "x"], NO_ID),
        (["CREATE", "s", "h", "-"], NO_ID),
        (["CREATE", "s", "h", "$", "ENTRIESREAD", "x"], NO_INTEGER),
        (["CREATE", "s", "h", "$", "ENTRIESREAD", "-2"], "ERR value for ENTRIESREAD must be positive or -1"),
        (
            ["CREATE", "s", "h", "$", "FOO"],
            UNKNOWN.format("CREATE", "XGROUP"),
        ),
        (
            ["CREATE", "s", "h", "$", "MKSTREAM", "ENTRIESREAD", "1", "MKSTREAM"],
            UNKNOWN.format("CREATE", "XGROUP"),
        ),
        (
            ["CREATE", "missing", "g", "$"],
            NO_KEY,
        ),
        (["CREATE", "missing", "g", "x", "MKSTREAM"], NO_ID),
        (["SETID", "s", "x", "0"], "NOGROUP No such consumer group 'x' for key name 's'"),
        (["SETID", "s", "g", "x"], NO_ID),
        (
            ["SETID", "s", "g", "0", "MKSTREAM"],
            UNKNOWN.format("SETID", "XGROUP"),
        ),
        (["CREATECONSUMER", "s", "x", "c"], "NOGROUP No such consumer group 'x' for key name 's'"),
        (["DELCONSUMER", "s", "x", "c"], "NOGROUP No such consumer group 'x' for key name 's'"),
    ],
)
def test_xgroup_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XGROUP", *argv) == error
    assert server("EXISTS", "missing") == 0


def test_consumers_come_and_go(server: InProcess) -> None:
    assert server("XGROUP", "CREATECONSUMER", "s", "g", "a") == 1
    assert server("XGROUP", "CREATECONSUMER", "s", "g", "a") == 0
    read(server, "a", 2)
    read(server, "b", 1)
    assert facts(server)[b"consumers"] == 2
    assert server("XGROUP", "DELCONSUMER", "s", "g", "a") == 2
    assert server("XGROUP", "DELCONSUMER", "s", "g", "a") == 0
    assert [entry[:2] for entry in pending(server)] == [[b"3-0", b"b"]]
    assert server("XGROUP", "DESTROY", "s", "g") == 1
    assert server("XGROUP", "DESTROY", "s", "g") == 0


def test_setid_moves_a_group(server: InProcess) -> None:
    server("XGROUP", "SETID", "s", "g", "4")
    assert facts(server)[b"entries-read"] is None
    reply = server("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    assert plain(reply) == [[b"s", [[b"5-0", [b"n", b"5"]]]]]
    server("XGROUP", "SETID", "s", "g", "-")
    assert facts(server)[b"last-delivered-id"] == b"0-0"
    # An entry that is already pending moves to the consumer that receives it now.
    read(server, "d", 5)
    assert {entry[1] for entry in pending(server)} == {b"d"}


def test_help(server: InProcess) -> None:
    for container in ("XGROUP", "XINFO"):
        lines = [line.decode() for line in server(container, "HELP")]
        assert lines[0].startswith(f"{container} <subcommand>")
        assert any(line.startswith(("CREATE ", "STREAM ")) for line in lines)


# XACK and XPENDING


def test_xack(server: InProcess) -> None:
    read(server, "a", 4)
    assert server("XACK", "s", "g", "1-0", "2", "2", "5-0") == 2
    assert [entry[0] for entry in pending(server)] == [b"3-0", b"4-0"]
    assert server("XACK", "s", "x", "3") == 0
    assert server("XACK", "missing", "g", "nonsense") == 0
    assert refused(server, "XACK", "s", "g", "3", "nonsense") == NO_ID
    assert refused(server, "XACK", "string", "g", "3") == WRONG_TYPE
    assert len(pending(server)) == 2
    assert server.effects("XACK", "s", "g", "3", "9") == ["XACK s g 3 9"]
    assert server.effects("XACK", "s", "g", "3") == []
    assert server.dirty("XACK", "s", "g", "4") == 1
    assert server.events("XACK", "s", "g", "4") == []


def test_xpending_in_short(server: InProcess) -> None:
    connection = server.connect()
    assert connection("XPENDING", "s", "g") == b"*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"
    read(server, "b", 2)
    read(server, "a", 1)
    server("XGROUP", "CREATECONSUMER", "s", "g", "idle")
    assert plain(server("XPENDING", "s", "g")) == [3, b"1-0", b"3-0", [[b"a", b"1"], [b"b", b"2"]]]
    server("XACK", "s", "g", "1")
    server("XACK", "s", "g", "3")
    assert plain(server("XPENDING", "s", "g")) == [1, b"2-0", b"2-0", [[b"b", b"1"]]]


def test_xpending_at_length(server: InProcess) -> None:
    read(server, "a", 2)
    server.advance(0.5)
    read(server, "b", 2)
    server.advance(0.25)
    assert pending(server) == [
        [b"1-0", b"a", 750, 1],
        [b"2-0", b"a", 750, 1],
        [b"3-0", b"b", 250, 1],
        [b"4-0", b"b", 250, 1],
    ]
    assert pending(server, "b") == [[b"3-0", b"b", 250, 1], [b"4-0", b"b", 250, 1]]
    assert pending(server, "nobody") == []

    def ids(*argv: str | int) -> list[bytes]:
        return [entry[0] for entry in server("XPENDING", "s", "g", *argv)]

    assert ids("2", "3", 10) == [b"2-0", b"3-0"]
    assert ids("(2-0", "(4-0", 10) == [b"3-0"]
    assert ids("-", "+", 1) == [b"1-0"]
    assert ids("-", "+", 0) == []
    assert ids("-", "+", -1) == []
    assert ids("IDLE", 500, "-", "+", 10) == [b"1-0", b"2-0"]
    assert ids("IDLE", 250, "-", "+", 10, "b") == [b"3-0", b"4-0"]
    assert ids("IDLE", 751, "-", "+", 10) == []


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["s", "x"], NO_GROUP),
        (["missing", "x", "-", "+", "1"], "NOGROUP No such key 'missing' or consumer group 'x'"),
        (["string", "g"], WRONG_TYPE),
        (["string", "g", "-"], SYNTAX),
        (["s", "g", "-", "+"], SYNTAX),
        (["s", "g", "IDLE", "x", "-", "+"], NO_INTEGER),
        (["s", "g", "IDLE", "1", "-", "+"], SYNTAX),
        (["s", "g", "-", "+", "x"], NO_INTEGER),
        (["s", "g", "x", "+", "1"], NO_ID),
        (["s", "g", "-", "+", "1", "c", "2", "3", "4"], SYNTAX),
    ],
)
def test_xpending_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XPENDING", *argv) == error


# XCLAIM


def test_xclaim_hands_over(server: InProcess) -> None:
    read(server, "a", 3)
    server.advance(1)
    assert plain(server("XCLAIM", "s", "g", "b", 500, "1", "3", "4", "9")) == [
        [b"1-0", [b"n", b"1"]],
        [b"3-0", [b"n", b"3"]],
    ]
    assert pending(server) == [[b"1-0", b"b", 0, 2], [b"2-0", b"a", 1000, 1], [b"3-0", b"b", 0, 2]]
    # The entry that was just claimed has not been idle for long enough.
    assert server("XCLAIM", "s", "g", "c", 500, "1") == []
    assert server("XCLAIM", "s", "g", "c", 0, "1", "JUSTID") == [b"1-0"]
    assert pending(server, "c") == [[b"1-0", b"c", 0, 2]]


def test_options_of_xclaim(server: InProcess) -> None:
    read(server, "a", 1)
    server.advance(10)
    server("XCLAIM", "s", "g", "b", 0, "1", "IDLE", 3000, "RETRYCOUNT", 7)
    assert pending(server) == [[b"1-0", b"b", 3000, 7]]
    server("XCLAIM", "s", "g", "b", 0, "1", "TIME", START + 9000, "RETRYCOUNT", -1)
    assert pending(server) == [[b"1-0", b"b", 1000, 8]]
    # A time in the future counts as now.
    server("XCLAIM", "s", "g", "b", 0, "1", "TIME", START + 99000, "JUSTID")
    assert pending(server) == [[b"1-0", b"b", 0, 8]]
    assert server("XCLAIM", "s", "g", "b", 0, "4", "JUSTID") == []
    assert server("XCLAIM", "s", "g", "b", 99999, "4", "9", "FORCE", "JUSTID") == [b"4-0"]
    assert server("XCLAIM", "s", "g", "b", 0, "5", "FORCE") != []
    assert [entry[3] for entry in pending(server)] == [8, 1, 2]
    server("XCLAIM", "s", "g", "b", 0, "9", "LASTID", "4-4")
    assert facts(server)[b"last-delivered-id"] == b"4-4"
    server("XCLAIM", "s", "g", "b", 0, "9", "LASTID", "2")
    assert facts(server)[b"last-delivered-id"] == b"4-4"


def test_xclaim_forgets_deleted_entries(server: InProcess) -> None:
    read(server, "a", 3)
    server("XDEL", "s", "2")
    effects = server.effects("XCLAIM", "s", "g", "b", 0, "2")
    assert effects == [f"XCLAIM s g a 0 2 TIME {START} RETRYCOUNT 1 FORCE JUSTID LASTID 3-0"]
    assert [entry[0] for entry in pending(server)] == [b"1-0", b"3-0"]


def test_effects_of_xclaim(server: InProcess) -> None:
    read(server, "a", 2)
    server.advance(1)
    assert server.effects("XCLAIM", "s", "g", "b", 0, "1", "2-0", "5", "LASTID", "3") == [
        f"XCLAIM s g b 0 1 TIME {START + 1000} RETRYCOUNT 2 FORCE JUSTID LASTID 3-0",
        f"XCLAIM s g b 0 2-0 TIME {START + 1000} RETRYCOUNT 2 FORCE JUSTID LASTID 3-0",
    ]
    assert server.effects("XCLAIM", "s", "g", "b", 0, "5", "LASTID", "4") == ["XGROUP SETID s g 4-0 ENTRIESREAD 2"]
    assert server.effects("XCLAIM", "s", "g", "b", 0, "5") == []
    assert server.events("XCLAIM", "s", "g", "new", 0, "1") == ["xgroup-createconsumer s"]
    assert server.dirty("XCLAIM", "s", "g", "newer", 0, "1", "2") == 3


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["s", "x", "c", "x", "1"], NO_GROUP),
        (["string", "g", "c", "x", "1"], WRONG_TYPE),
        (["s", "g", "c", "x", "1"], "ERR Invalid min-idle-time argument for XCLAIM"),
        (["s", "g", "c", "0", "nonsense"], "ERR Unrecognized XCLAIM option 'nonsense'"),
        (["s", "g", "c", "0", "1", "IDLE"], "ERR Unrecognized XCLAIM option 'IDLE'"),
        (["s", "g", "c", "0", "1", "IDLE", "x"], "ERR Invalid IDLE option argument for XCLAIM"),
        (["s", "g", "c", "0", "1", "time", "x"], "ERR Invalid TIME option argument for XCLAIM"),
        (["s", "g", "c", "0", "1", "RETRYCOUNT", "x"], "ERR Invalid RETRYCOUNT option argument for XCLAIM"),
        (["s", "g", "c", "0", "1", "LASTID", "x"], NO_ID),
    ],
)
def test_xclaim_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XCLAIM", *argv) == error
    assert facts(server)[b"consumers"] == 0


# XAUTOCLAIM


def test_xautoclaim_goes_through_what_is_pending(server: InProcess) -> None:
    read(server, "a", 5)
    server.advance(1)
    assert plain(server("XAUTOCLAIM", "s", "g", "b", 500, "-", "COUNT", 2)) == [
        b"3-0",
        [[b"1-0", [b"n", b"1"]], [b"2-0", [b"n", b"2"]]],
        [],
    ]
    assert server("XAUTOCLAIM", "s", "g", "b", 500, "3-0", "JUSTID") == [b"0-0", [b"3-0", b"4-0", b"5-0"], []]
    assert [entry[1:] for entry in pending(server)] == [[b"b", 0, 2]] * 2 + [[b"b", 0, 1]] * 3
    assert server("XAUTOCLAIM", "s", "g", "c", 500, "0") == [b"0-0", [], []]
    assert plain(server("XAUTOCLAIM", "s", "g", "c", 0, "(3", "COUNT", 1)) == [
        b"5-0",
        [[b"4-0", [b"n", b"4"]]],
        [],
    ]


def test_xautoclaim_tells_of_deleted_entries(server: InProcess) -> None:
    read(server, "a", 5)
    server("XDEL", "s", "1", "2", "4")
    assert plain(server("XAUTOCLAIM", "s", "g", "b", 0, "-", "COUNT", 3)) == [
        b"4-0",
        [[b"3-0", [b"n", b"3"]]],
        [b"1-0", b"2-0"],
    ]
    effects = server.effects("XAUTOCLAIM", "s", "g", "b", 0, "4-0")
    tail = f"TIME {START} RETRYCOUNT {{}} FORCE JUSTID LASTID 5-0"
    assert effects == [f"XCLAIM s g a 0 4-0 {tail.format(1)}", f"XCLAIM s g b 0 5-0 {tail.format(2)}"]
    assert [entry[0] for entry in pending(server)] == [b"3-0", b"5-0"]


def test_xautoclaim_looks_at_ten_entries_for_each_wanted(server: InProcess) -> None:
    for number in range(6, 31):
        server("XADD", "s", f"{number}-0", "n", number)
    read(server, "a", 30)
    server.advance(1)
    server("XCLAIM", "s", "g", "a", 0, *range(1, 13))
    # None of the first ten has been idle for long enough, so the search ends there.
    assert server("XAUTOCLAIM", "s", "g", "b", 500, "-", "COUNT", 1) == [b"11-0", [], []]
    cursor, claimed, _ = server("XAUTOCLAIM", "s", "g", "b", 500, "11", "COUNT", 1)
    assert (cursor, [entry[0] for entry in claimed]) == (b"14-0", [b"13-0"])


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["string", "g", "c", "x", "0"], "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        (["string", "g", "c", "0", "0"], WRONG_TYPE),
        (["s", "x", "c", "0", "0"], NO_GROUP),
        (["s", "x", "c", "0", "x"], NO_ID),
        (["s", "x", "c", "0", "0", "COUNT", "0"], "ERR COUNT must be > 0"),
        (["s", "x", "c", "0", "0", "COUNT", "x"], "ERR COUNT must be > 0"),
        (["s", "x", "c", "0", "0", "COUNT", str(2**62)], "ERR COUNT must be > 0"),
        (["s", "x", "c", "0", "0", "COUNT"], SYNTAX),
        (["s", "x", "c", "0", "0", "FORCE"], SYNTAX),
    ],
)
def test_xautoclaim_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XAUTOCLAIM", *argv) == error
    assert facts(server)[b"consumers"] == 0


# XINFO


def test_xinfo_stream(server: InProcess) -> None:
    server("XDEL", "s", "2")
    assert plain(server("XINFO", "STREAM", "s")) == [
        b"length",
        4,
        b"radix-tree-keys",
        1,
        b"radix-tree-nodes",
        2,
        b"last-generated-id",
        b"5-0",
        b"max-deleted-entry-id",
        b"2-0",
        b"entries-added",
        5,
        b"recorded-first-entry-id",
        b"1-0",
        b"idmp-duration",
        100,
        b"idmp-maxsize",
        100,
        b"pids-tracked",
        0,
        b"iids-tracked",
        0,
        b"iids-added",
        0,
        b"iids-duplicates",
        0,
        b"groups",
        1,
        b"first-entry",
        [b"1-0", [b"n", b"1"]],
        b"last-entry",
        [b"5-0", [b"n", b"5"]],
    ]
    server("XTRIM", "s", "MAXLEN", "0")
    assert plain(server("XINFO", "STREAM", "s"))[-4:] == [b"first-entry", None, b"last-entry", None]


def test_xinfo_stream_full(server: InProcess) -> None:
    read(server, "b", 2)
    server.advance(1)
    server("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "0")
    reply = plain(server("XINFO", "STREAM", "s", "FULL", "COUNT", 1))
    assert reply[-4:] == [
        b"entries",
        [[b"1-0", [b"n", b"1"]]],
        b"groups",
        [
            [
                b"name",
                b"g",
                b"last-delivered-id",
                b"2-0",
                b"entries-read",
                2,
                b"lag",
                3,
                b"pel-count",
                2,
                b"nacked-count",
                0,
                b"pending",
                [[b"1-0", b"b", START, 1]],
                b"consumers",
                [
                    [
                        b"name",
                        b"a",
                        b"seen-time",
                        START + 1000,
                        b"active-time",
                        -1,
                        b"pel-count",
                        0,
                        b"pending",
                        [],
                    ],
                    [
                        b"name",
                        b"b",
                        b"seen-time",
                        START,
                        b"active-time",
                        START,
                        b"pel-count",
                        2,
                        b"pending",
                        [[b"1-0", START, 1]],
                    ],
                ],
            ]
        ],
    ]
    full = plain(server("XINFO", "STREAM", "s", "full", "count", 0))
    assert len(full[full.index(b"entries") + 1]) == 5


def test_xinfo_consumers(server: InProcess) -> None:
    read(server, "b", 2)
    server("XGROUP", "CREATECONSUMER", "s", "g", "a")
    server.advance(2)
    assert plain(server("XINFO", "CONSUMERS", "s", "g")) == [
        [b"name", b"a", b"pending", 0, b"idle", 2000, b"inactive", -1],
        [b"name", b"b", b"pending", 2, b"idle", 2000, b"inactive", 2000],
    ]
    # An attempt updates the seen time, and a success the active time.
    read(server, "a", 5)
    read(server, "b", 5)
    assert [consumer[5:8:2] for consumer in server("XINFO", "CONSUMERS", "s", "g")] == [[0, 0], [0, 2000]]


def test_maps_in_resp3(server: InProcess) -> None:
    connection = server.connect()
    connection("HELLO", "3")
    connection("XADD", "t", "1-1", "a", "1")
    connection("XGROUP", "CREATE", "t", "g", "0")
    assert connection("XINFO", "STREAM", "t").startswith(b"%16\r\n$6\r\nlength\r\n:1\r\n")
    assert connection("XINFO", "STREAM", "t", "FULL").startswith(b"%15\r\n")
    assert connection("XINFO", "GROUPS", "t").startswith(b"*1\r\n%6\r\n$4\r\nname\r\n$1\r\ng\r\n")
    assert connection("XREAD", "STREAMS", "t", "0") == (
        b"%1\r\n$1\r\nt\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    )
    assert connection("XREAD", "STREAMS", "t", "$") == b"_\r\n"


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["STREAM", "missing"], "ERR no such key"),
        (["STREAM", "string"], WRONG_TYPE),
        (["GROUPS", "missing"], "ERR no such key"),
        (["CONSUMERS", "missing", "g"], "ERR no such key"),
        (["CONSUMERS", "s", "x"], "NOGROUP No such consumer group 'x' for key name 's'"),
        (
            ["STREAM", "s", "FULL", "COUNT"],
            UNKNOWN.format("STREAM", "XINFO"),
        ),
        (
            ["STREAM", "s", "COUNT", "FULL", "1"],
            UNKNOWN.format("STREAM", "XINFO"),
        ),
        (["STREAM", "s", "FULL", "COUNT", "x"], NO_INTEGER),
    ],
)
def test_xinfo_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    assert refused(server, "XINFO", *argv) == error
