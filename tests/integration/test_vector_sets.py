"""Vector sets move from real Redis to this server and back: to replicas, in files, and as payloads of DUMP."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.differential.harness import real_redis, version_of
from tests.integration.conftest import end
from tests.integration.process import SERVER, start_server
from tests.integration.replicas import in_step, until

KINDS = ("Q8", "NOQUANT", "BIN")
DIMENSION = 40
COUNT = 400

Start = Callable[..., redis.Redis]


@pytest.fixture(params=["from redis", "to redis"])
def direction(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start(direction: str, tmp_path: Path) -> Iterator[Start]:
    """A function ``start(number, *options)``. One of the servers 1 and 2 is real Redis, and the other one is ours."""
    program = real_redis()
    if program is None or version_of(program) < (8, 0):
        pytest.skip("no redis-server 8: set REDIS_SERVER")
    commands = ((program,), SERVER) if direction == "from redis" else (SERVER, (program,))
    with ExitStack() as stack:

        def begin(number: int, *options: str) -> redis.Redis:
            server = start_server(
                *("--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", *options),
                folder=tmp_path / str(number),
                command=commands[number - 1],
            )
            stack.callback(end, server)
            return stack.enter_context(redis.Redis(port=server.port, protocol=2))

        yield begin


class Vectors:
    """Random vectors around a few centres."""

    def __init__(self) -> None:
        self._random = random.Random(3)
        self._centres = [[self._random.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(12)]

    def one(self) -> bytes:
        """Returns the next vector as FP32 takes it."""
        centre = self._random.choice(self._centres)
        return struct.pack(f"<{DIMENSION}f", *(part + self._random.gauss(0, 0.4) for part in centre))


def fill(client: redis.Redis, vectors: Vectors) -> None:
    """Adds vector sets of all kinds, some elements with attributes."""
    pipeline = client.pipeline(transaction=False)
    for number in range(COUNT):
        more = ("SETATTR", f'{{"n":{number}}}') if number % 3 else ()
        for kind in KINDS:
            pipeline.execute_command("VADD", kind, "FP32", vectors.one(), f"e{number}", kind, *more)
        if number < 50:
            pipeline.execute_command("VADD", "reduced", "REDUCE", 9, "FP32", vectors.one(), f"e{number}", "M", 8)
    pipeline.execute_command("VADD", "one", "VALUES", 2, 1, "-0.5", "only")
    pipeline.execute()


def change(client: redis.Redis, vectors: Vectors, updates: bool) -> None:
    """Adds, removes and changes elements; gives some another vector, which Redis does not propagate, if ``updates``."""
    for number in range(20):
        client.execute_command("VADD", "Q8", "FP32", vectors.one(), f"new{number}", "CAS")
        client.execute_command("VREM", "NOQUANT", f"e{number}")
        client.execute_command("VSETATTR", "BIN", f"e{number}", "" if number % 2 else "changed")
        if updates:
            client.execute_command("VADD", "Q8", "FP32", vectors.one(), f"e{number}", "SETATTR", "moved")
    client.execute_command("VREM", "one", "only")


def state(client: redis.Redis) -> list[Any]:
    """All that must be equal."""
    keys = sorted(client.keys())
    found = [keys, client.execute_command("DEBUG DIGEST-VALUE", *keys)]
    for key in keys:
        found.append(client.execute_command("VEMB", key, "e30", "RAW"))
        info = client.execute_command("VINFO", key)
        found.append([info[place + 1] for place in (0, 2, 4, 6, 8, 12)])
    return found


def searches(here: redis.Redis, there: redis.Redis, vectors: Vectors) -> None:
    """Both must find nearly the same, although only Redis follows links."""
    for kind in ("Q8", "NOQUANT"):
        equal = 0
        for _ in range(30):
            query = ("VSIM", kind, "FP32", vectors.one())
            equal += len(set(here.execute_command(*query)) & set(there.execute_command(*query)))
        assert equal > 0.93 * 300, kind
        with_filter = ("VSIM", kind, "ELE", "e100", "FILTER", ".n % 2 == 0", "TRUTH", "WITHSCORES")
        assert names(here.execute_command(*with_filter)) == names(there.execute_command(*with_filter))


def names(reply: list[bytes]) -> list[tuple[bytes, Any]]:
    """Elements with their approximate scores."""
    return [(name, pytest.approx(float(score), abs=1e-6)) for name, score in zip(reply[::2], reply[1::2], strict=True)]


def test_replicas(start: Start, direction: str) -> None:
    vectors = Vectors()
    master, replica = start(1), start(2)
    fill(master, vectors)
    replica.replicaof("127.0.0.1", master.connection_pool.connection_kwargs["port"])
    in_step(master, replica)
    assert state(replica) == state(master)
    searches(master, replica, vectors)
    change(master, vectors, updates=direction == "to redis")
    in_step(master, replica)
    assert state(replica) == state(master)
    searches(master, replica, vectors)


@pytest.mark.parametrize("options", [(), ("yes", "yes"), ("yes", "no")], ids=["rdb", "aof", "aof without preamble"])
def test_files(start: Start, direction: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    if direction == "from redis" and options[1:] == ("no",):
        pytest.skip("Redis crashes when it writes such a file")
    vectors = Vectors()
    arguments = ("--appendonly", options[0], "--aof-use-rdb-preamble", options[1]) if options else ()
    first = start(1, *arguments)
    fill(first, vectors)
    if options:
        first.bgrewriteaof()
        until(lambda: not first.info("persistence")["aof_rewrite_in_progress"], "the rewrite ends")
        assert first.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    change(first, vectors, updates=direction == "to redis")
    if not options:
        first.save()
    expected = state(first)
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    second = start(2, *arguments)
    assert state(second) == expected
    searches(first, second, vectors)


def test_payloads(start: Start) -> None:
    vectors = Vectors()
    first, second = start(1), start(2)
    fill(first, vectors)
    for key in first.scan_iter():
        second.restore(key, 0, first.dump(key))
    assert state(second) == state(first)
    # The receiver changes what it has got, and hands it back.
    change(second, vectors, updates=True)
    first.flushall()
    for key in second.scan_iter():
        first.restore(key, 0, second.dump(key))
    assert state(first) == state(second)
    searches(first, second, vectors)
