"""Writes that depend on what is stored, INCREX, and what replicas and the append-only file get from them.

Redis 8.8.0 supplied the effects. Its replies are in tests/differential/recorded.
"""

from __future__ import annotations

import pytest

from tests.support.server import Server


@pytest.fixture
def server() -> Server:
    return Server()


def effects_of(server: Server, *argv: bytes | str | int) -> list[str]:
    """Executes a request. Returns the commands that replicas and the append-only file get."""
    recorder = server.recorder or server.record()
    recorder.take()
    server(*argv)
    return [" ".join(word.decode() for word in command) for command in recorder.take()]


def test_effects_of_set_with_a_condition(server: Server) -> None:
    server("SET", "k", "v")
    now = int(server.engine.time.wall() * 1000)
    assert effects_of(server, "SET", "k", "w", "EX", 10, "IFNE", "zz") == [f"SET k w PXAT {now + 10_000}"]
    assert effects_of(server, "set", "k", "x", "ifeq", "w", "GET") == ["SET k x ifeq w"]
    assert effects_of(server, "SET", "k", "y", "IFEQ", "w") == []
    # The word that is compared stays, although it looks like an option.
    server("SET", "k", "get")
    assert effects_of(server, "SET", "k", "y", "GET", "IFEQ", "get") == ["SET k y IFEQ get"]
    assert server("GET", "k") == b"y"


def test_effects_of_delex(server: Server) -> None:
    server("MSET", "a", 1, "b", 2)
    assert effects_of(server, "DELEX", "a", "IFEQ", 1) == ["DEL a"]
    assert effects_of(server, "DELEX", "b", "IFEQ", 1) == []
    assert effects_of(server, "DELEX", "b") == ["DELEX b"]
    assert server("EXISTS", "a", "b") == 0


def test_delex_without_a_condition_deletes_every_type(server: Server) -> None:
    server("RPUSH", "list", "x")
    assert server("DELEX", "list") == 1
    server("CONFIG", "SET", "lazyfree-lazy-server-del", "yes")
    server("SET", "k", "v")
    assert server("DELEX", "k", "IFEQ", "v") == 1


def test_effects_of_msetex(server: Server) -> None:
    now = int(server.engine.time.wall() * 1000)
    assert effects_of(server, "msetex", 2, "a", 1, "b", 2, "EX", 10, "nx") == [
        f"MSETEX 2 a 1 b 2 PXAT {now + 10_000} nx"
    ]
    assert effects_of(server, "MSETEX", 1, "a", 1, "NX") == []
    assert effects_of(server, "MSETEX", 1, "a", 3, "EXAT", 9_999_999_999) == ["MSETEX 1 a 3 EXAT 9999999999"]
    assert [server("PTTL", "a") > 10_000, server("PTTL", "b")] == [True, 10_000]


def test_msetex_keeps_times_to_live_if_asked(server: Server) -> None:
    server("SET", "a", 1, "EX", 100)
    server("MSETEX", 1, "a", 2, "KEEPTTL")
    assert server("TTL", "a") == 100
    server("MSETEX", 1, "a", 3)
    assert server("TTL", "a") == -1


def test_a_time_that_has_passed_deletes(server: Server) -> None:
    server("SET", "k", "v")
    assert effects_of(server, "SET", "k", "w", "PXAT", 1) == ["DEL k"]
    assert server("EXISTS", "k") == 0
    assert effects_of(server, "SET", "k", "w", "PXAT", 1) == []
    server("SET", "n", 5)
    assert effects_of(server, "INCREX", "n", "EXAT", 1) == ["DEL n"]
    assert server("EXISTS", "n") == 0
    server("CONFIG", "SET", "lazyfree-lazy-server-del", "yes")
    server("SET", "k", "v")
    assert effects_of(server, "SET", "k", "w", "PXAT", 1) == ["UNLINK k"]
    expired = server("INFO", "stats")
    assert b"expired_keys:4\r\n" in expired


def test_a_replica_does_not_delete_by_itself(server: Server) -> None:
    server.engine.state.hide_expired = True
    server("SET", "k", "v", "PXAT", 1)
    assert server.engine.databases[0].data[b"k"] == b"v"


def test_effects_of_increx(server: Server) -> None:
    now = int(server.engine.time.wall() * 1000)
    assert effects_of(server, "INCREX", "c") == ["SET c 1 KEEPTTL"]
    assert effects_of(server, "INCREX", "c", "EX", 10, "ENX") == [f"SET c 2 PXAT {now + 10_000}"]
    assert effects_of(server, "INCREX", "c", "EX", 99, "ENX") == ["SET c 3 KEEPTTL"]
    assert effects_of(server, "INCREX", "c", "BYFLOAT", "-.5", "PERSIST") == ["SET c 2.5"]
    assert effects_of(server, "INCREX", "c", "UBOUND", 2) == []
    assert server("TTL", "c") == -1


def test_increx_beyond_the_type(server: Server) -> None:
    server("SET", "n", 2**63 - 1)
    assert server("INCREX", "n") == [2**63 - 1, 0]
    assert server("INCREX", "n", "SATURATE") == [2**63 - 1, 0]
    assert server("INCREX", "n", "BYINT", -1, "SATURATE", "UBOUND", -(2**63)) == (
        b"ERR applied increment would overflow"
    )


def test_keys_are_read_only_under_a_condition(server: Server) -> None:
    def flags(*argv: str) -> list[bytes]:
        [[_, found]] = server("COMMAND", "GETKEYSANDFLAGS", *argv)
        return sorted(found)

    assert flags("SET", "k", "v") == [b"OW", b"update"]
    assert flags("SET", "k", "v", "IFDNE", "x") == [b"RW", b"update"]
    assert flags("SET", "k", "v", "GET") == [b"RW", b"access", b"update"]
    assert flags("DELEX", "k") == [b"RM", b"delete"]
    assert flags("DELEX", "k", "IFEQ", "x") == [b"RW", b"delete"]


WRONG_TYPE_OF_DELEX = b"ERR Key should be of string type if conditions are specified"
WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.mark.parametrize(
    "argv",
    [
        ["DIGEST", "list"],
        ["DELEX", "list", "IFEQ", "v"],
        ["DELEX", "list", "IFDNE", "0123456789abcdef"],
        ["SET", "list", "v", "IFEQ", "w"],
        ["SET", "list", "v", "IFDNE", "0123456789abcdef"],
        ["INCREX", "list"],
    ],
)
def test_other_types(server: Server, argv: list[str]) -> None:
    server("RPUSH", "list", "x")
    expected = WRONG_TYPE_OF_DELEX if argv[0] == "DELEX" else WRONG_TYPE
    assert server(*argv) == expected
    assert server("LINDEX", "list", 0) == b"x"
    assert effects_of(server, *argv) == []


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["DELEX", "k", "IFEQ"], "ERR wrong number of arguments for 'delex' command"),
        (["DELEX", "k", "IFXX", "v"], "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"),
        (["DELEX", "k", "IFDEQ", "xyz"], "ERR must be exactly 16 hexadecimal characters"),
        (["SET", "k", "v", "IFEQ", "v", "IFNE", "w"], "ERR syntax error"),
        (["SET", "k", "v", "NX", "IFEQ", "v"], "ERR syntax error"),
        (["SET", "k", "v", "IFDEQ", "123"], "ERR must be exactly 16 hexadecimal characters"),
        (["MSETEX", "0", "k", "v"], "ERR invalid numkeys value"),
        (["MSETEX", "2", "k", "v"], "ERR wrong number of key-value pairs"),
        (["MSETEX", "1", "k", "v", "NX", "XX"], "ERR syntax error"),
        (["MSETEX", "1", "k", "v", "EX", "1", "KEEPTTL"], "ERR syntax error"),
        (["MSETEX", "1", "k", "v", "EX", "0"], "ERR invalid expire time in 'msetex' command"),
        (["INCREX", "k", "BYINT", "x"], "ERR Increment is not an integer or out of range"),
        (["INCREX", "k", "BYINT", "1", "BYFLOAT", "1"], "ERR syntax error"),
        (["INCREX", "k", "EX", "1", "PERSIST"], "ERR syntax error"),
        (["INCREX", "k", "LBOUND", "5", "UBOUND", "1"], "ERR LBOUND can't be greater than UBOUND"),
        (["INCREX", "k", "NX"], "ERR syntax error"),
    ],
)
def test_refused_options(server: Server, argv: list[str], error: str) -> None:
    server("SET", "k", "old")
    assert server(*argv) == error.encode()
    assert server("GET", "k") == b"old"
    assert effects_of(server, *argv) == []


@pytest.mark.parametrize(("lazily", "removal"), [("no", "DEL"), ("yes", "UNLINK")])
def test_effects_with_and_without_lazy_freeing(server: Server, lazily: str, removal: str) -> None:
    """The values are from the append-only file of Redis 8.8.0."""
    for what in ("server-del", "user-del", "expire"):
        server("CONFIG", "SET", f"lazyfree-lazy-{what}", lazily)
    server("MSET", "a", 1, "b", 2, "n", 5)
    server("RPUSH", "l", 1)
    assert effects_of(server, "DELEX", "a", "IFEQ", 1) == ["DEL a"]
    assert effects_of(server, "DELEX", "b") == ["DELEX b"]
    assert effects_of(server, "DELEX", "l") == ["DELEX l"]
    assert effects_of(server, "DELEX", "a") == []
    assert effects_of(server, "DELEX", "a", "IFNE", 1) == []
    for argv in (["SET", "n", 6], ["INCREX", "n"], ["SET", "n", 6, "IFEQ", 5]):
        server("SET", "n", 5)
        assert effects_of(server, *argv, "PXAT", 1) == [f"{removal} n"], argv
        assert server("EXISTS", "n") == 0


def test_msetex_stores_a_time_that_has_passed(server: Server) -> None:
    """Unlike SET, it leaves it to the expiry to delete the keys."""
    assert effects_of(server, "MSETEX", 1, "k", "v", "EXAT", 1) == ["MSETEX 1 k v EXAT 1"]
    assert server.engine.databases[0].data == {b"k": b"v"}
    assert server("GET", "k") is None
    assert effects_of(server, "MSETEX", 2, "k", "v", "n", 3, "PX", 100, "XX") == []


def test_digests(server: Server) -> None:
    server("MSET", "n", "old", "empty", "")
    assert server("DIGEST", "n") == b"0f3ca07a8cc8bf40"
    assert server("DIGEST", "empty") == b"2d06800538d394c2"
    assert server("DIGEST", "missing") is None
    assert effects_of(server, "DIGEST", "n") == []
    assert effects_of(server, "SET", "n", "x", "IFDEQ", "0f3ca07a8cc8bf40") == ["SET n x IFDEQ 0f3ca07a8cc8bf40"]
    assert effects_of(server, "SET", "n", "y", "IFDEQ", "0f3ca07a8cc8bf40") == []
    assert effects_of(server, "SET", "n", "y", "IFDNE", "0F3CA07A8CC8BF40") == ["SET n y IFDNE 0F3CA07A8CC8BF40"]


def test_effects_of_the_newer_bit_operations(server: Server) -> None:
    server("SET", "n", "x")
    for argv in (["DIFF1", "d", "n", "n"], ["ONE", "d", "n"], ["DIFF", "d", "n", "none"], ["ANDOR", "d", "n", "none"]):
        assert effects_of(server, "BITOP", *argv) == ["BITOP " + " ".join(argv)]
    assert server("GET", "d") == b"\0"
    assert effects_of(server, "BITOP", "ANDOR", "d", "zz", "zy") == ["BITOP ANDOR d zz zy"]
    assert server("EXISTS", "d") == 0
    assert effects_of(server, "BITOP", "ANDOR", "d", "zz", "zy") == []
