"""Dumps with wrong bytes: a dump that is not refused must give a value with which everything works."""

from __future__ import annotations

import random

import pytest

from tests.persistence.rdb.test_values import OLD, VALUES
from tests.support.server import Server
from twisted_redis.persistence.rdb.payload import dump, seal
from twisted_redis.persistence.rdb.table import value_parts
from twisted_redis.resp.types import OK, ErrorReply

READERS = {
    b"string": ["GET k", "STRLEN k", "GETRANGE k 0 5"],
    b"list": ["LRANGE k 0 -1", "LPOS k a", "RPUSH k a", "LREM k 0 a", "LINSERT k BEFORE b x", "LTRIM k 1 -2", "RPOP k"],
    b"set": ["SMEMBERS k", "SISMEMBER k 5", "SADD k z", "SREM k a", "SPOP k", "SSCAN k 0"],
    b"zset": ["ZRANGE k 0 -1 WITHSCORES", "ZADD k 5 a", "ZRANK k a", "ZREMRANGEBYRANK k 0 0", "ZPOPMIN k", "ZSCAN k 0"],
    b"hash": ["HGETALL k", "HSET k a 1", "HPEXPIRE k 100000 FIELDS 1 a", "HDEL k b", "HRANDFIELD k 2", "HSCAN k 0"],
    b"stream": [
        "XRANGE k - +",
        "XREVRANGE k + -",
        "XINFO STREAM k FULL",
        "XADD k * f v",
        "XDEL k 1700000000002-8",
        "XREADGROUP GROUP group consumer COUNT 5 STREAMS k >",
        "XPENDING k group",
        "XAUTOCLAIM k group consumer 0 0",
        "XTRIM k MAXLEN 30",
        "XGROUP DESTROY k group",
    ],
}


def mutated(payload: bytes, rng: random.Random) -> bytes:
    data = bytearray(payload[:-10])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(data))
        how = rng.random()
        if how < 0.5:
            data[place] = rng.randrange(256)
        elif how < 0.7:
            data[place] = rng.choice((0, 1, 0x7F, 0x80, 0x81, 0xC3, 0xFD, 0xFE, 0xFF))
        elif how < 0.9:
            data[place] ^= 1 << rng.randrange(8)
        elif len(data) > 4:
            del data[place : place + rng.randrange(1, 3)]
    return bytes(data) + payload[-10:]


@pytest.mark.parametrize("name", [*VALUES, *OLD])
def test_mutations(name: str) -> None:
    server = Server()
    server.engine.payload_checksums = False
    if name in VALUES:
        value = VALUES[name][0]()
        kind, parts = value_parts(value)
        payloads = [dump(value), seal(b"%c%b" % (kind, b"".join(parts)))]
    else:
        kind, data, _ = OLD[name]
        payloads = [seal(b"%c%b" % (kind, data))]
    rng = random.Random(name)
    for _ in range(120):
        # A bug would be logged as one, and that makes the server of these tests fail.
        payload = mutated(rng.choice(payloads), rng)
        if isinstance(server("RESTORE", "k", 0, payload, "REPLACE"), ErrorReply):
            continue
        commands = READERS[bytes(server("TYPE", "k"))]  # type: ignore[arg-type]
        for command in rng.sample(commands, min(3, len(commands))):
            server(*command.split())
        again = server("DUMP", "k")
        if again is not None:
            assert isinstance(again, bytes)
            assert server("RESTORE", "copy", 0, again, "REPLACE") is OK
            first, second = server("DEBUG", "DIGEST-VALUE", "k", "copy")  # type: ignore[misc]
            assert first == second, payload
