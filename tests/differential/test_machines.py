"""Random sequences of calls on strings, lists, and keys with an expiry. Every reply must be equal."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.differential.harness import Argument, Pair, Server

KEYS = st.sampled_from(["a", "b", "c", "d"])
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**63 - 1, -(2**63), 2**63, 10**20]),
)
SMALL = st.integers(-6, 6)
VALUES = st.one_of(
    st.sampled_from([b"", b"x", b"y", b"1", b"-1", b"01", b" 1", b"1.5", b"1e3", b"9223372036854775807", b"nan"]),
    st.binary(max_size=40),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number),
)
WRONG = st.sampled_from([b"", b"abc", b"1.5", b"+1", b" 1", b"01", b"-0", b"9" * 30, b"1\x00"])
FLOATS = st.one_of(
    st.sampled_from(["0.1", "-0.3", "1e3", "3.0", "inf", "-inf", "nan", "abc", "", " 1", "1e-7", "0x1p4"]),
    st.floats(-1e6, 1e6, width=32).map(repr),
)
FAR = 33_177_117_420_000  # a moment far in the future, in ms


class Machine(RuleBasedStateMachine):
    """The test that runs the machine sets `pair` and `call`."""

    pair: Pair

    def __init__(self) -> None:
        super().__init__()
        self.call("FLUSHALL")

    def call(self, *argv: Argument) -> None:
        self.pair.call(*argv)

    @rule(key=KEYS)
    def look(self, key: str) -> None:
        self.call("TYPE", key)
        self.call("OBJECT", "ENCODING", key)
        self.call("TTL", key)
        self.call("EXISTS", key, key, "other")

    @rule(key=KEYS, other=KEYS, name=st.sampled_from(["RENAME", "RENAMENX", "COPY"]))
    def rename(self, key: str, other: str, name: str) -> None:
        self.call(name, key, other)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3), name=st.sampled_from(["DEL", "UNLINK", "TOUCH", "MGET"]))
    def several(self, keys: list[str], name: str) -> None:
        self.call(name, *keys)

    @rule(
        key=KEYS,
        name=st.sampled_from(["PEXPIREAT", "EXPIREAT"]),
        # Steps of an hour, so that the order of two moments does not depend on the duration of a call.
        hours=st.integers(-3, 3),
        flags=st.lists(st.sampled_from(["NX", "XX", "GT", "LT"]), max_size=2),
    )
    def expire(self, key: str, name: str, hours: int, flags: list[str]) -> None:
        moment = FAR + hours * 3_600_000
        self.call(name, key, moment // 1000 if name == "EXPIREAT" else moment, *flags)
        self.call("PEXPIRETIME", key)

    @rule(key=KEYS, name=st.sampled_from(["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]), when=NUMBERS | WRONG)
    def expire_at_odd_times(self, key: str, name: str, when: Argument) -> None:
        if isinstance(when, int) and 0 < when < 10 and name in ("EXPIRE", "PEXPIRE"):
            when = -when
        self.call(name, key, when)
        self.call("EXISTS", key)

    @rule(key=KEYS)
    def persist(self, key: str) -> None:
        self.call("PERSIST", key)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.call("DEL", key)


class Strings(Machine):
    @rule(key=KEYS, value=VALUES, options=st.lists(st.sampled_from(["NX", "XX", "GET", "KEEPTTL"]), max_size=3))
    def set(self, key: str, value: bytes, options: list[str]) -> None:
        self.call("SET", key, value, *options)
        self.call("GET", key)

    @rule(key=KEYS, value=VALUES)
    def append(self, key: str, value: bytes) -> None:
        self.call("APPEND", key, value)
        self.call("GET", key)
        self.call("STRLEN", key)

    @rule(key=KEYS, offset=st.integers(-2, 50), value=VALUES)
    def setrange(self, key: str, offset: int, value: bytes) -> None:
        self.call("SETRANGE", key, offset, value)
        self.call("GET", key)

    @rule(key=KEYS, start=NUMBERS | WRONG, stop=NUMBERS)
    def getrange(self, key: str, start: Argument, stop: int) -> None:
        self.call("GETRANGE", key, start, stop)

    @rule(key=KEYS, name=st.sampled_from(["INCRBY", "DECRBY"]), by=NUMBERS | WRONG)
    def incrby(self, key: str, name: str, by: Argument) -> None:
        self.call(name, key, by)
        self.call("GET", key)

    @rule(key=KEYS, by=FLOATS)
    def incrbyfloat(self, key: str, by: str) -> None:
        self.call("INCRBYFLOAT", key, by)
        self.call("GET", key)

    @rule(key=KEYS, value=VALUES, name=st.sampled_from(["SETNX", "GETSET"]))
    def set_otherwise(self, key: str, value: bytes, name: str) -> None:
        self.call(name, key, value)

    @rule(key=KEYS, name=st.sampled_from(["GETDEL", "GETEX", "GET", "STRLEN"]))
    def get_otherwise(self, key: str, name: str) -> None:
        self.call(name, key)

    @rule(
        pairs=st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=3),
        name=st.sampled_from(["MSET", "MSETNX"]),
    )
    def mset(self, pairs: list[tuple[str, bytes]], name: str) -> None:
        self.call(name, *(part for pair in pairs for part in pair))

    @rule(key=KEYS, offset=st.integers(-1, 100), bit=st.integers(-1, 2))
    def setbit(self, key: str, offset: int, bit: int) -> None:
        self.call("SETBIT", key, offset, bit)
        self.call("BITCOUNT", key)
        self.call("BITPOS", key, 1)

    @rule(key=KEYS, other=KEYS)
    def lcs(self, key: str, other: str) -> None:
        self.call("LCS", key, other)

    @rule(key=KEYS)
    def other_type(self, key: str) -> None:
        self.call("RPUSH", key, "x")


class Lists(Machine):
    @rule(
        key=KEYS,
        values=st.lists(VALUES, min_size=1, max_size=4),
        name=st.sampled_from(["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]),
    )
    def push(self, key: str, values: list[bytes], name: str) -> None:
        self.call(name, key, *values)
        self.call("LRANGE", key, 0, -1)

    @rule(key=KEYS, count=st.integers(100, 200))
    def push_many(self, key: str, count: int) -> None:
        self.call("RPUSH", key, *(f"element:{number}" for number in range(count)))
        self.call("OBJECT", "ENCODING", key)

    @rule(key=KEYS, name=st.sampled_from(["LPOP", "RPOP"]), count=st.none() | SMALL | WRONG)
    def pop(self, key: str, name: str, count: Argument | None) -> None:
        self.call(name, key, *([] if count is None else [count]))
        self.call("LLEN", key)

    @rule(key=KEYS, start=NUMBERS, stop=NUMBERS, name=st.sampled_from(["LRANGE", "LTRIM"]))
    def span(self, key: str, start: int, stop: int, name: str) -> None:
        self.call(name, key, start, stop)
        self.call("LRANGE", key, 0, -1)

    @rule(key=KEYS, index=SMALL | WRONG, value=VALUES)
    def element(self, key: str, index: Argument, value: bytes) -> None:
        self.call("LINDEX", key, index)
        self.call("LSET", key, index, value)

    @rule(key=KEYS, where=st.sampled_from(["BEFORE", "AFTER", "beside"]), pivot=VALUES, value=VALUES)
    def linsert(self, key: str, where: str, pivot: bytes, value: bytes) -> None:
        self.call("LINSERT", key, where, pivot, value)

    @rule(key=KEYS, count=SMALL | WRONG, value=VALUES)
    def lrem(self, key: str, count: Argument, value: bytes) -> None:
        self.call("LREM", key, count, value)
        self.call("LRANGE", key, 0, -1)

    @rule(key=KEYS, value=VALUES, rank=SMALL, count=SMALL, maxlen=SMALL)
    def lpos(self, key: str, value: bytes, rank: int, count: int, maxlen: int) -> None:
        self.call("LPOS", key, value)
        self.call("LPOS", key, value, "RANK", rank, "COUNT", count, "MAXLEN", maxlen)

    @rule(key=KEYS, other=KEYS, ends=st.tuples(*[st.sampled_from(["LEFT", "RIGHT"])] * 2))
    def lmove(self, key: str, other: str, ends: tuple[str, str]) -> None:
        self.call("LMOVE", key, other, *ends)
        self.call("RPOPLPUSH", other, key)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3), end=st.sampled_from(["LEFT", "RIGHT"]), count=SMALL)
    def lmpop(self, keys: list[str], end: str, count: int) -> None:
        self.call("LMPOP", len(keys), *keys, end, "COUNT", count)

    @rule(key=KEYS, options=st.lists(st.sampled_from(["ALPHA", "DESC", "ASC"]), max_size=2))
    def sort(self, key: str, options: list[str]) -> None:
        self.call("SORT", key, *options)

    @rule(key=KEYS)
    def other_type(self, key: str) -> None:
        self.call("SET", key, "x")


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("machine", [Strings, Lists])
def test_machine(servers: tuple[Server, Server], machine: type[Machine], resp: int) -> None:
    # A new class, so that the runs do not share connections.
    pair = Pair(*servers, resp=resp)
    pair.reset()
    factory = type(machine.__name__, (machine,), {"pair": pair})
    examples = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "100"))
    try:
        run_state_machine_as_test(
            factory,
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        pair.close()
