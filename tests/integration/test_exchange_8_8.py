"""The data types and options that Redis has had since 8.2 move from real Redis 8.8 to this server and back.

They move to a replica, as a file, and as a payload of DUMP.
"""

from __future__ import annotations

import shutil
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

pytestmark = pytest.mark.filterwarnings("ignore:Call to .*experimental:UserWarning")

Start = Callable[..., redis.Redis]
ARRAYS = ["small", "dense", "sparse", "numbers", "far", "ring"]
STREAMS = ["plain", "idempotent", "grouped"]
UNSHARED = {b"seen-time", b"active-time", b"iids-duplicates"}
"""Fields of XINFO that replicas or files do not carry: times, and a number that a rewrite of the AOF loses."""


@pytest.fixture(params=["from redis", "to redis"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """A function ``start(number, *options)``. One of the servers 1 and 2 is real Redis, and the other one is ours."""
    program = real_redis()
    if program is None or version_of(program) < (8, 8):
        pytest.skip("no redis-server 8.8: set REDIS_SERVER")
    commands = ((program,), SERVER) if request.param == "from redis" else (SERVER, (program,))
    with ExitStack() as stack:

        def begin(number: int, *options: str) -> redis.Redis:
            server = start_server(
                *("--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", *options),
                folder=tmp_path / str(number),
                command=commands[number - 1],
            )
            stack.callback(end, server)
            return stack.enter_context(redis.Redis(port=server.port))

        yield begin


def fill(client: redis.Redis) -> None:
    """Writes arrays of all forms, and streams with everything that the group may hold."""
    client.arset("small", 0, "a", "", b"\0\xff\r\n", "x" * 10_000)
    client.arset("dense", 4000, *(f"value {number}" for number in range(5000)))
    client.armset("sparse", {number * number: f"v{number}" for number in range(1, 300)})
    client.arset("numbers", 7, 0, -1, 2**63 - 1, -(2**63), 2**63, "1.5", "-0", "1e5", "0.1", "007", 3.0, "inf")
    client.armset("far", {0: "first", 2**40: "middle", 2**64 - 2: "last"})
    client.arring("ring", 5, *range(12))
    for number in range(1, 400):
        client.xadd("grouped", {"n": number}, id=f"{number}-0")
        client.xadd("plain", {"n": number}, id=f"{number}-1")
    client.xgroup_create("grouped", "g", 0)
    client.xreadgroup("g", "alice", {"grouped": ">"}, count=30)
    client.xnack("grouped", "g", "FAIL", "5-0", "3-0", "7-0")
    client.xnack("grouped", "g", "FATAL", "9-0")
    client.xdelex("grouped", "1-0", "11-0", ref_policy="DELREF")
    for _ in range(2):
        client.xadd("idempotent", {"a": 1}, idmp=("producer", b"one"))
        client.xadd("idempotent", {"a": 2, "b": 3}, idmpauto="other")


def change(client: redis.Redis) -> None:
    """Changes all those values."""
    client.arset("small", 2, "c", 17)
    client.ardel("dense", 4001, 4003)
    client.ardelrange("dense", (6000, 8500))
    client.ardelrange("sparse", (0, 10_000))
    client.arinsert("numbers", "inserted", 1)
    client.arseek("far", 2**50)
    client.arinsert("far", "here")
    client.arring("ring", 3, "a", "b")
    client.arlastitems("ring", 2)
    client.copy("dense", "copied")
    client.rename("copied", "renamed")
    client.xreadgroup("g", "bob", {"grouped": ">"}, count=4, claim_min_idle_time=0)
    client.xnack("grouped", "g", "SILENT", "13-0", "15-0")
    client.xtrim("grouped", maxlen=300, approximate=False, ref_policy="ACKED")
    client.xackdel("grouped", "g", "17-0", ref_policy="DELREF")
    client.xcfgset("plain", idmp_duration=7, idmp_maxsize=9)
    client.xadd("idempotent", {"a": 1}, idmp=("producer", b"one"))
    client.xadd("idempotent", {"a": 1}, idmp=("producer", b"two"))
    client.increx("counter", byint=5, ex=1000)
    client.msetex({"a": 1, "b": 2}, ex=1000)
    client.set("a", 3, ifeq="1")
    client.delex("b", ifeq="2")


def state(client: redis.Redis, *forms: str) -> dict[str, Any]:
    """All that can be read, without times.

    Pass FULL to see the forms of the slices of arrays too; loading chooses them afresh.
    """
    client.response_callbacks.clear()

    def ask(*argv: object) -> Any:
        return client.execute_command(*argv)  # type: ignore[arg-type]

    # For a digest, Redis looks at each index below the length: that would take years for the array "far".
    found: dict[str, Any] = {
        "digests": ask("DEBUG", "DIGEST-VALUE", *(key for key in ARRAYS + STREAMS if key != "far")),
        "keys": sorted(ask("KEYS", "*")),
    }
    for key in ARRAYS:
        found[key] = (
            ask("ARINFO", key, *forms),
            ask("ARNEXT", key),
            ask("ARSCAN", key, 0, 2**64 - 2),
            ask("ARLASTITEMS", key, 5),
        )
    for key in STREAMS:
        found[key] = (without_times(ask("XINFO", "STREAM", key, "FULL", "COUNT", 0)), ask("XRANGE", key, "-", "+"))
    return found


def without_times(reply: Any) -> Any:
    """XINFO's reply without the times at which consumers and entries were seen."""
    if isinstance(reply, dict):
        return {name: without_times(value) for name, value in reply.items() if name not in UNSHARED}
    if isinstance(reply, list):
        if len(reply) in (3, 4) and isinstance(reply[0], bytes) and b"-" in reply[0]:
            return [item for item in reply if not isinstance(item, int) or item < 10**12]
        return [without_times(item) for item in reply]
    return reply


def in_resp3(client: redis.Redis) -> redis.Redis:
    """Another client of the same server."""
    return redis.Redis(port=client.connection_pool.connection_kwargs["port"], protocol=3)


def test_replicas(start: Start) -> None:
    master, replica = start(1), start(2)
    fill(master)
    replica.replicaof("127.0.0.1", master.connection_pool.connection_kwargs["port"])
    in_step(master, replica)
    with in_resp3(replica) as copied, in_resp3(master) as original:
        assert state(copied, "FULL") == state(original, "FULL")
        change(master)
        in_step(master, replica)
        assert state(copied, "FULL") == state(original, "FULL")
        assert master.ttl("counter") > 0 < replica.ttl("counter")


@pytest.mark.parametrize("options", [(), ("yes", "yes"), ("yes", "no")], ids=["rdb", "aof", "aof without preamble"])
def test_files(start: Start, tmp_path: Path, options: tuple[str, ...]) -> None:
    arguments = ("--appendonly", options[0], "--aof-use-rdb-preamble", options[1]) if options else ()
    first = start(1, *arguments)
    fill(first)
    if options:
        first.bgrewriteaof()
        until(lambda: not first.info("persistence")["aof_rewrite_in_progress"], "the rewrite ends")
        assert first.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    change(first)
    if not options:
        first.save()
    with in_resp3(first) as client:
        expected = state(client)
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    second = start(2, *arguments)
    with in_resp3(second) as client:
        assert state(client) == expected


def test_payloads(start: Start) -> None:
    first, second = start(1), start(2)
    fill(first)
    change(first)
    for key in first.scan_iter():
        second.restore(key, max(first.pttl(key), 0), first.dump(key))
    with in_resp3(first) as there, in_resp3(second) as here:
        assert state(here) == state(there)
