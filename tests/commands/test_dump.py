"""DUMP and RESTORE: options, the order of checks, and effects. tests/persistence tests the payloads."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.persistence.rdb.payload import dump, seal

SYNTAX = "ERR syntax error"
NO_INTEGER = "ERR value is not an integer or out of range"
BUSY = "BUSYKEY Target key name already exists."
WRONG_PAYLOAD = "ERR DUMP payload version or checksum are wrong"
BAD_DATA = "ERR Bad data format"
TEXT = dump(b"text")
NOW = 1_700_000_000_000


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int | bytes) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def test_dump(server: InProcess) -> None:
    assert server("DUMP", "missing") is None
    server("SET", "k", "hello")
    assert server("DUMP", "k") == seal(b"\x00\x05hello", 10)
    server("PEXPIRE", "k", 5)
    server.advance(1)
    assert server("DUMP", "k") is None


def test_dump_counts_as_a_read(server: InProcess) -> None:
    server("SET", "k", "v")
    stats = server.engine.state
    hits, misses = stats.hits, stats.misses
    server("DUMP", "k")
    server("DUMP", "missing")
    assert (stats.hits, stats.misses) == (hits + 1, misses + 1)


def test_restore(server: InProcess) -> None:
    assert server("RESTORE", "k", 0, TEXT) == b"OK"
    assert server("GET", "k") == b"text"
    assert server("TTL", "k") == -1
    assert server("RESTORE-ASKING", "other", 0, TEXT) == b"OK"
    assert server("GET", "other") == b"text"


def test_a_value_that_is_there_stays_unless_it_is_to_be_replaced(server: InProcess) -> None:
    server("RPUSH", "k", "a")
    server("PEXPIRE", "k", 5000)
    assert refused(server, "RESTORE", "k", 0, TEXT) == BUSY
    assert server("TYPE", "k") == b"list"
    assert server("RESTORE", "k", 0, TEXT, "replace") == b"OK"
    assert server("GET", "k") == b"text"
    assert server("TTL", "k") == -1


def test_an_expired_key_is_not_in_the_way(server: InProcess) -> None:
    server("SET", "k", "v", "PX", 5)
    server("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    server.advance(1)
    assert server("RESTORE", "k", 0, TEXT) == b"OK"
    assert server("TTL", "k") == -1


def test_ttl(server: InProcess) -> None:
    server("RESTORE", "k", 2569591501, TEXT)
    assert server("PTTL", "k") == 2569591501
    server("RESTORE", "k", NOW + 2000, TEXT, "REPLACE", "ABSTTL")
    assert server("PTTL", "k") == 2000
    server("RESTORE", "k", 0, TEXT, "REPLACE", "ABSTTL")
    assert server("PTTL", "k") == -1


def test_a_key_that_has_expired_already(server: InProcess) -> None:
    assert server("RESTORE", "k", NOW, TEXT, "ABSTTL") == b"OK"
    assert server.engine.stats.expired_keys == 1
    assert server("EXISTS", "k") == 0
    assert server.effects("RESTORE", "k", 999, TEXT, "ABSTTL") == []
    assert server.events("RESTORE", "k", 999, TEXT, "ABSTTL") == []
    server("SET", "k", "v")
    assert server.events("RESTORE", "k", 999, TEXT, "ABSTTL", "REPLACE") == ["del k"]
    assert server("EXISTS", "k") == 0
    server("SET", "k", "v")
    assert server.effects("RESTORE", "k", 999, TEXT, "ABSTTL", "REPLACE") == ["DEL k"]
    server.config.lazyfree_lazy_server_del = True
    server("SET", "k", "v")
    assert server.effects("RESTORE", "k", 999, TEXT, "ABSTTL", "REPLACE") == ["UNLINK k"]
    assert server.dirty("RESTORE", "k", 999, TEXT, "ABSTTL", "REPLACE") == 0


def test_a_replica_leaves_expiry_to_its_master(server: InProcess) -> None:
    server.engine.state.hide_expired = True
    assert server("RESTORE", "k", 999, TEXT, "ABSTTL") == b"OK"
    assert server.db.data[b"k"] == b"text"


def test_idle_time(server: InProcess) -> None:
    server("RESTORE", "k", 0, TEXT, "IDLETIME", 500)
    assert server("OBJECT", "IDLETIME", "k") == 500
    server.advance(5)
    assert server("OBJECT", "IDLETIME", "k") == 505
    server("GET", "k")
    assert server("OBJECT", "IDLETIME", "k") == 0


def test_effects(server: InProcess) -> None:
    text = TEXT.decode("latin-1")
    assert server.effects("RESTORE", "k", 0, TEXT) == [f"RESTORE k 0 {text}"]
    assert server.effects("RESTORE", "k", 50, TEXT, "REPLACE") == [f"RESTORE k {NOW + 50} {text} REPLACE ABSTTL"]
    assert server.effects("RESTORE", "k", NOW + 50, TEXT, "ABSTTL", "REPLACE") == [
        f"RESTORE k {NOW + 50} {text} ABSTTL REPLACE"
    ]
    assert server.effects("RESTORE-ASKING", "k", 50, TEXT, "REPLACE") == [
        f"RESTORE-ASKING k {NOW + 50} {text} REPLACE ABSTTL"
    ]
    assert server.effects("RESTORE", "k", 0, TEXT) == []


def test_events(server: InProcess) -> None:
    assert server.events("RESTORE", "k", 0, TEXT) == ["new k", "restore k"]
    assert server.events("RESTORE", "k", 0, TEXT, "REPLACE") == ["new k", "restore k"]
    assert server.dirty("RESTORE", "k", 0, TEXT, "REPLACE") == 1


def test_times_of_fields(server: InProcess) -> None:
    server("HSET", "h", "a", 1, "b", 2)
    server("HPEXPIRE", "h", 5000, "FIELDS", 1, "a")
    payload = server("DUMP", "h")
    assert isinstance(payload, bytes)
    server("RESTORE", "copy", 0, payload)
    server("RESTORE", "late", 0, payload)
    assert server("HPTTL", "copy", "FIELDS", 2, "a", "b") == [5000, -1]
    server("DEL", "h", "late")
    server.advance(6)
    assert server.db.data[b"copy"].fields == {b"b": b"2"}
    server("RESTORE", "late", 0, payload)
    server.advance(1)
    assert server.db.data[b"late"].fields == {b"b": b"2"}


#: DUMP of Valkey 9.1.2: a string, and a hash whose fields "a" and "c" expire.
TEXT_OF_VALKEY = b"\x00\x03abcP\x00\x16\x86\xf9\xac\xdf \xc5\x16"
HASH_OF_VALKEY = (
    b"\x16\x03\x01a\xc0\x01\x00\xb4\xc5\xda\xb8\x01\x00\x00\x01b\xc0\x16\xff\xff\xff\xff\xff\xff\xff\xff"
    b"\x01c\x01x\x00\xb4\xc5\xda\xb8\x01\x00\x00P\x00Y\xcb\xcb\xd5\xc6k&\x0f"
)


def test_dumps_of_valkey(server: InProcess) -> None:
    assert server("RESTORE", "text", 0, TEXT_OF_VALKEY) == b"OK"
    assert server("GET", "text") == b"abc"
    assert server("RESTORE", "hash", 0, HASH_OF_VALKEY) == b"OK"
    assert server.db.data[b"hash"].fields == {b"a": b"1", b"b": b"22", b"c": b"x"}
    assert server("HPEXPIRETIME", "hash", "FIELDS", 3, "a", "b", "c") == [1893456000000, -1, 1893456000000]
    assert refused(server, "RESTORE", "k", 0, HASH_OF_VALKEY[:-1] + b"?") == WRONG_PAYLOAD
    # The next versions may have other encodings.
    assert refused(server, "RESTORE", "k", 0, seal(b"\x00\x04text", 81)) == WRONG_PAYLOAD
    assert refused(server, "RESTORE", "k", 0, seal(HASH_OF_VALKEY[:20], 80)) == BAD_DATA
    never = seal(b"\x16\x01\x01a\x01b" + bytes(8), 80)
    assert refused(server, "RESTORE", "k", 0, never) == BAD_DATA


def test_replicas_get_a_dump_of_valkey_in_the_version_of_redis(server: InProcess) -> None:
    text = seal(b"\x00\x03abc", 10).decode("latin-1")
    assert server.effects("RESTORE", "k", 0, TEXT_OF_VALKEY) == [f"RESTORE k 0 {text}"]
    assert server.effects("RESTORE", "k", 50, TEXT_OF_VALKEY, "REPLACE") == [
        f"RESTORE k {NOW + 50} {text} REPLACE ABSTTL"
    ]
    assert server.effects("RESTORE", "k", NOW + 50, TEXT_OF_VALKEY, "ABSTTL", "REPLACE") == [
        f"RESTORE k {NOW + 50} {text} ABSTTL REPLACE"
    ]


def test_the_order_of_checks(server: InProcess) -> None:
    server("SET", "busy", "v")
    broken = seal(b"\x00\xff")
    assert refused(server, "RESTORE", "busy", "x", "y", "NOSUCH") == SYNTAX
    assert refused(server, "RESTORE", "busy", "x", "y") == BUSY
    assert refused(server, "RESTORE", "k", "x", "y") == NO_INTEGER
    assert refused(server, "RESTORE", "k", -1, "y") == "ERR Invalid TTL value, must be >= 0"
    assert refused(server, "RESTORE", "k", 0, "y") == WRONG_PAYLOAD
    assert refused(server, "RESTORE", "k", 0, seal(b"\x00\x04text", 15)) == WRONG_PAYLOAD
    assert refused(server, "RESTORE", "k", 0, broken) == BAD_DATA
    assert refused(server, "RESTORE", "busy", 0, broken, "REPLACE") == BAD_DATA
    assert server("GET", "busy") == b"v"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["IDLETIME"], SYNTAX),
        (["FREQ"], SYNTAX),
        (["IDLETIME", "x"], NO_INTEGER),
        (["IDLETIME", "-1"], "ERR Invalid IDLETIME value, must be >= 0"),
        (["FREQ", "x"], NO_INTEGER),
        (["FREQ", "-1"], "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (["FREQ", "256"], "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (["FREQ", "5", "IDLETIME", "5"], SYNTAX),
        (["IDLETIME", "5", "FREQ", "5"], SYNTAX),
        (["REPLACE", "KEEPTTL"], SYNTAX),
    ],
)
def test_wrong_options(server: InProcess, options: list[str], error: str) -> None:
    assert refused(server, "RESTORE", "k", 0, TEXT, *options) == error


def test_options_may_be_repeated(server: InProcess) -> None:
    assert server("RESTORE", "k", 0, TEXT, "FREQ", 5, "freq", 255, "replace", "REPLACE", "ABSTTL") == b"OK"
    assert server("RESTORE", "k", 0, TEXT, "IDLETIME", 5, "IDLETIME", 7, "REPLACE") == b"OK"
    assert server("OBJECT", "IDLETIME", "k") == 7


def test_checksums_can_be_left_alone(server: InProcess) -> None:
    wrong = TEXT[:-1] + bytes((TEXT[-1] ^ 1,))
    assert refused(server, "RESTORE", "k", 0, wrong) == WRONG_PAYLOAD
    server("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    assert server("RESTORE", "k", 0, wrong) == b"OK"
    assert refused(server, "RESTORE", "newer", 0, seal(b"\x00\x04text", 15)) == WRONG_PAYLOAD
    server("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0)
    assert refused(server, "RESTORE", "k", 0, wrong, "REPLACE") == WRONG_PAYLOAD


def test_corrupt_data_is_logged(server: InProcess) -> None:
    assert refused(server, "RESTORE", "k", 0, seal(b"\x0b\x03abc")) == BAD_DATA
    assert server.logged[-1][0] == "verbose"
    assert "Intset integrity check failed" in server.logged[-1][1]


def test_a_waiting_client_gets_what_is_restored(server: InProcess) -> None:
    server("RPUSH", "l", "a", "b")
    payload = server("DUMP", "l")
    assert isinstance(payload, bytes)
    server("DEL", "l")
    waiting = server.connect()
    waiting("BLPOP", "l", 0)
    server("RESTORE", "l", 0, payload)
    assert waiting.read() == b"*2\r\n$1\r\nl\r\n$1\r\na\r\n"
    assert list(server("LRANGE", "l", 0, -1)) == [b"b"]  # type: ignore[arg-type]
