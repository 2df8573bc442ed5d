"""Function libraries move between both servers as FUNCTION DUMP payloads."""

from __future__ import annotations

import pytest

from tests.differential.harness import CLOSED, NO_REPLY, Pair
from tests.differential.wire import Reply, parse

pytest.importorskip("lupa", reason="needs the extra lua")

LIBRARIES = (
    "#!lua name=plain\nredis.register_function('hello', function(keys, args) return {'hello', keys, args} end)",
    """#!lua name=flagged
redis.register_function{function_name='reads', callback=function(keys) return redis.call('GET', keys[1]) end,
  description='reads \\n a key', flags={'no-writes', 'allow-stale'}}
redis.register_function('writes', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
""",
    "#!lua name=long\n-- "
    + "x" * 100_000
    + "\nlocal n = 0 redis.register_function('counts', function() n = n + 1 return n end)",
)


def listed(reply: Reply) -> object:
    """Returns FUNCTION LIST with the elements sorted at every depth."""
    if isinstance(reply.value, list):
        return sorted(map(listed, reply.items), key=repr)
    return reply


#: The version of the RDB format and the checksum at the end of a dump (bytes).
_FOOTER = 10


def on(pair: Pair, side: int, *argv: str | bytes) -> Reply:
    wire = pair.wire()[side]
    wire.send(*(word.encode() if isinstance(word, str) else word for word in argv))
    raw = wire.read()
    assert raw not in (NO_REPLY, CLOSED)
    return parse(raw)


@pytest.mark.parametrize("there", [0, 1], ids=["from-redis", "to-redis"])
def test_travel(pair: Pair, there: int) -> None:
    back = 1 - there
    pair.call("FUNCTION", "FLUSH")
    for library in LIBRARIES:
        on(pair, there, "FUNCTION", "LOAD", library)
    payload = on(pair, there, "FUNCTION", "DUMP").value
    assert isinstance(payload, bytes)
    assert on(pair, back, "FUNCTION", "RESTORE", payload).value == b"OK"
    lists = [listed(on(pair, side, "FUNCTION", "LIST", "WITHCODE")) for side in (there, back)]
    assert lists[0] == lists[1]
    pair.call("FCALL", "hello", 1, "key", "a", "b")
    pair.call("FCALL", "writes", 1, "key", "value")
    pair.call("FCALL_RO", "reads", 1, "key")
    pair.call("FCALL", "counts", 0)
    # The libraries that came back can be moved again.
    second = on(pair, back, "FUNCTION", "DUMP").value
    assert isinstance(second, bytes)
    for side in (there, back):
        assert on(pair, side, "FUNCTION", "RESTORE", second).kind == b"-"
        assert on(pair, side, "FUNCTION", "RESTORE", second, "REPLACE").value == b"OK"
        assert on(pair, side, "FUNCTION", "RESTORE", second, "FLUSH").value == b"OK"
    pair.call("FCALL", "counts", 0)
    for policy in ("APPEND", "REPLACE", "FLUSH", "OTHER"):
        pair.call("FUNCTION", "RESTORE", payload, policy)
        pair.call("FUNCTION", "RESTORE", payload[:-1], policy)
        pair.call("FUNCTION", "RESTORE", payload[:-1] + b"\0", policy)
    pair.call("FUNCTION", "STATS")
    pair.call("FUNCTION", "FLUSH")


def test_payloads_for_other_servers(pair: Pair) -> None:
    """Both servers create the same dump, apart from its version, as long as nothing is worth compressing."""
    pair.call("FUNCTION", "FLUSH")
    pair.call("FUNCTION", "LOAD", LIBRARIES[0][:40] + "function() end)")
    real, ours = (on(pair, side, "FUNCTION", "DUMP").value for side in (0, 1))
    assert isinstance(real, bytes) and isinstance(ours, bytes)
    assert ours[:-_FOOTER] == real[:-_FOOTER]
    pair.call("FUNCTION", "FLUSH")
