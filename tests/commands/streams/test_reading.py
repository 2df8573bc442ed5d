"""XREAD and XREADGROUP: what they return, what they wait for, and which client gets which entry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.inprocess import InProcess, Refused

NO_ID = "ERR Invalid stream ID specified as stream command argument"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
START = 1700000000000
UNBALANCED = "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
ONLY_GROUPED = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def plain(reply: Any) -> Any:
    """Returns a reply with lists for all arrays."""
    return [plain(part) for part in reply] if isinstance(reply, list | tuple) else reply


def fill(server: InProcess, *ids: str, key: str = "s") -> None:
    for entry_id in ids:
        server("XADD", key, entry_id, "i", entry_id)


def answer(key: str, *ids: str) -> bytes:
    """Returns the reply that contains the entries of one stream."""
    parts = [b"*1\r\n*2\r\n$%d\r\n%b\r\n*%d\r\n" % (len(key), key.encode(), len(ids))]
    for text in map(str.encode, ids):
        bulk = b"$%d\r\n%b\r\n" % (len(text), text)
        parts.append(b"*2\r\n%b*2\r\n$1\r\ni\r\n%b" % (bulk, bulk))
    return b"".join(parts)


def found(reply: Any) -> dict[str, list[str]]:
    """Returns the IDs by key."""
    return {key.decode(): [entry[0].decode() for entry in entries] for key, entries in reply}


# XREAD


def test_xread_returns_what_is_behind_the_ids(server: InProcess) -> None:
    fill(server, "1-1", "1-2", "2-1")
    fill(server, "1-5", key="t")
    assert plain(server("XREAD", "STREAMS", "s", "1-1")) == [
        [b"s", [[b"1-2", [b"i", b"1-2"]], [b"2-1", [b"i", b"2-1"]]]]
    ]
    assert found(server("XREAD", "COUNT", 1, "STREAMS", "t", "s", "none", "0", "1", "0")) == {
        "t": ["1-5"],
        "s": ["1-1"],
    }
    assert found(server("XREAD", "COUNT", -1, "STREAMS", "s", "0")) == {"s": ["1-1", "1-2", "2-1"]}
    assert found(server("XREAD", "STREAMS", "s", "s", "0", "2")) == {"s": ["2-1"]}


def test_xread_of_nothing(server: InProcess) -> None:
    connection = server.connect()
    fill(server, "1-1")
    for entry_id in ("$", "1-1", "9", f"{2**64 - 1}-{2**64 - 1}"):
        assert connection("XREAD", "STREAMS", "s", entry_id) == b"*-1\r\n"
    assert connection("XREAD", "STREAMS", "missing", "0") == b"*-1\r\n"


def test_plus_is_the_last_entry(server: InProcess) -> None:
    fill(server, "1-1", "1-2", "2-0")
    assert found(server("XREAD", "STREAMS", "s", "+")) == {"s": ["2-0"]}
    server("XDEL", "s", "2-0")
    assert found(server("XREAD", "STREAMS", "s", "+")) == {"s": ["1-2"]}
    server("XTRIM", "s", "MAXLEN", "0")
    assert server.connect()("XREAD", "STREAMS", "s", "none", "+", "+") == b"*-1\r\n"


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["COUNT", "1", "s"], "ERR syntax error"),
        (["COUNT", "x", "STREAMS", "s", "0"], "ERR value is not an integer or out of range"),
        (["BLOCK", "x", "STREAMS", "s", "0"], "ERR timeout is not an integer or out of range"),
        (["BLOCK", "1.5", "STREAMS", "s", "0"], "ERR timeout is not an integer or out of range"),
        (["BLOCK", "-1", "STREAMS", "s", "0"], "ERR timeout is negative"),
        (["BLOCK", str(2**63 - 1), "STREAMS", "s", "0"], "ERR timeout is out of range"),
        (
            ["STREAMS", "s", "t", "0"],
            UNBALANCED,
        ),
        (["STREAMS", "s", "x"], NO_ID),
        (["STREAMS", "s", "-"], NO_ID),
        (["STREAMS", "string", "x"], WRONG_TYPE),
        (["STREAMS", "s", "string", "x", "0"], NO_ID),
        (
            ["GROUP", "g", "c", "STREAMS", "s", "0"],
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            ["NOACK", "STREAMS", "s", "0"],
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        (
            ["STREAMS", "s", ">"],
            ONLY_GROUPED,
        ),
    ],
)
def test_xread_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    server("SET", "string", "x")
    assert refused(server, "XREAD", *argv) == error


# XREAD that waits


def test_xread_waits_for_an_entry(server: InProcess) -> None:
    fill(server, "1-1")
    reader = server.connect()
    assert reader("XREAD", "BLOCK", 0, "STREAMS", "s", "$") == b""
    fill(server, "1-2", "1-3")
    # The first entry wakes it, before the second arrives.
    assert reader.read() == answer("s", "1-2")
    assert reader("XREAD", "BLOCK", 0, "STREAMS", "s", "$") == b""
    fill(server, "1-4")
    assert reader.read() == answer("s", "1-4")


def test_dollar_is_resolved_once(server: InProcess) -> None:
    fill(server, "5-0")
    reader = server.connect()
    reader("XREAD", "BLOCK", 0, "STREAMS", "t", "s", "$", "$")
    # The stream is created again with smaller IDs than the last one seen. They do not count.
    server("DEL", "s")
    fill(server, "4-0")
    assert reader.read() == b""
    fill(server, "5-1")
    assert reader.read() == answer("s", "5-1")


def test_an_entry_that_is_gone_again_wakes_nobody(server: InProcess) -> None:
    reader = server.connect()
    reader("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    writer = server.connect()
    writer("MULTI")
    writer("XADD", "s", "1-1", "i", "1-1")
    writer("DEL", "s")
    writer("EXEC")
    assert reader.read() == b""
    writer("SET", "s", "x")
    assert reader.read() == b""
    writer("DEL", "s")
    fill(server, "2-0")
    assert reader.read() == answer("s", "2-0")


def test_waiting_ends_with_the_time(server: InProcess) -> None:
    reader = server.connect()
    assert reader("XREAD", "BLOCK", 100, "STREAMS", "s", "$") == b""
    server.advance(0.09)
    assert reader.read() == b""
    server.advance(0.02)
    assert reader.read() == b"*-1\r\n"


def test_xread_does_not_wait_in_a_transaction(server: InProcess) -> None:
    reader = server.connect()
    reader("MULTI")
    reader("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    assert reader("EXEC") == b"*1\r\n*-1\r\n"


def test_all_readers_are_served(server: InProcess) -> None:
    readers = [server.connect() for _ in range(3)]
    for reader in readers:
        reader("XREAD", "BLOCK", 0, "STREAMS", "t", "s", "0", "$")
    fill(server, "1-1")
    assert [reader.read() for reader in readers] == [answer("s", "1-1")] * 3


# XREADGROUP


def test_each_entry_goes_to_one_consumer(server: InProcess) -> None:
    fill(server, "1-0", "2-0", "3-0", "4-0")
    server("XGROUP", "CREATE", "s", "g", "0")
    first = server("XREADGROUP", "GROUP", "g", "a", "COUNT", 2, "STREAMS", "s", ">")
    second = server("xreadgroup", "group", "g", "b", "count", 5, "streams", "s", ">")
    assert found(first) == {"s": ["1-0", "2-0"]}
    assert found(second) == {"s": ["3-0", "4-0"]}
    assert server.connect()("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">") == b"*-1\r\n"


def test_a_consumers_own_history(server: InProcess) -> None:
    fill(server, "1-0", "2-0", "3-0", "4-0")
    server("XGROUP", "CREATE", "s", "g", "0")
    server("XREADGROUP", "GROUP", "g", "a", "COUNT", 3, "STREAMS", "s", ">")
    server.advance(1)
    assert found(server("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "1-0")) == {"s": ["2-0", "3-0"]}
    assert found(server("XREADGROUP", "GROUP", "g", "a", "COUNT", 1, "STREAMS", "s", "0")) == {"s": ["1-0"]}
    assert [entry[2:] for entry in server("XPENDING", "s", "g", "-", "+", 9)] == [(0, 2)] * 3
    # A request for the history returns at once, even if there is none.
    assert found(server("XREADGROUP", "GROUP", "g", "b", "BLOCK", 0, "STREAMS", "s", "0")) == {"s": []}
    server("XDEL", "s", "2-0")
    connection = server.connect()
    assert b"*2\r\n$3\r\n2-0\r\n*-1\r\n" in connection("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "0")
    server("XACK", "s", "g", "1-0", "2-0", "3-0")
    assert found(server("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "0")) == {"s": []}


def test_noack(server: InProcess) -> None:
    fill(server, "1-0", "2-0")
    server("XGROUP", "CREATE", "s", "g", "0")
    reply = server("XREADGROUP", "GROUP", "g", "a", "NOACK", "STREAMS", "s", ">")
    assert found(reply) == {"s": ["1-0", "2-0"]}
    assert server("XPENDING", "s", "g")[0] == 0
    assert server("XINFO", "CONSUMERS", "s", "g")[0][7] == -1


def test_effects_of_xreadgroup(server: InProcess) -> None:
    fill(server, "1-0", "2-0", "3-0")
    server("XGROUP", "CREATE", "s", "g", "0")
    assert server.effects("XREADGROUP", "GROUP", "g", "a", "COUNT", 2, "STREAMS", "s", ">") == [
        f"XCLAIM s g a 0 1-0 TIME {START} RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
        f"XCLAIM s g a 0 2-0 TIME {START} RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
        "XGROUP SETID s g 2-0 ENTRIESREAD 2",
    ]
    assert server.effects("XREADGROUP", "GROUP", "g", "b", "NOACK", "STREAMS", "s", ">") == [
        "XGROUP SETID s g 3-0 ENTRIESREAD 3",
        "XGROUP CREATECONSUMER s g b",
    ]
    assert server.effects("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">") == ["XGROUP CREATECONSUMER s g c"]
    assert server.effects("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">") == []
    assert server.effects("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "0") == []
    fill(server, "4-0")
    assert server.events("XREADGROUP", "GROUP", "g", "new", "STREAMS", "s", ">") == ["xgroup-createconsumer s"]
    fill(server, "5-0")
    assert server.dirty("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">") == 1


def test_effects_make_a_copy_of_the_group(server: InProcess) -> None:
    recorder = server.record()
    fill(server, *[f"{number}-0" for number in range(1, 20)])
    server("XGROUP", "CREATE", "s", "g", "0")
    for consumer, count in (("a", 5), ("b", 3), ("a", 2)):
        server("XREADGROUP", "GROUP", "g", consumer, "COUNT", count, "STREAMS", "s", ">")
    server("XREADGROUP", "GROUP", "g", "c", "NOACK", "COUNT", 2, "STREAMS", "s", ">")
    server("XACK", "s", "g", "2", "7")
    server("XDEL", "s", "3", "4")
    server("XCLAIM", "s", "g", "d", 0, "1", "3", "8")
    server("XAUTOCLAIM", "s", "g", "e", 0, "4", "COUNT", 2)
    server("XGROUP", "DELCONSUMER", "s", "g", "b")
    replica = InProcess()
    for argv in recorder.take():
        replica(*argv)
    assert plain(replica("XINFO", "STREAM", "s", "FULL")) == plain(server("XINFO", "STREAM", "s", "FULL"))


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["GROUP", "x", "c", "STREAMS", "s", ">"], "s' or consumer group 'x"),
        (["GROUP", "g", "c", "STREAMS", "missing", ">"], "missing' or consumer group 'g"),
        (["GROUP", "g", "c", "STREAMS", "s", "missing", "x", ">"], NO_ID),
        (["GROUP", "g", "c", "STREAMS", "string", ">"], WRONG_TYPE),
        (
            ["GROUP", "g", "c", "STREAMS", "s", "s", ">"],
            "ERR Unbalanced 'xreadgroup' list of streams: for each ",
        ),
        (["COUNT", "1", "NOACK", "STREAMS", "s", ">"], "ERR Missing GROUP option for XREADGROUP"),
        (
            ["GROUP", "g", "c", "STREAMS", "s", "$"],
            "ERR The $ ID is meaningless in the context of XREADGROUP",
        ),
        (
            ["GROUP", "g", "c", "STREAMS", "s", "+"],
            "ERR The + ID is meaningless in the context of XREADGROUP",
        ),
        (["GROUP", "g", "c", "COUNT", "1", "s", ">"], "ERR syntax error"),
    ],
)
def test_xreadgroup_says_what_is_wrong(server: InProcess, argv: list[str], error: str) -> None:
    server("SET", "string", "x")
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    assert error in refused(server, "XREADGROUP", *argv)


# XREADGROUP that waits


def waiting(server: InProcess, consumer: str = "c", timeout: int = 0) -> Any:
    """Opens a connection that waits for the group ``g`` of ``s``."""
    reader = server.connect()
    reply = reader("XREADGROUP", "GROUP", "g", consumer, "BLOCK", timeout, "STREAMS", "s", ">")
    assert reply == b""
    return reader


def test_consumers_wait_in_line(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    first, second = waiting(server, "a"), waiting(server, "b")
    fill(server, "1-0")
    assert (first.read(), second.read()) == (answer("s", "1-0"), b"")
    fill(server, "2-0")
    assert second.read() == answer("s", "2-0")
    assert [entry[1] for entry in server("XPENDING", "s", "g", "-", "+", 9)] == [b"a", b"b"]


def test_serving_is_propagated(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    waiting(server)
    assert server.effects("XADD", "s", "1-0", "i", "1") == [
        "XADD s 1-0 i 1",
        f"XCLAIM s g c 0 1-0 TIME {START} RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
        "XGROUP SETID s g 1-0 ENTRIESREAD 1",
    ]


@pytest.mark.parametrize(
    "argv",
    [
        ["DEL", "s"],
        ["UNLINK", "s"],
        ["RENAME", "s", "t"],
        ["XGROUP", "DESTROY", "s", "g"],
        ["FLUSHALL"],
        ["FLUSHDB"],
        ["SWAPDB", "0", "1"],
    ],
)
def test_a_blocked_client_learns_that_the_group_is_gone(server: InProcess, argv: list[str]) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    reader = waiting(server)
    server(*argv)
    assert reader.read() == (b"-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n")


def test_a_blocked_client_learns_that_the_key_has_another_type(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    reader = waiting(server)
    server("SET", "s", "x")
    assert reader.read() == f"-{WRONG_TYPE}\r\n".encode()


def test_an_expired_stream_ends_the_waiting(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    reader = waiting(server)
    server("PEXPIRE", "s", 50)
    server.advance(0.1)
    assert reader.read().startswith(b"-NOGROUP")


def test_waiting_goes_on_where_another_group_is_destroyed(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    server("XGROUP", "CREATE", "s", "h", "0")
    reader = waiting(server, timeout=100)
    server("XGROUP", "DESTROY", "s", "h")
    assert reader.read() == b""
    server.advance(0.11)
    assert reader.read() == b"*-1\r\n"


def test_waiting_consumers_count_as_seen(server: InProcess) -> None:
    server("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    waiting(server, timeout=5000)
    server.advance(1)
    assert server("XINFO", "CONSUMERS", "s", "g")[0][5::2] == [1000, -1]
    fill(server, "1-0")
    assert server("XINFO", "CONSUMERS", "s", "g")[0][5::2] == [0, 0]
