"""MONITOR, SLOWLOG and LATENCY: what they show of which call, and what they hide."""

from __future__ import annotations

import re
from typing import Any

from .harness import Pair, taken
from .wire import Reply, Wire, parse

#: Calls that differ in which parts of the request may be shown.
CALLS: list[tuple[Any, ...]] = [
    ("PING",),
    ("set", "key", "value"),
    ("SET", 'quote" back\\slash', b"\x00\x01\n\r\t\a\b\x7f\x80\xff ~"),
    ("GET", ""),
    ("SELECT", "3"),
    ("SET", "other", "1"),
    ("SELECT", "0"),
    ("GET",),
    ("BOGUS", "x"),
    ("HSET", "key", "f", "v"),
    ("AUTH", "secret"),
    ("AUTH", "nobody", "secret"),
    ("HELLO", "2", "AUTH", "nobody", "secret"),
    ("HELLO", "2", "SETNAME", "name", "AUTH", "nobody", "secret"),
    ("HELLO", "2", "SETNAME", "auth"),
    ("CONFIG", "SET", "masterauth", "", "maxclients", "5000"),
    ("CONFIG", "set", "MASTERUSER", ""),
    ("CONFIG", "GET", "masterauth"),
    ("ACL", "SETUSER", "someone", ">secret"),
    ("ACL", "GETUSER", "someone"),
    ("acl", "deluser", "someone", "nobody"),
    ("ACL", "WHOAMI"),
    ("MULTI",),
    ("INCR", "n"),
    ("LPUSH", "key", "v"),
    ("EXEC",),
    ("MULTI",),
    ("SET", "a", "b"),
    ("DISCARD",),
    ("SPOP", "none", "3"),
    ("EVAL", "redis.call('set', KEYS[1], ARGV[1]); return redis.call('get', KEYS[1])", "1", "k", "v"),
    ("FCALL", "nothing", "0"),
    ("SADD", "many", *range(40)),
    ("SET", "long", "x" * 129),
    ("SET", "long", "x" * 128),
    ("INCRBYFLOAT", "f", "1.5"),
    ("EXPIRE", "long", "100"),
    ("SUBSCRIBE", "c"),
    ("UNSUBSCRIBE", "c"),
    ("BLPOP", "nothing", "0.01"),
    ("CLIENT", "SETNAME", "somebody"),
    ("DEBUG", "SLEEP", "0"),
    ("SLOWLOG", "LEN"),
    ("MEMORY", "USAGE", "k"),
    ("RESET",),
    ("ECHO", "the end"),
]


def play(pair: Pair) -> None:
    for call in CALLS:
        pair.send(*call)
        for wire in pair.wire():
            taken(wire)  # other tests compare the replies


def lines(wire: Wire) -> list[str]:
    found = []
    while "the end" not in (line := taken(wire).decode("latin-1")):
        found.append(re.sub(r"^\+\d+\.\d{6} \[(\d+) (127\.0\.0\.1:\d+|lua)\]", r"[\1 \2]", line))
    return [re.sub(r"127\.0\.0\.1:\d+", "address", line) for line in found]


def test_monitor(pair: Pair) -> None:
    pair.call("MONITOR", client="watcher")
    play(pair)
    real, ours = (lines(wire) for wire in pair.wire("watcher"))
    assert len(real) > len(CALLS) // 2
    assert ours == real


def test_a_monitor_sees_its_own_calls_and_is_reset(pair: Pair) -> None:
    pair.call("MONITOR")
    pair.call("PING")
    for wire in pair.wire():
        assert re.match(rb'\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "PING"\r\n', taken(wire))
    pair.call("RESET")
    pair.call("ECHO", "nothing follows")
    pair.call("ECHO", "either", client="other")
    pair.call("PING")


def shown(reply: Reply) -> Any:
    if isinstance(reply.value, list):
        return [shown(item) for item in reply.items]
    return reply.value


def entries(wire: Wire) -> list[Any]:
    """Returns the slow log without times and ports."""
    found = []
    for number, _, microseconds, argv, address, name in shown(parse(wire.call(b"SLOWLOG", b"GET", b"-1"))):
        assert int(microseconds) >= 0
        found.append((int(number), argv, re.sub(rb"127\.0\.0\.1:\d+", b"address", address), name))
    first = found[-1][0]
    return [(number - first, *rest) for number, *rest in found]


def test_slow_log(pair: Pair) -> None:
    pair.call("CONFIG", "SET", "slowlog-max-len", 1000, client="control")
    pair.call("SLOWLOG", "RESET", client="control")
    pair.call("CONFIG", "SET", "slowlog-log-slower-than", 0, client="control")
    play(pair)
    pair.call("CONFIG", "SET", "slowlog-log-slower-than", -1, client="control")
    real, ours = (entries(wire) for wire in pair.wire("control"))
    assert len(real) > len(CALLS) // 2
    assert ours == real
    pair.call("SLOWLOG", "LEN")
    pair.call("SLOWLOG", "RESET")
    pair.call("SLOWLOG", "LEN")
    pair.call("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    pair.call("CONFIG", "SET", "slowlog-max-len", 128)
    for bad in (("GET", "-2"), ("GET", "x"), ("GET", "1", "2"), ("LEN", "1"), ("RESET", "1"), ("BOGUS",)):
        pair.call("SLOWLOG", *bad)
    pair.call("SLOWLOG")


def test_latency_events(pair: Pair) -> None:
    pair.call("CONFIG", "SET", "latency-monitor-threshold", 50)
    pair.call("LATENCY", "RESET")
    pair.call("DEBUG", "SLEEP", "0.06")
    pair.call("MULTI")
    pair.call("DEBUG", "SLEEP", "0.06")
    pair.call("EXEC")
    for wire in pair.wire():
        [[name, _, milliseconds, worst]] = shown(parse(wire.call(b"LATENCY", b"LATEST")))
        assert (name, int(milliseconds) // 10, int(worst) // 10) == (b"command", 6, 6)
        samples = shown(parse(wire.call(b"LATENCY", b"HISTORY", b"command")))
        assert 1 <= len(samples) <= 2
        assert b"command - high 6" in wire.call(b"LATENCY", b"GRAPH", b"command")
        assert b"command" in wire.call(b"LATENCY", b"DOCTOR")
    pair.call("LATENCY", "HISTORY", "Command")
    pair.call("LATENCY", "GRAPH", "nothing")
    pair.call("LATENCY", "RESET", "nothing", "COMMAND")
    pair.call("LATENCY", "LATEST")
    pair.call("LATENCY", "RESET")
    pair.call("CONFIG", "SET", "latency-monitor-threshold", 0)
    for bad in (("HISTORY",), ("GRAPH", "a", "b"), ("DOCTOR", "x"), ("LATEST", "x"), ("BOGUS",), ("HELP", "x")):
        pair.call("LATENCY", *bad)


def test_latency_histogram(pair: Pair) -> None:
    pair.call("SET", "k", "v")
    pair.call("CONFIG", "RESETSTAT")
    pair.call("LATENCY", "HISTOGRAM", "get", "bogus", "config|bogus")
    for number in range(20):
        pair.call("SET", "k", number)
    pair.call("CLIENT", "GETNAME")
    for wire in pair.wire():
        found = shown(parse(wire.call(b"LATENCY", b"HISTOGRAM", b"set", b"client", b"CLIENT|GETNAME")))
        assert found[:1] + found[2:3] == [b"set", b"client|getname"]
        word, calls, other, buckets = found[1]
        assert (word, calls, other) == (b"calls", b"20", b"histogram_usec")
        limits, counts = list(map(int, buckets[::2])), list(map(int, buckets[1::2]))
        # 2^n nanoseconds, and the values that a histogram of two digits treats as equal to it.
        allowed = [(size + size // 128 - 1) // 1000 for size in (1 << n for n in range(10, 31))]
        assert limits == sorted(limits) and set(limits) <= set(allowed)
        assert counts == sorted(set(counts)) and counts[-1] == 20
    pair.call("CONFIG", "SET", "latency-tracking", "no")
    pair.call("CONFIG", "RESETSTAT")
    pair.call("SET", "k", "v")
    pair.call("LATENCY", "HISTOGRAM")
    pair.call("CONFIG", "SET", "latency-tracking", "yes")
