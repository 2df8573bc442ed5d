"""MIGRATE between the nodes of a cluster: the answers in each state of a slot, and targets that fail on the way."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.cluster_cli import Nodes, address, fill, find_cli, run_cli, tag_of, writing
from tests.integration.replicas import Cut, has

pytestmark = pytest.mark.skipif(find_cli() is None, reason="needs redis-cli")

SLOT = 0
TAG = tag_of(SLOT)


@contextlib.contextmanager
def three_masters(folder: Path, *kinds: str) -> Iterator[Nodes]:
    for kind in kinds:
        if not has(kind):
            pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
    nodes = Nodes(folder, "--cluster-node-timeout", "10000")
    try:
        nodes.start(kinds)
        run_cli("create", *map(address, nodes.servers), "--cluster-yes")
        nodes.wait_until_up()
        yield nodes
        for server, kind in zip(nodes.servers, kinds, strict=True):
            assert kind != "ours" or "Traceback" not in server.output
    finally:
        nodes.stop()


#: The node (0 or 1) and the calls of one connection.  ``@0`` is the port of a node, ``#0`` its id, and ``key:`` is in
#: the slot.  The node 0 has the slot.
CALLS = """
0 SET key:a va | SET key:b vb | SET key:c vc | SET key:d vd | SET key:e ve | SET key:f vf
0 MIGRATE 127.0.0.1 @1 key:a 0 1000
0 MIGRATE 127.0.0.1 @1 '' 0 1000 KEYS key:a key:b
0 MIGRATE 127.0.0.1 @1 '' 0 1000 KEYS key:a other
0 MIGRATE 127.0.0.1 @1 other 0 1000
0 MIGRATE 127.0.0.1 @1 key:none 0 1000
1 MIGRATE 127.0.0.1 @0 key:a 0 1000
0 MIGRATE 127.0.0.1 @1 key:a 1 1000
1 CLUSTER SETSLOT 0 IMPORTING #0
1 GET key:a
1 ASKING | GET key:a | GET key:a
1 ASKING | SET key:t 1
1 ASKING | MGET key:t key:a
1 ASKING | MSET key:t 1 key:a 2
1 ASKING | DEL key:t
1 ASKING | MULTI | SET key:t 1 | EXEC
1 MULTI | SET key:t 1 | EXEC
1 ASKING | DEL key:t
0 MIGRATE 127.0.0.1 @1 key:a 0 1000 | EXISTS key:a | GET key:a
1 ASKING | GET key:a
0 CLUSTER SETSLOT 0 MIGRATING #1
0 GET key:a | MGET key:a key:b | MGET key:a key:none | SET key:new 1 | EXISTS key:b
0 MULTI | GET key:b | GET key:a | EXEC
0 MIGRATE 127.0.0.1 @1 '' 0 1000 KEYS key:a key:b key:c
1 ASKING | SET key:d busy
0 MIGRATE 127.0.0.1 @1 '' 0 1000 KEYS key:d key:e
0 EXISTS key:d | EXISTS key:e
1 ASKING | EXISTS key:e | ASKING | GET key:d
0 MIGRATE 127.0.0.1 @1 key:d 0 1000 COPY
0 MIGRATE 127.0.0.1 @1 key:d 0 1000 COPY REPLACE | GET key:d
1 ASKING | GET key:d
0 MIGRATE 127.0.0.1 @1 '' 0 1000 COPY REPLACE KEYS key:d key:f key:none | MGET key:d key:f
1 CONFIG SET requirepass secret
0 MIGRATE 127.0.0.1 @1 key:f 0 1000 REPLACE
0 MIGRATE 127.0.0.1 @1 key:f 0 1000 REPLACE AUTH wrong
0 MIGRATE 127.0.0.1 @1 key:f 0 1000 REPLACE AUTH2 default wrong | EXISTS key:f
0 MIGRATE 127.0.0.1 @1 key:f 0 1000 REPLACE AUTH secret | EXISTS key:f
1 AUTH secret | CONFIG SET requirepass ''
1 RESTORE key:z 0 x
1 RESTORE-ASKING key:z 0 x
0 CLUSTER SETSLOT 0 NODE #1
0 MIGRATE 127.0.0.1 @1 key:d 0 1000 REPLACE | CLUSTER COUNTKEYSINSLOT 0
1 CLUSTER SETSLOT 0 NODE #1
0 CLUSTER SETSLOT 0 NODE #1 | GET key:a | MIGRATE 127.0.0.1 @1 key:d 0 1000
1 GET key:a | CLUSTER COUNTKEYSINSLOT 0
"""


def answers(nodes: Nodes) -> list[tuple[str, object]]:
    """Returns the answers to all calls, in which ports and ids are replaced again."""
    names = {f"@{place}": str(nodes.servers[place].port) for place in range(3)}
    names |= {f"#{place}": nodes.id_of(place) for place in range(3)} | {"key:": TAG, "''": ""}
    found: list[tuple[str, object]] = []
    for line in CALLS.strip().splitlines():
        place, calls = line.split(" ", 1)
        port = nodes.servers[int(place)].port
        with redis.Redis(port=port, protocol=2, driver_info=None, retry=None) as client:  # type: ignore[arg-type]
            connection = client.connection_pool.get_connection()
            for call in calls.split(" | "):
                words = call.split(" ")
                for name, value in names.items():
                    words = [word.replace(name, value) for word in words]
                connection.send_command(*words)
                try:
                    answer = repr(connection.read_response())
                except redis.ResponseError as error:
                    answer = f"{type(error).__name__}: {error}"
                for name, value in names.items():
                    answer = answer.replace(value, name) if value else answer
                found.append((f"{place} {call}", answer))
    return found


def test_the_answers_are_those_of_redis(tmp_path: Path) -> None:
    with three_masters(tmp_path / "redis", *["redis-8"] * 3) as nodes:
        expected = answers(nodes)
    with three_masters(tmp_path / "ours", *["ours"] * 3) as nodes:
        assert answers(nodes) == expected


@pytest.mark.parametrize("kinds", [("ours", "ours", "ours"), ("ours", "redis-8", "ours"), ("redis-8", "ours", "ours")])
def test_nothing_is_lost_when_the_way_fails(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """A slot goes to a node that stops, over connections that break, and back, while a client writes to its keys."""
    with three_masters(tmp_path, *kinds) as nodes, nodes.cluster() as cluster:
        fill(cluster, [TAG], big=True)
        before = nodes.contents()
        with writing(nodes, [f"{TAG}{number}" for number in range(10)]):
            for source, target in ((0, 1), (1, 0)):
                move_over_bad_ways(nodes, source, target)
        nodes.expect(before)


def move_over_bad_ways(nodes: Nodes, source: int, target: int) -> None:
    here, there = nodes.clients[source], nodes.clients[target]
    there.execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", nodes.id_of(source))
    here.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", nodes.id_of(target))
    port = nodes.servers[target].port
    broken = 0
    # Each connection breaks in the middle of the answers, or of the requests.
    for after in (0, 5, 10, 60):
        way = Cut(port)
        way.after = after
        try:
            broken += not migrate(here, way.port, timeout=2000)
        finally:
            way.close()
    # The other node stops, and takes the keys only when nobody waits for them any more.
    nodes.servers[target].signal(signal.SIGSTOP)
    later = threading.Timer(1, nodes.servers[target].signal, [signal.SIGCONT])
    later.start()
    try:
        broken += not migrate(here, port, timeout=200)
    finally:
        later.join()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broken += not migrate(here, silent.getsockname()[1], timeout=100)
    assert broken >= 4
    while here.execute_command("CLUSTER", "COUNTKEYSINSLOT", SLOT):
        migrate(here, port, timeout=5000)
        time.sleep(0.01)
    for place in (target, source, 2):
        nodes.clients[place].execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", nodes.id_of(target))


def migrate(client: redis.Redis, port: int, timeout: int) -> bool:
    """Sends some keys of the slot to a port; returns True if that has worked."""
    keys = client.execute_command("CLUSTER", "GETKEYSINSLOT", SLOT, 12)
    try:
        client.execute_command("MIGRATE", "127.0.0.1", port, "", 0, timeout, "REPLACE", "KEYS", *keys)
    except redis.ResponseError as error:
        if not str(error).startswith("IOERR "):
            raise
        return False
    return True
