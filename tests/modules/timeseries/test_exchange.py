"""Files and replicas, in both directions between real Redis with its module and this server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.differential.harness import Server, our_command, real_redis, running
from tests.differential.wire import Wire
from tests.modules.conftest import oracle_options
from tests.modules.timeseries.calls import AGGREGATORS

PATIENCE = 30


class Side:
    """One of the servers, and how to start it."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        program = real_redis()
        if program is None:
            pytest.skip("no redis-server 8: set REDIS_SERVER")
        self.name = name
        self.stack = stack
        self.command = [program] if name == "redis" else our_command()
        self.options = oracle_options() if name == "redis" else []

    def start(self, *options: str, files: dict[str, bytes] | None = None) -> tuple[Server, Wire]:
        server = self.stack.enter_context(running(self.name, self.command, *self.options, *options, files=files))
        wire = Wire(server.port)
        self.stack.callback(wire.close)
        return server, wire


@pytest.fixture(params=["from redis", "to redis"])
def sides(request: pytest.FixtureRequest) -> Iterator[tuple[Side, Side]]:
    oracle_options()
    with ExitStack() as stack:
        pair = Side("redis", stack), Side("ours", stack)
        yield pair if request.param == "from redis" else (pair[1], pair[0])


def fill(wire: Wire) -> list[bytes]:
    """Makes series of both kinds, and a rule with each aggregator. Returns the keys."""
    random = Random(9)
    for number, aggregator in enumerate(AGGREGATORS):
        source, target = b"source:%d" % number, b"target:%d" % number
        encoding = b"UNCOMPRESSED" if number % 3 == 0 else b"COMPRESSED"
        options = (b"CHUNK_SIZE", b"128", b"ENCODING", encoding, b"DUPLICATE_POLICY", b"last")
        assert (
            wire.call(b"TS.CREATE", source, *options, b"RETENTION", b"900000", b"LABELS", b"kind", b"source")
            == b"+OK\r\n"
        )
        assert (
            wire.call(b"TS.CREATE", target, *options, b"IGNORE", b"5", b"1.5", b"LABELS", b"n", b"%d" % number)
            == b"+OK\r\n"
        )
        rule = (b"AGGREGATION", aggregator.encode(), b"1000", b"%d" % (number * 7))
        assert wire.call(b"TS.CREATERULE", source, target, *rule) == b"+OK\r\n"
        moment = 1700000000000
        for _ in range(200):
            moment += random.randint(1, 200)
            late = random.choice([0, 0, 0, 5000])
            wire.call(b"TS.ADD", source, b"%d" % (moment - late), b"%.2f" % random.uniform(-100, 100))
    return [b"%s:%d" % (name, number) for name in (b"source", b"target") for number in range(len(AGGREGATORS))]


def state(wire: Wire, keys: list[bytes]) -> list[bytes]:
    """Everything about the series, and what becomes of them with the next samples."""
    found = []
    for key in keys:
        found.append(wire.call(b"TS.RANGE", key, b"-", b"+", b"LATEST"))
        found.append(wire.call(b"TS.INFO", key, b"DEBUG"))
    found.append(wire.call(b"TS.QUERYINDEX", b"kind=source"))
    found.append(wire.call(b"TS.MGET", b"WITHLABELS", b"FILTER", b"n=(1,2,3)"))
    return found


def go_on(wire: Wire, keys: list[bytes]) -> None:
    for key in keys:
        if key.startswith(b"source"):
            for moment in (1700000100000, 1700000100500, 1700000099000, 1700000102000):
                wire.call(b"TS.ADD", key, b"%d" % moment, b"1.5")


def test_a_file_of_one_server_is_loaded_by_the_other(sides: tuple[Side, Side]) -> None:
    first, second = sides
    server, wire = first.start()
    keys = fill(wire)
    before = state(wire, keys)
    assert wire.call(b"SAVE") == b"+OK\r\n"
    file = (Path(server.log).parent / "dump.rdb").read_bytes()
    _, other = second.start(files={"dump.rdb": file})
    assert state(other, keys) == before
    for one in (wire, other):
        go_on(one, keys)
    assert state(other, keys) == state(wire, keys)


def test_one_server_is_the_replica_of_the_other(sides: tuple[Side, Side]) -> None:
    first, second = sides
    server, wire = first.start()
    keys = fill(wire)
    _, other = second.start("--replicaof", f"127.0.0.1 {server.port}")
    deadline = time.monotonic() + PATIENCE
    while other.call(b"TS.GET", keys[-1]) != wire.call(b"TS.GET", keys[-1]):
        assert time.monotonic() < deadline, other.call(b"INFO", b"replication")
        time.sleep(0.02)
    go_on(wire, keys)
    wire.call(b"TS.ADD", b"new", b"*", b"1")
    wire.call(b"TS.INCRBY", b"new", b"1", b"TIMESTAMP", b"1800000000000")
    wire.call(b"TS.MADD", b"new", b"1900000000000", b"1", b"missing", b"1", b"1", b"new", b"1", b"1")
    wire.call(b"TS.DEL", keys[0], b"1700000000000", b"1700000001000")
    wire.call(b"RENAME", keys[1], b"renamed")
    deadline = time.monotonic() + PATIENCE
    while state(other, [*keys, b"new", b"renamed"]) != state(wire, [*keys, b"new", b"renamed"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
