"""Digests. redis-server 8.0 supplied the expected values for the same calls."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess

CALLS = """\
SET string hello
SET number 12345
SET expiring soon PX 1000000000
RPUSH list a b 1 -7 a
SADD set a b c
SADD intset 3 1 -2
HSET hash f v g w
HSET times f v g w
HPEXPIRE times 1000000000 FIELDS 1 f
XADD stream 1-1 f v
XADD stream 1-2 f v g w
XGROUP CREATE stream group 0
XADD empty 5-0 f v
XDEL empty 5-0
"""

DIGESTS = {
    "empty": "06bd01623de1d087bbd377851096317b1af476a2",
    "expiring": "3165200877d3190912cace229788627a60a379ef",
    "hash": "d127864ed50239662bf61bafc9bda63c17da5b37",
    "intset": "cd8c572f00c448fad83a282435d6e47b31d44ec3",
    "list": "f963d8a00ff1d0f3be4392ac8f13f31746d25cee",
    "number": "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83",
    "set": "593c2414786d75446e97f4ea5d4b731f3313da72",
    "stream": "870e6c33a46d8152fed7b0206fe8bf792d15586b",
    "string": "36b23a1456b2dce2c3ed252c456761301dba8060",
    "times": "355879033a5e790f0e021f3025ccea7312d9d282",
}


@pytest.fixture
def server() -> InProcess:
    server = InProcess()
    for line in CALLS.splitlines():
        server(*line.split())
    return server


def test_digest_value(server: InProcess) -> None:
    assert server("DEBUG", "DIGEST-VALUE", *DIGESTS) == [text.encode() for text in DIGESTS.values()]


def test_digest_value_of_nothing(server: InProcess) -> None:
    assert server("DEBUG", "DIGEST-VALUE") == []
    assert server("DEBUG", "DIGEST-VALUE", "missing") == [b"0" * 40]


def test_digest(server: InProcess) -> None:
    assert server("DEBUG", "DIGEST") == b"acc1cfc18962af479f1013137023e54ab0312e49"
    server("SELECT", 9)
    server("SET", "a", "b")
    assert server("DEBUG", "DIGEST") == b"b9fb5770ceae3ec425f00437b86b9c41d14b66d5"


def test_digest_of_nothing(server: InProcess) -> None:
    server("FLUSHALL")
    assert server("DEBUG", "DIGEST") == b"0" * 40


def test_a_key_that_has_expired_counts_until_it_is_removed(server: InProcess) -> None:
    server("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    server.advance(2_000_000)
    assert server("DEBUG", "DIGEST-VALUE", "expiring") == [DIGESTS["expiring"].encode()]
    assert server("GET", "expiring") is None
    assert server("DEBUG", "DIGEST-VALUE", "expiring") == [b"0" * 40]


def test_the_order_counts_in_lists_alone(server: InProcess) -> None:
    server("SADD", "set2", "c", "b", "a")
    server("HSET", "hash2", "g", "w", "f", "v")
    server("RPUSH", "list2", "a", "a", "b", "1", "-7")
    set2, hash2, list2 = server("DEBUG", "DIGEST-VALUE", "set2", "hash2", "list2")
    assert (set2, hash2) == (DIGESTS["set"].encode(), DIGESTS["hash"].encode())
    assert list2 != DIGESTS["list"].encode()
