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
