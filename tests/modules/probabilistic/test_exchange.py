"""Files and replication between real Redis with its module and this server, in both directions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.differential.harness import Server, our_command, real_redis, running
from tests.differential.wire import Wire
from tests.modules.conftest import PLAIN, oracle_options
from tests.modules.probabilistic.calls import Calls
from tests.modules.probabilistic.dumps import contents

FAMILIES = ("bf", "cf", "cms", "topk", "tdigest")
#: Starts a server with more options.
Start = Callable[..., AbstractContextManager[Server]]


def oracle(*options: str, files: dict[str, bytes] | None = None) -> AbstractContextManager[Server]:
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER")
    return running("oracle", [program], *PLAIN, *oracle_options(), *options, files=files)


def ours(*options: str, files: dict[str, bytes] | None = None) -> AbstractContextManager[Server]:
    oracle_options()  # skips the test without an oracle
    return running("ours", our_command(), *PLAIN, *options, files=files)


DIRECTIONS = {"to us": (oracle, ours), "to redis": (ours, oracle)}


@contextmanager
def connected(server: Server) -> Iterator[Wire]:
    wire = Wire(server.port)
    try:
        yield wire
    finally:
        wire.close()


def fill(wire: Wire, seed: int) -> None:
    """Makes sketches of all families."""
    for family in FAMILIES:
        calls = Calls(seed, family)
        for _ in range(300):
            wire.call(*calls.one())
    # Real Redis fails at the empty item of a Top-K sketch that it has loaded, and cuts items off at zero bytes.
    for key in Calls(seed, "topk").keys:
        wire.call(b"DEL", key)
        wire.call(b"TOPK.RESERVE", key, b"3", b"8", b"3", b"1")
        for number in range(50):
            wire.call(b"TOPK.ADD", key, b"item:%d" % (number * number % 11))


def write(wire: Wire) -> None:
    """Changes sketches of all families. It asks nothing, since a question compresses a t-digest on one server only."""
    names = (b".ADD", b"ADDNX", b"INSERT", b"INSERTNX", b"RESERVE", b"INCRBY", b"MERGE", b".DEL", b"COMPACT", b"CREATE")
    for family in FAMILIES:
        calls = Calls(5, family)
        if family == "topk":
            # In real Redis, counters of a sketch that was loaded decay no more.
            calls.keys = [b"new " + key for key in calls.keys]
        for _ in range(600):
            call = calls.one()
            if call[0].upper().endswith(names) and b"\0" not in b"".join(call):
                wire.call(*call)


def until_equal(one: Wire, other: Wire) -> None:
    """Waits until two servers hold the same; asserts that in the end."""
    deadline = time.monotonic() + 60
    while contents(one) != contents(other) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert contents(one) == contents(other)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_snapshot_is_loaded(direction: str) -> None:
    writer, reader = DIRECTIONS[direction]
    with writer() as server, connected(server) as wire:
        fill(wire, 1)
        expected = contents(wire)
        assert wire.call(b"SAVE") == b"+OK\r\n"
        snapshot = (server.log.parent / "dump.rdb").read_bytes()
    assert len(expected) > 10
    with reader(files={"dump.rdb": snapshot}) as server, connected(server) as wire:
        assert contents(wire) == expected


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_append_only_file_is_loaded(direction: str, preamble: str, tmp_path: Path) -> None:
    writer, reader = DIRECTIONS[direction]
    options = ("--dir", str(tmp_path), "--appendonly", "yes", "--aof-use-rdb-preamble", preamble)
    with writer(*options) as server, connected(server) as wire:
        fill(wire, 2)
        # A dump compresses t-digests. So the process that writes the file finds nothing left to compress.
        contents(wire)
        wire.call(b"BGREWRITEAOF")
        deadline = time.monotonic() + 60
        while b"aof_rewrite_in_progress:0" not in wire.call(b"INFO", b"persistence") and time.monotonic() < deadline:
            time.sleep(0.1)
        write(wire)
        expected = contents(wire)
    with reader(*options) as server, connected(server) as wire:
        assert contents(wire) == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_replication(direction: str) -> None:
    starts = DIRECTIONS[direction]
    with starts[0]() as master, starts[1]() as replica, connected(master) as one, connected(replica) as other:
        fill(one, 4)
        contents(one)
        assert other.call(b"REPLICAOF", b"127.0.0.1", b"%d" % master.port) == b"+OK\r\n"
        deadline = time.monotonic() + 60
        while b"master_link_status:up" not in other.call(b"INFO", b"replication") and time.monotonic() < deadline:
            time.sleep(0.1)
        until_equal(one, other)
        write(one)
        assert one.call(b"WAIT", b"1", b"20000") == b":1\r\n"
        until_equal(one, other)
