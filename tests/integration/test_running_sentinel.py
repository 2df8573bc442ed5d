"""Servers under the sentinels of the library, which answer as a real sentinel does."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from tests.docs.shell import find_redis
from tests.integration.process import PATIENCE
from tests.integration.replicas import until
from tests.support.guard import watch
from tests.support.ports import free_port
from twisted_redis import RunningSentinel, ServerStopped, running_sentinel, running_server, start_sentinel

SENTINEL = find_redis("redis-sentinel") or shutil.which("redis-sentinel")


@pytest.fixture
def group() -> Iterator[RunningSentinel]:
    with running_sentinel(replicas=2, sentinels=2, requirepass="a secret") as running:
        yield running


@pytest.fixture
def finder(group: RunningSentinel) -> Iterator[Sentinel]:
    found = Sentinel(group.sentinels, password=group.password)
    yield found
    for each in found.sentinels:
        each.close()


class Watched(NamedTuple):
    """A sentinel, and the ports of the master and of its replica."""

    client: redis.Redis
    master: int
    replica: int


@pytest.fixture(params=["ours", "real"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """A sentinel that knows one other: of the library, or a real one that watches our servers."""
    if request.param == "ours":
        with running_sentinel(sentinels=2) as group, redis.Redis(*group.sentinels[0]) as client:
            yield Watched(client, int(group.master.port or 0), int(group.replicas[0].port or 0))
        return
    if SENTINEL is None:
        pytest.skip("no redis-sentinel")
    processes = []
    with running_server() as master, running_server(replicaof=f"127.0.0.1 {master.port}") as replica:
        ports = [free_port(), free_port()]
        for port in ports:
            path = tmp_path / f"{port}.conf"
            path.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor mymaster 127.0.0.1 {master.port} 2\n"
            )
            with open(tmp_path / f"{port}.log", "wb") as log:
                command = [SENTINEL, str(path)]
                processes.append(watch(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)))
        with redis.Redis(port=ports[0]) as client:

            def knows_all() -> bool:
                try:
                    state = client.sentinel_master("mymaster")
                    slaves = client.sentinel_slaves("mymaster")
                except redis.ConnectionError:
                    return False
                known = state["num-slaves"] == 1 and state["num-other-sentinels"] == 1
                return known and slaves[0]["master-link-status"] == "ok"

            until(knows_all, "the sentinel knows all")
            yield Watched(client, int(master.port or 0), int(replica.port or 0))
        for process in processes:
            process.kill()
            process.wait(PATIENCE)


COMMON = (
    "name ip port runid flags link-pending-commands link-refcount last-ping-sent last-ok-ping-reply last-ping-reply "
    "down-after-milliseconds"
)
FIELDS = {
    "MASTER": f"{COMMON} info-refresh role-reported role-reported-time config-epoch num-slaves num-other-sentinels "
    "quorum failover-timeout parallel-syncs",
    "REPLICAS": f"{COMMON} info-refresh role-reported role-reported-time master-link-down-time master-link-status "
    "master-host master-port slave-priority slave-repl-offset replica-announced",
    "SENTINELS": f"{COMMON} last-hello-message voted-leader voted-leader-epoch",
}
ERRORS = {
    ("SENTINEL", "MASTER", "none"): "No such master with that name",
    ("SENTINEL", "REPLICAS", "none"): "No such master with that name",
    ("SENTINEL", "SLAVES", "none"): "No such master with that name",
    ("SENTINEL", "SENTINELS", "none"): "No such master with that name",
    ("SENTINEL", "CKQUORUM", "none"): "No such master with that name",
    ("SENTINEL", "FAILOVER", "none"): "No such master with that name",
    ("SENTINEL",): "wrong number of arguments for 'sentinel' command",
    ("SENTINEL", "MASTER"): "wrong number of arguments for 'sentinel|master' command",
    ("SENTINEL", "NOPE"): "unknown subcommand 'NOPE'. Try SENTINEL HELP.",
    ("GET", "k"): "unknown command 'GET', with args beginning with: 'k' ",
    ("SELECT", "0"): "unknown command 'SELECT', with args beginning with: '0' ",
    ("PUBLISH", "c", "m"): "Only HELLO messages are accepted by Sentinel instances.",
}


def test_answers_are_those_of_a_real_sentinel(watched: Watched) -> None:
    client = watched.client

    def ask(*arguments: Any) -> Any:
        # Spaces in the name of a command would have redis-py parse the reply.
        return client.execute_command(*arguments)

    assert client.ping() and ask("ROLE") == [b"sentinel", [b"mymaster"]]
    assert ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster") == [b"127.0.0.1", b"%d" % watched.master]
    assert ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "none") is None
    quorum = b"OK 2 usable Sentinels. Quorum and failover authorization can be reached"
    assert ask("SENTINEL", "CKQUORUM", "mymaster") == quorum
    assert len(ask("SENTINEL", "MYID")) == 40
    assert client.sentinel_get_master_addr_by_name("mymaster")[1] == watched.master

    (master,) = client.sentinel_masters().values()
    (replica,) = client.sentinel_slaves("mymaster")
    (other,) = client.sentinel_sentinels("mymaster")
    for kind, entry in (("MASTER", master), ("REPLICAS", replica), ("SENTINELS", other)):
        assert [name for name in entry if not name.startswith("is_")] == FIELDS[kind].split()
    assert (master["name"], master["ip"], master["port"], master["flags"]) == (
        "mymaster", "127.0.0.1", watched.master, "master",
    )  # fmt: skip
    assert master["quorum"] == 2 and master["num-slaves"] == 1 and master["num-other-sentinels"] == 1
    assert (master["down-after-milliseconds"], master["failover-timeout"]) == (30000, 180000)
    assert replica["name"] == f"127.0.0.1:{watched.replica}" and replica["flags"] == "slave"
    assert replica["master-link-status"] == "ok" and replica["master-port"] == watched.master
    assert replica["role-reported"] == "slave" and replica["slave-priority"] == 100
    assert other["name"] == other["runid"] and other["flags"] == "sentinel"

    for arguments, message in ERRORS.items():
        with pytest.raises(redis.ResponseError) as caught:
            ask(*arguments)
        assert str(caught.value) == message, arguments

    assert client.info("server")["redis_mode"] == "sentinel"
    told = client.info("sentinel")
    assert told["sentinel_masters"] == 1
    assert told["master0"] == {
        "name": "mymaster", "status": "ok", "address": f"127.0.0.1:{watched.master}", "slaves": 1, "sentinels": 2,
    }  # fmt: skip
    hello = ask("HELLO")
    if not isinstance(hello, dict):
        hello = dict(zip(hello[::2], hello[1::2], strict=True))
    assert hello[b"mode"] == b"sentinel" and b"role" not in hello and hello[b"modules"] == []


def events(subscribed: Any) -> Iterator[tuple[str, str]]:
    while (message := subscribed.get_message(timeout=0.2)) is not None:
        yield message["channel"].decode(), message["data"].decode()


def test_a_failover_loses_nothing(group: RunningSentinel, finder: Sentinel) -> None:
    old, (new, other) = group.master, group.replicas
    assert finder.discover_master("mymaster") == (old.host, old.port)
    assert sorted(finder.discover_slaves("mymaster")) == sorted((each.host, each.port) for each in (new, other))
    master, replica = finder.master_for("mymaster"), finder.slave_for("mymaster")
    subscribed = finder.sentinels[0].pubsub(ignore_subscribe_messages=True)
    subscribed.psubscribe("*")
    subscribed.get_message(timeout=PATIENCE)
    with subscribed, master, replica:
        for number in range(100):
            master.set(f"k:{number}", number)
        assert group.failover() is new
        assert group.master is new and finder.discover_master("mymaster") == (new.host, new.port)
        # The same client finds the new master by itself.
        assert master.dbsize() == 100 and master.set("after", 1)
        assert new.execute("GET", "after") == b"1"
        group.wait_until_ok()
        assert replica.get("after") == b"1" and old.execute("GET", "after") == b"1"
        told = list(events(subscribed))
    names = [name for name, _ in told]
    assert names[:2] == ["+new-epoch", "+try-failover"] and names[-3:] == ["+switch-master", "+slave", "+slave"]
    assert ("+switch-master", f"mymaster 127.0.0.1 {old.port} 127.0.0.1 {new.port}") in told
    assert (
        "+promoted-slave",
        f"slave 127.0.0.1:{new.port} 127.0.0.1 {new.port} @ mymaster 127.0.0.1 {old.port}",
    ) in told


def test_a_master_that_is_killed(group: RunningSentinel, finder: Sentinel) -> None:
    old, (new, other) = group.master, group.replicas
    with finder.master_for("mymaster") as master:
        master.set("k", "v")
        group.wait_until_ok()
        group.kill(old)
        with pytest.raises(MasterNotFoundError):
            finder.discover_master("mymaster")
        state = finder.sentinels[0].sentinel_master("mymaster")
        assert state["is_sdown"] and state["is_odown"] and state["flags"] == "s_down,o_down,master,disconnected"
        assert group.failover(other) is other
        assert finder.discover_slaves("mymaster") == [(new.host, new.port)]
        assert master.get("k") == b"v"
        group.restart(old)
        assert sorted(finder.discover_slaves("mymaster")) == sorted((each.host, each.port) for each in (old, new))
        assert old.execute("GET", "k") == b"v"
        group.kill(old)
        group.replicas[1].fail_next("*", times=None)
        group.master.clock.advance(1000)
        group.reset()
        assert all(node.alive for node in group.nodes) and master.dbsize() == 0
        assert abs(group.master.clock.now().timestamp() - time.time()) < 60


def test_a_failover_that_a_client_asks_for(group: RunningSentinel, finder: Sentinel) -> None:
    old = group.master
    assert finder.sentinels[1].execute_command("SENTINEL", "FAILOVER", "mymaster")
    until(lambda: finder.discover_master("mymaster")[1] != old.port, "another server is the master")
    group.wait_until_ok()
    for node in group.replicas:
        group.kill(node)
    with pytest.raises(redis.ResponseError, match="^NOGOODSLAVE No suitable replica to promote$"):
        finder.sentinels[0].execute_command("SENTINEL", "FAILOVER", "mymaster")


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="at least one sentinel"):
        start_sentinel(sentinels=0)
    with pytest.raises(ValueError, match='maxmemory="much"'):
        start_sentinel(maxmemory="much")
    with running_sentinel(replicas=0, name="lone") as group, running_server() as stranger:
        assert repr(group) == "<RunningSentinel lone of 1 servers and 1 sentinels>"
        with pytest.raises(RuntimeError, match="no replica runs"):
            group.failover()
        with pytest.raises(ValueError, match="is not one of the nodes"):
            group.kill(stranger)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="is no replica that runs"):
            group.failover(group.master)
        with pytest.raises(RuntimeError, match="runs already"):
            group.restart(group.master)
        group.kill(group.master)
        with pytest.raises(ServerStopped):
            group.kill(group.master)
    with pytest.raises(ServerStopped):
        group.failover()
    group.stop()
