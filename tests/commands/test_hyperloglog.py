"""HyperLogLogs: the replies of the commands, and their effects on replicas, WATCH and keyspace events."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.datatypes import hyperloglog
from twisted_redis.datatypes.hll_registers import REGISTERS

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_HLL = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = "INVALIDOBJ Corrupted HLL object detected"
HEADER = b"HYLL\1" + bytes(10) + b"\x80"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: bytes | str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def add(server: InProcess, key: str, first: int, last: int) -> None:
    server("PFADD", key, *[f"e{number}" for number in range(first, last)])


# PFADD


def test_pfadd_tells_whether_something_changed(server: InProcess) -> None:
    assert server("PFADD", "k") == 1
    assert server("PFADD", "k") == 0
    assert server("PFADD", "k", "a", "b", "") == 1
    assert server("PFADD", "k", "a", "b", "") == 0
    assert server("PFCOUNT", "k") == 3


def test_pfadd_makes_a_plain_string(server: InProcess) -> None:
    server("PFADD", "k")
    assert server("TYPE", "k") == b"string"
    assert server("GET", "k") == HEADER + b"\x7f\xff"
    server("PFADD", "k", "a", "b", "c")
    assert server("GET", "k") == HEADER + b"`\xf3\x80P\xb1\x84K\xfb\x80BZ"


def test_a_stored_one_is_taken_over(server: InProcess) -> None:
    server("SET", "k", HEADER + b"`\xf3\x80P\xb1\x84K\xfb\x80BZ", "EX", 100)
    assert server("OBJECT", "ENCODING", "k") == b"embstr"
    assert server("PFADD", "k", "a") == 0
    assert server("OBJECT", "ENCODING", "k") == b"raw"
    assert server("PFCOUNT", "k") == 3
    assert server("TTL", "k") == 100


def test_effects_of_pfadd(server: InProcess) -> None:
    assert server.dirty("PFADD", "k", "a", "b") == 3
    assert server.dirty("PFADD", "k", "a", "c") == 1
    assert server.dirty("PFADD", "k", "a", "c") == 0
    assert server.events("PFADD", "k", "d") == ["pfadd k"]
    assert server.events("PFADD", "k", "d") == []
    assert server.effects("PFADD", "k", "d") == []
    assert server.effects("PFADD", "k", "e") == ["PFADD k e"]


def test_the_limit_of_the_sparse_representation(server: InProcess) -> None:
    server("CONFIG", "SET", "hll-sparse-max-bytes", 200)
    add(server, "k", 0, 20)
    assert server("PFDEBUG", "ENCODING", "k") == b"sparse"
    add(server, "k", 20, 200)
    assert server("PFDEBUG", "ENCODING", "k") == b"dense"
    assert server("STRLEN", "k") == 12304
    assert server("PFCOUNT", "k") == 200


# PFCOUNT


def test_pfcount_of_several(server: InProcess) -> None:
    add(server, "a", 0, 60)
    add(server, "b", 40, 100)
    assert server("PFCOUNT", "missing") == 0
    assert server("PFCOUNT", "a", "b", "missing") == 100
    assert server("PFCOUNT", "missing", "other") == 0
    add(server, "c", 0, 5000)
    assert server("PFDEBUG", "ENCODING", "c") == b"dense"
    assert server("PFCOUNT", "a", "c") == server("PFCOUNT", "c")


def test_pfcount_keeps_the_estimate_in_the_string(server: InProcess) -> None:
    add(server, "k", 0, 5)
    assert server("GET", "k")[8:16] == b"\0\0\0\0\0\0\0\x80"
    assert server("PFCOUNT", "k") == 5
    assert server("GET", "k")[8:16] == b"\5\0\0\0\0\0\0\0"
    server("SETRANGE", "k", 8, b"\7")
    assert server("PFCOUNT", "k") == 7
    add(server, "k", 0, 6)
    assert server("PFCOUNT", "k") == 6


def test_pfcount_replicates_the_estimate(server: InProcess) -> None:
    add(server, "k", 0, 5)
    assert server.events("PFCOUNT", "k") == []
    add(server, "k", 0, 6)
    assert server.dirty("PFCOUNT", "k") == 1
    assert server.dirty("PFCOUNT", "k") == 0
    add(server, "k", 0, 7)
    assert server.effects("PFCOUNT", "k") == ["PFCOUNT k"]
    assert server.effects("PFCOUNT", "k") == []
    assert server.effects("PFCOUNT", "k", "k") == []


def test_pfcount_touches_watched_keys(server: InProcess) -> None:
    add(server, "k", 0, 5)
    watcher = server.connect()
    watcher("WATCH", "k")
    server("PFCOUNT", "k")
    watcher("MULTI")
    watcher("PING")
    assert watcher("EXEC") == b"*-1\r\n"


# PFMERGE


def test_pfmerge(server: InProcess) -> None:
    add(server, "a", 0, 60)
    add(server, "b", 40, 100)
    assert server("PFMERGE", "r", "a", "b", "missing") == b"OK"
    assert server("PFCOUNT", "r") == 100
    assert server("PFDEBUG", "ENCODING", "r") == b"sparse"
    assert server("PFMERGE", "a", "b") == b"OK"
    assert server("PFCOUNT", "a") == 100
    add(server, "c", 0, 5000)
    assert server("PFMERGE", "a", "c") == b"OK"
    assert server("PFDEBUG", "ENCODING", "a") == b"dense"
    assert server("GET", "a")[16:] == server("GET", "c")[16:]


def test_pfmerge_makes_an_empty_one(server: InProcess) -> None:
    assert server.events("PFMERGE", "r", "missing") == ["new r", "pfadd r"]
    assert server("GET", "r") == HEADER + b"\x7f\xff"
    assert server.dirty("PFMERGE", "r") == 1
    assert server.effects("PFMERGE", "r", "a") == ["PFMERGE r a"]


def test_pfmerge_keeps_the_expiry(server: InProcess) -> None:
    server("PFADD", "r")
    server("EXPIRE", "r", 100)
    server("PFMERGE", "r", "a")
    assert server("TTL", "r") == 100


# errors


@pytest.mark.parametrize(
    "argv",
    [("PFADD", "k", "x"), ("PFCOUNT", "k"), ("PFCOUNT", "a", "k"), ("PFMERGE", "k"), ("PFMERGE", "r", "k")],
)
def test_other_strings_are_refused(server: InProcess, argv: tuple[str, ...]) -> None:
    server("RPUSH", "k", "x")
    assert refused(server, *argv) == WRONG_TYPE
    for value in (b"", b"12", b"HYLL", b"HYLL\2" + bytes(100), b"HYLL\0" + bytes(100)):
        server("SET", "k", value)
        assert refused(server, *argv) == NO_HLL
    assert server("EXISTS", "r") == 0


@pytest.mark.parametrize(
    "argv",
    [
        ("PFADD", "k", "x"),
        ("PFCOUNT", "k"),
        ("PFCOUNT", "a", "k"),
        ("PFMERGE", "k"),
        ("PFMERGE", "r", "k"),
        ("PFDEBUG", "TODENSE", "k"),
        ("PFDEBUG", "GETREG", "k"),
    ],
)
def test_corrupted_values(server: InProcess, argv: tuple[str, ...]) -> None:
    server("SET", "k", HEADER + b"\x40\x01")
    assert refused(server, *argv) == CORRUPTED
    assert server("EXISTS", "r") == 0


# PFDEBUG and PFSELFTEST


def test_pfdebug(server: InProcess) -> None:
    server("PFADD", "k", "a", "b", "c")
    assert server("PFDEBUG", "DECODE", "k") == b"Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
    assert server.effects("PFDEBUG", "encoding", "k") == []
    assert server.effects("PFDEBUG", "todense", "k") == ["PFDEBUG todense k"]
    assert server("PFDEBUG", "TODENSE", "k") == 0
    assert refused(server, "PFDEBUG", "DECODE", "k") == "ERR HLL encoding is not sparse"
    registers = server("PFDEBUG", "GETREG", "k")
    assert len(registers) == REGISTERS
    assert {index: value for index, value in enumerate(registers) if value} == {8436: 1, 12711: 2, 15780: 1}
    assert server("PFCOUNT", "k") == 3
    assert server("PFDEBUG", "SIMD", "off") == b"disabled"


def test_getreg_leaves_a_dense_one(server: InProcess) -> None:
    server("PFADD", "k")
    assert server.dirty("PFDEBUG", "GETREG", "k") == 1
    assert server.dirty("PFDEBUG", "GETREG", "k") == 0
    assert server("PFDEBUG", "ENCODING", "k") == b"dense"


def test_errors_of_pfdebug(server: InProcess) -> None:
    assert refused(server, "PFDEBUG", "GETREG", "missing") == "ERR The specified key does not exist"
    assert refused(server, "PFDEBUG", "FROB", "missing") == "ERR The specified key does not exist"
    assert refused(server, "PFDEBUG", "SIMD", "maybe") == "ERR Argument must be ON or OFF"
    server("PFADD", "k")
    assert refused(server, "PFDEBUG", "FROB", "k") == "ERR Unknown PFDEBUG subcommand 'FROB'"


def test_the_selftest_passes(server: InProcess) -> None:
    assert server("PFSELFTEST") == b"OK"


def test_the_selftest_finds_a_wrong_register(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    place_of = hyperloglog.place_of
    monkeypatch.setattr(hyperloglog, "place_of", lambda element: (place_of(element)[0] & 1023, place_of(element)[1]))
    assert refused(server, "PFSELFTEST").startswith("ERR TESTFAILED 100")


def test_the_selftest_finds_disagreement(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    set_register = hyperloglog.set_register

    def sparse_only(data: bytearray, index: int, value: int, limit: int) -> bool:
        return not hyperloglog.is_dense(data) and set_register(data, index, value, limit)

    monkeypatch.setattr(hyperloglog, "set_register", sparse_only)
    assert refused(server, "PFSELFTEST") == "ERR TESTFAILED dense and sparse disagree"
