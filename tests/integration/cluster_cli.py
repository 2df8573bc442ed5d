"""Clusters of all kinds of servers that ``redis-cli --cluster`` manages, their data, and clients that write to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import redis
from redis.cluster import ClusterNode, RedisCluster

from tests.differential.harness import real_redis
from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import client_of, digest, launch, until
from tests.support.ports import free_port
from twisted_redis.keyspace.slots import SLOTS, key_slot

__all__ = ["Nodes", "Writer", "address", "fill", "find_cli", "owners", "run_cli", "tag_of", "writing"]


def find_cli() -> str | None:
    """Returns the path of redis-cli, that of the newest Redis if there are several; None if there is none."""
    server = real_redis()
    beside = None if server is None else str(Path(server).with_name("redis-cli"))
    return beside if beside is not None and os.access(beside, os.X_OK) else shutil.which("redis-cli")


def run_cli(*arguments: object, status: int = 0, stdin: str = 5 * "yes\n") -> str:
    """Runs ``redis-cli --cluster``, which must end with ``status``; returns its output."""
    program = find_cli()
    assert program is not None
    command = [program, "--cluster", *map(str, arguments)]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, errors="replace", timeout=4 * PATIENCE, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == status, output
    return output


def address(server: Server) -> str:
    """Returns the address of a server as redis-cli writes it."""
    return f"127.0.0.1:{server.port}"


def tag_of(slot: int) -> str:
    """Returns a hash tag of a slot."""
    return next(f"{{{number}}}" for number in range(10 * SLOTS) if key_slot(b"%d" % number) == slot)


class Nodes:
    """Servers in cluster mode, which need not form a cluster yet.  ``arguments`` are for the servers."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder = folder
        self._arguments = arguments
        self._numbers = count()
        self.servers: list[Server] = []
        self.clients: list[redis.Redis] = []

    def start(self, kinds: Iterable[str]) -> None:
        """Starts more servers of those kinds."""
        for kind in kinds:
            folder = self._folder / str(next(self._numbers))
            folder.mkdir(parents=True)
            # ``redis-cli --cluster set-timeout`` rewrites the configuration.  The default of the bus port would be
            # 10,000 above the port of the clients, and there may be no such port.
            (folder / "redis.conf").touch()
            server = launch(
                kind, folder, "redis.conf", "--cluster-enabled", "yes", "--cluster-port", str(free_port()),
                "--repl-diskless-sync-delay", "0", *self._arguments,
            )  # fmt: skip
            self.servers.append(server)
            self.clients.append(client_of(server))

    def stop(self) -> None:
        """Ends all servers."""
        self.drop(len(self.servers))

    def drop(self, number: int) -> None:
        """Ends the servers that were started last."""
        for _ in range(number):
            self.clients.pop().close()
            server = self.servers.pop()
            server.process.kill()
            server.process.wait()

    def drop_first(self, number: int) -> None:
        """Ends the servers that were started first."""
        self.servers = self.servers[number:] + self.servers[:number]
        self.clients = self.clients[number:] + self.clients[:number]
        self.drop(number)

    def id_of(self, place: int) -> str:
        """Returns the id of a node."""
        found: str = self.clients[place].execute_command("CLUSTER", "MYID").decode()
        return found

    def cluster(self) -> RedisCluster:
        """Returns a client of the whole cluster."""
        return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", self.servers[0].port)], socket_timeout=PATIENCE)

    def wait_until_up(self, *places: int) -> None:
        """Waits until these nodes, or all, know each other, serve requests, and agree about the slots.

        redis-cli does not wait for all of that, and fails if a node does not know another one yet.
        """
        clients = [self.clients[place] for place in places] if places else self.clients
        names = {self.id_of(place) for place in places or range(len(clients))}
        for client in clients:
            until(lambda each=client: {words[0] for words in lines_of(each)} >= names, "the node knows the others")  # type: ignore[misc]
        for client in clients:
            until(lambda each=client: is_up(each), "the cluster is up")  # type: ignore[misc]
        until(lambda: len({owners(client) for client in clients}) == 1, "the nodes agree about the slots")
        until(lambda: not any(open_slots(client) for client in clients), "no slot is on its way")

    def owner(self, slot: int) -> int:
        """Returns the place of the master that owns a slot."""
        name = next(name for first, last, name in owners(self.clients[0]) if first <= slot <= last)
        return next(place for place in range(len(self.clients)) if self.id_of(place) == name)

    def masters(self) -> list[int]:
        """Returns the places of the masters that have slots."""
        names = {name for _, _, name in owners(self.clients[0])}
        return [place for place in range(len(self.clients)) if self.id_of(place) in names]

    def master_of(self, place: int) -> int | None:
        """Returns the place of the master of a node; None for a master."""
        (name,) = [words[3] for words in lines_of(self.clients[place]) if "myself" in words[2]]
        return next((each for each in range(len(self.clients)) if self.id_of(each) == name), None)

    def contents(self) -> dict[bytes, tuple[bytes, bytes, int]]:
        """Returns the type, the digest and the expiry time (ms) of every key; fails if a master has another's key."""
        found: dict[bytes, tuple[bytes, bytes, int]] = {}
        for place, client in enumerate(self.clients):
            if client.role()[0] != b"master":
                continue
            mine = {slot for first, last, name in owners(client) if name == self.id_of(place)
                    for slot in range(first, last + 1)}  # fmt: skip
            keys = list(client.scan_iter(count=1000))
            pipe = client.pipeline(transaction=False)
            for key in keys:
                assert key_slot(key) in mine, f"{key!r} is in a node that does not own its slot"
                assert key not in found, f"{key!r} is in two nodes"
                pipe.type(key).execute_command("DEBUG", "DIGEST-VALUE", key).pexpiretime(key)
            replies = iter(pipe.execute())
            for key in keys:
                found[key] = (next(replies), next(replies)[0], next(replies))
        return found

    def expect_same_on_replicas(self) -> None:
        """Waits until each replica has the data of its master."""
        for place, client in enumerate(self.clients):
            master = self.master_of(place)
            if master is not None:
                wanted = digest(self.clients[master])
                until(lambda each=client, same=wanted: digest(each) == same, "the replica is like its master")  # type: ignore[misc]

    def empty(self) -> None:
        """Deletes all keys."""
        for place in self.masters():
            self.clients[place].flushall()

    def expect(self, before: dict[bytes, tuple[bytes, bytes, int]]) -> None:
        """Compares the keys that were there before with those of now.  Keys of writers are ignored."""
        now = {key: value for key, value in self.contents().items() if not key.startswith(b"writer")}
        assert now.keys() == before.keys()
        for key, (kind, content, expires) in before.items():
            assert now[key][:2] == (kind, content), key
            # MIGRATE passes on the time that is left, and the way takes a while.
            assert abs(now[key][2] - expires) < 1000 * PATIENCE, key


def is_up(client: redis.Redis) -> bool:
    """Whether a node serves requests, and knows an owner of every slot."""
    info = client.execute_command("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS)


def lines_of(client: redis.Redis) -> list[list[str]]:
    """Returns the words of each line of CLUSTER NODES."""
    text: bytes = client.execute_command("CLUSTER", "NODES")
    return [line.split() for line in text.decode().splitlines()]


def owners(client: redis.Redis) -> tuple[tuple[int, int, str], ...]:
    """Returns the ranges of slots of a node's view, each with the id of its owner."""
    found = []
    for name, *words in lines_of(client):
        for word in words[7:]:
            if not word.startswith("["):
                first, _, last = word.partition("-")
                found.append((int(first), int(last or first), name))
    return tuple(sorted(found))


def open_slots(client: redis.Redis) -> list[str]:
    """Returns the slots that are on their way for a node."""
    return [word for words in lines_of(client) for word in words[8:] if word.startswith("[")]


def fill(cluster: RedisCluster, tags: Iterable[str], *, field_times: bool = True, big: bool = False) -> None:
    """Creates keys of all types and encodings with each of the hash tags."""
    for tag in tags:
        pipe = cluster.pipeline()
        pipe.set(f"{tag}string", bytes(range(256)) * 4)
        pipe.set(f"{tag}number", 12345)
        pipe.set(f"{tag}expires", "x", ex=5000)
        pipe.rpush(f"{tag}list", *range(100))
        pipe.rpush(f"{tag}long list", *(f"element {number} " * 10 for number in range(1000)))
        pipe.expire(f"{tag}long list", 7000)
        pipe.sadd(f"{tag}numbers", *range(50))
        pipe.sadd(f"{tag}set", *(f"member {number}" for number in range(500)))
        pipe.hset(f"{tag}hash", mapping={"a": 1, "b": "two"})
        pipe.hset(f"{tag}large hash", mapping={f"field {number}": number for number in range(600)})
        pipe.zadd(f"{tag}ranking", {"a": 1, "b": 2.5})
        pipe.zadd(f"{tag}large ranking", {f"member {number}": number / 4 for number in range(300)})
        pipe.pfadd(f"{tag}visitors", *range(1000))
        pipe.setbit(f"{tag}bits", 9000, 1)
        pipe.geoadd(f"{tag}places", (1.0, 2.0, "somewhere"))
        for number in range(1, 101):
            pipe.xadd(f"{tag}stream", {"field": number}, id=f"{number}-1")
        pipe.xgroup_create(f"{tag}stream", "group", 0)
        pipe.xreadgroup("group", "consumer", {f"{tag}stream": ">"}, count=10)
        pipe.xack(f"{tag}stream", "group", "1-1")
        if field_times:
            pipe.hset(f"{tag}times", mapping={"a": 1, "b": 2, "c": 3})
            pipe.execute_command("HPEXPIRE", f"{tag}times", 3_000_000, "FIELDS", 1, "a")
        if big:
            pipe.set(f"{tag}big", b"0123456789abcdef" * 131_072)
            pipe.zadd(f"{tag}big ranking", {f"member {number}": number for number in range(20_000)})
        pipe.execute()


class Writer:
    """A client that appends numbers to lists in many slots, each number once."""

    def __init__(self, cluster: RedisCluster, keys: Sequence[str]) -> None:
        self._cluster = cluster
        self.acknowledged = dict.fromkeys(keys, 0)
        #: Errors that it may not see, and how often it had to read the map of the slots again.
        self.errors: list[BaseException] = []
        self.refreshed = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def count(self) -> int:
        """The number of writes so far."""
        return sum(self.acknowledged.values())

    def _run(self) -> None:
        while not self._stopping and not self.errors:
            for key, done in list(self.acknowledged.items()):
                try:
                    length = self._cluster.rpush(key, done)
                    assert length == done + 1
                    self.acknowledged[key] = length
                except AttributeError:
                    # redis-py does not know the new node to which ASK sends it, and has sent nothing.
                    self.refreshed += 1
                    self._cluster.nodes_manager.initialize()
                except BaseException as error:
                    self.errors.append(error)
                    return

    def stop(self) -> None:
        """Stops, and fails if a write has failed."""
        self._stopping = True
        self._thread.join()
        assert not self.errors, self.errors

    def check(self) -> None:
        """Fails unless every write is there once, in order."""
        for key, done in self.acknowledged.items():
            assert self._cluster.lrange(key, 0, -1) == [b"%d" % number for number in range(done)], key


@contextmanager
def writing(nodes: Nodes, tags: Iterable[str]) -> Iterator[Writer]:
    """Lets a client write to many slots, and to those of ``tags``, while the block runs; checks the writes then."""
    with nodes.cluster() as cluster:
        keys = [f"writer{number}" for number in range(40)] + [f"writer{tag}" for tag in tags]
        writer = Writer(cluster, keys)
        try:
            until(lambda: writer.count > 2 * len(keys), "some writes are done")
            yield writer
            before = writer.count
            until(lambda: writer.count > before + 2 * len(keys) or writer.errors, "writes go on")
        finally:
            writer.stop()
        writer.check()
        for key in keys:
            cluster.delete(key)
