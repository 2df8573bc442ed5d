"""Dumps move to real Redis and back, for every type and encoding, with each version of redis-server that is found.

These are `$REDIS_SERVER`, a redis-server in PATH, and the build of `tests/conformance/run`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.commands.inprocess import InProcess
from tests.differential.harness import real_redis, running, version_of
from tests.differential.wire import Wire, parse
from twisted_redis.persistence.rdb.table import value_parts

CALLS = """\
SET embedded hello
SET integer 12345
SET negative -5
SET long 99999999999
SET repeated aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
RPUSH list a b 1 -7 128 4096 -5000 70000 -8388608 3000000000 12345678901234567890 9223372036854775807
SADD intset2 1 2 3
SADD intset4 1 70000
SADD intset8 1 7000000000
SADD set a b c 1
HSET hash a 1 b 2 c xxxxxxxxxxxxxxxxxxxxxxxxxx
ZADD zset 1 a 2.5 b inf c -inf d 1e30 e 0.1 f -7 g
XADD stream 1-1 a b c d
XADD stream 1-2 a b c d
XADD stream 2-2 q w c d e f
XADD stream 3-2 a b c 5
XDEL stream 1-2
XGROUP CREATE stream group 0
XGROUP CREATE stream another 2
XREADGROUP GROUP group first COUNT 2 STREAMS stream >
XREADGROUP GROUP group second COUNT 2 STREAMS stream >
XADD empty 1-1 a b
XDEL empty 1-1
XADD waiting 1-1 a b
XGROUP CREATE waiting group 0
XGROUP CREATECONSUMER waiting group consumer
HSET times a 1 b 2 c x
HPEXPIRE times 100000000 FIELDS 1 a
HPEXPIRE times 10000000 FIELDS 1 c
HSET persisted a 1 b 2 c d
HPEXPIRE persisted 100000000 FIELDS 1 a
HPERSIST persisted FIELDS 1 a
"""

#: Redis 7.0 has no field expiry, so these calls fail and the keys are plain hashes there.
MANY = [str(number) for number in range(2000)]
RNG = random.Random(1)
LARGE: list[list[str | bytes]] = [
    ["RPUSH", "large-list", *MANY],
    ["RPUSH", "plain-nodes", "x" * 20000, "a", "y" * 20000, "z" * 5000, "b"],
    ["SADD", "large-set", *MANY],
    ["SADD", "word-set", *(f"word{number}" for number in MANY)],
    ["HSET", "large-hash", *(f"item{number}" for number in MANY)],
    ["HSET", "large-times", *(f"item{number}" for number in MANY)],
    ["HPEXPIRE", "large-times", "10000000", "FIELDS", "2", "item0", "item10"],
    ["HPEXPIRE", "large-times", "20000000", "FIELDS", "1", "item20"],
    ["ZADD", "large-zset", *(text for number in MANY for text in (repr(RNG.uniform(-1e6, 1e6)), f"member{number}"))],
    ["SET", "noise", RNG.randbytes(50000)],
    *[
        ["XADD", "large-stream", f"{number}-0", "field", str(number), "other", f"text{number}"]
        for number in MANY[1:500]
    ],
    ["XTRIM", "large-stream", "MAXLEN", "377"],
]


def fill(call: Callable[..., object]) -> None:
    for line in CALLS.splitlines():
        call(*line.split())
    for words in LARGE:
        call(*words)


class Real:
    """A redis-server. Calls return bytes, or the text of an error."""

    def __init__(self, program: str, port: int) -> None:
        self.version = version_of(program)
        self.wire = Wire(port)

    def __call__(self, *words: str | bytes | int) -> object:
        argv = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        reply = parse(self.wire.call(*argv))
        return [item.value for item in reply.items] if reply.kind == b"*" else reply.value

    @property
    def reads(self) -> int:
        """The newest version of the format that it accepts."""
        return 10 if self.version < (7, 2) else 11 if self.version < (7, 4) else 12

    def names(self) -> list[bytes]:
        keys = self("KEYS", "*")
        assert isinstance(keys, list)
        return sorted(keys)

    def shown(self, key: bytes) -> tuple[object, object]:
        return self("OBJECT", "ENCODING", key), self("DEBUG", "DIGEST-VALUE", key)


def programs() -> list[str]:
    found = [real_redis(), shutil.which("redis-server")]
    return sorted({program for program in found if program and version_of(program) >= (7,)})


@pytest.fixture(scope="module", params=programs() or [None])
def real(request: pytest.FixtureRequest) -> Iterator[Real]:
    if request.param is None:
        pytest.skip("no redis-server 7 or 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    with running("redis", [request.param]) as server:
        connection = Real(request.param, server.port)
        fill(connection)
        yield connection
        connection.wire.close()


@pytest.fixture
def ours() -> InProcess:
    return InProcess(enable_debug_command="yes")


def zset_digests_agree(real: Real, key: bytes, ours: InProcess) -> bool:
    """Before 7.2, doubles had 17 digits, so their digests differ."""
    return real("TYPE", key) != b"zset" or real.version >= (7, 2)


def test_dumps_of_redis(real: Real, ours: InProcess) -> None:
    for key in real.names():
        assert ours("RESTORE", key, 0, real("DUMP", key)) == b"OK"
        encoding, digest = real.shown(key)
        if real.version >= (7, 4):
            assert ours("OBJECT", "ENCODING", key) == encoding, key
        if zset_digests_agree(real, key, ours):
            assert ours("DEBUG", "DIGEST-VALUE", key) == digest, key
        else:
            assert list(ours("ZRANGE", key, 0, -1)) == real("ZRANGE", key, 0, -1)  # type: ignore[arg-type]
    assert len(real.names()) == ours("DBSIZE") >= 25


def test_our_dumps_of_the_data_of_redis(real: Real, ours: InProcess) -> None:
    sent = 0
    for key in real.names():
        ours("RESTORE", key, 0, real("DUMP", key))
        payload = ours("DUMP", key)
        assert isinstance(payload, bytes)
        if payload[-10] > real.reads:
            continue
        before = real.shown(key)
        assert real("RESTORE", b"copy", 0, payload, "REPLACE") == b"OK", key
        assert real.shown(b"copy") == before, key
        assert real("DEL", "copy") == b"1"
        sent += 1
    # It must accept everything that it can create itself, unless stream consumers are too new for it.
    assert sent >= len(real.names()) - (real.reads < 12)


def test_our_own_data(real: Real, ours: InProcess) -> None:
    ours.clock.advance(1_700_000_000)
    fill(ours)
    for key in ours.db.data:
        payload = ours("DUMP", key)
        assert isinstance(payload, bytes)
        if payload[-10] > real.reads:
            assert real("RESTORE", b"copy", 0, payload, "REPLACE") == b"ERR DUMP payload version or checksum are wrong"
            continue
        assert real("RESTORE", b"copy", 0, payload, "REPLACE") == b"OK", key
        encoding, digest = real.shown(b"copy")
        if real.version >= (7, 4):
            assert ours("OBJECT", "ENCODING", key) == encoding, key
        if zset_digests_agree(real, b"copy", ours):
            assert ours("DEBUG", "DIGEST-VALUE", key) == digest, key
        real("DEL", "copy")


def test_the_same_bytes(real: Real, ours: InProcess) -> None:
    """Ordered values are written byte for byte as Redis 8 writes them."""
    if real.reads < 12:
        pytest.skip("writes an older version of the format")
    real("CONFIG", "SET", "rdbcompression", "no")
    compared = 0
    for key in real.names():
        payload = real("DUMP", key)
        assert isinstance(payload, bytes)
        ours("RESTORE", key, 0, payload)
        kind, parts = value_parts(ours.db.data[key], 12, compressed=False)
        if real("OBJECT", "ENCODING", key) == b"hashtable":
            assert kind == payload[0]
            assert len(b"".join(parts)) == len(payload) - 11
        else:
            # Redis does not change the first time when the last field with a time is persisted.
            start = 9 if key == b"persisted" else 0
            assert (b"%c%b" % (kind, b"".join(parts)))[start:] == payload[start:-10], key
            compared += 1
    assert compared > 20
    real("CONFIG", "SET", "rdbcompression", "yes")
