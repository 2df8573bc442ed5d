"""Data move between this server and its neighbours in both directions: by replication, snapshots and payloads of DUMP.

The neighbours are Redis 8.0, 8.2 and 8.8, and Valkey 9.1. `docs/compatibility.md` has the results as a table.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.differential.harness import real_redis, version_of
from tests.integration.conftest import end
from tests.integration.process import SERVER, Server, start_server
from tests.integration.replicas import client_of, command_of, in_step, link_up, until

#: The variables that name the programs of the neighbours.
PROGRAMS = {"redis-8.2": "REDIS_8_2_SERVER", "redis-8.8": "REDIS_8_8_SERVER", "valkey-9.1": "VALKEY_SERVER"}
NEIGHBOURS = ("redis-8.0", *PROGRAMS)


def program_of(neighbour: str) -> str:
    """Returns the path of a neighbour's program; skips the test if this machine has none."""
    found: str | None
    if neighbour == "valkey-9.1":
        found = (command_of("valkey") or (None,))[0]
    else:
        usual = real_redis()
        minor = tuple(map(int, neighbour.partition("-")[2].split(".")))
        found = (
            usual if usual is not None and version_of(usual) == minor else os.environ.get(PROGRAMS.get(neighbour, ""))
        )
    if found is None:
        pytest.skip(f"no {neighbour}: set {PROGRAMS.get(neighbour, 'REDIS_SERVER')}")
    return found


# The data, by what a server must know to hold it


def fill_types(client: redis.Redis) -> None:
    """Writes every type of Redis 7 in every encoding, with times to live, in two databases, and a library."""
    client.mset({"text": b"\0\xff" * 50, "number": -12, "long": "abc" * 5000})
    client.set("with-ttl", "x", ex=10_000)
    client.setbit("bits", 1000, 1)
    client.pfadd("hll", *range(500))
    client.rpush("list-small", *range(20))
    client.rpush("list-large", *(f"item {number}" * 10 for number in range(2000)))
    client.sadd("set-numbers", *range(100))
    client.sadd("set-small", *"abcdef")
    client.sadd("set-large", *(f"member {number}" for number in range(1000)))
    client.hset("hash-small", mapping={"a": 1, "b": "two"})
    client.hset("hash-large", mapping={f"field {number}": number for number in range(1000)})
    client.zadd("zset-small", {"a": 1.5, "b": float("inf"), "c": -0.1})
    client.zadd("zset-large", {f"member {number}": number / 7 for number in range(1000)})
    for number in range(1, 300):
        client.xadd("stream", {"n": number}, id=f"{number}-1")
    client.xgroup_create("stream", "group", 0)
    client.xreadgroup("group", "consumer", {"stream": ">"}, count=10)
    client.xdel("stream", "5-1", "7-1")
    client.function_load("#!lua name=lib\nredis.register_function('one', function() return 1 end)")
    with other_database(client) as other:
        other.set("elsewhere", "y")


def change_types(client: redis.Redis) -> None:
    """Changes some of these data, as a replica sees it."""
    with client.pipeline() as pipeline:
        pipeline.append("text", "more").incr("number").lpop("list-large", 3).srem("set-numbers", 5)
        pipeline.hset("hash-small", "c", 3).zincrby("zset-large", 2, "member 5").xack("stream", "group", "2-1")
        pipeline.execute()
    client.xadd("stream", {"n": "new"}, id="1000-1")
    client.eval("redis.call('set', KEYS[1], ARGV[1]) return redis.call('expire', KEYS[1], 5000)", 1, "script", "z")
    client.rename("set-small", "renamed")


def fill_fields(client: redis.Redis) -> None:
    """Writes hashes whose fields have times to live."""
    client.hset("fields-small", mapping={"a": 1, "b": 2})
    client.hset("fields-large", mapping={f"field {number}": number for number in range(1000)})
    client.hpexpire("fields-small", 10_000_000, "a")
    client.hpexpire("fields-large", 10_000_000, *(f"field {number}" for number in range(0, 1000, 3)))


def change_fields(client: redis.Redis) -> None:
    """Changes times of fields."""
    client.hpexpire("fields-small", 20_000_000, "b")
    client.hpersist("fields-large", "field 3")
    client.hset("fields-large", "field 6", "without")


def fill_newer(client: redis.Redis) -> None:
    """Writes the types of Redis 8.8."""
    client.execute_command("ARSET", "array", 5, "a", "b", "1.5")
    client.execute_command("XADD", "idempotent", "IDMP", "producer", "one", "*", "a", "b")


def change_newer(client: redis.Redis) -> None:
    """Changes an array and a stream."""
    client.execute_command("ARSET", "array", 2**40, "far")
    client.execute_command("XADD", "idempotent", "IDMP", "producer", "two", "*", "a", "c")


def fill_vectors(client: redis.Redis) -> None:
    """Writes vector sets with each quantisation."""
    for number in range(200):
        values = [str((number * factor) % 17 - 8 + 0.5) for factor in (1, 2, 3, 5)]
        for name, option in (("q8", ()), ("noquant", ("NOQUANT",)), ("bin", ("BIN",))):
            client.execute_command("VADD", name, "VALUES", 4, *values, f"e{number}", *option)
    client.execute_command("VSETATTR", "q8", "e1", '{"year": 1999}')


def change_vectors(client: redis.Redis) -> None:
    """Adds and removes elements."""
    client.execute_command("VADD", "q8", "VALUES", 4, 9, 1, 1, 1, "new")
    client.execute_command("VREM", "q8", "e7")
    client.execute_command("VSETATTR", "q8", "e2", '{"year": 2000}')


# The same data as Python values


@contextlib.contextmanager
def other_database(client: redis.Redis) -> Any:
    """A client of database 3 of the same server."""
    with redis.Redis(port=client.connection_pool.connection_kwargs["port"], db=3, retry=None) as other:
        yield other


def value_of(client: redis.Redis, kind: bytes, key: bytes) -> Any:
    """Returns what the commands of a type read at a key."""

    def ask(*argv: object) -> Any:
        return client.execute_command(*argv)  # type: ignore[arg-type]

    if kind == b"string":
        return ask("GET", key)
    if kind == b"list":
        return ask("LRANGE", key, 0, -1)
    if kind == b"set":
        return sorted(ask("SMEMBERS", key))
    if kind == b"zset":
        return ask("ZRANGE", key, 0, -1, "WITHSCORES")
    if kind == b"stream":
        # Not the names of later fields, which older servers lack.
        pending = [ask("XPENDING", key, group["name"]) for group in client.xinfo_groups(key)]
        return ask("XRANGE", key, "-", "+"), pending, client.xinfo_stream(key)["last-generated-id"]
    if kind == b"array":
        return ask("ARSCAN", key, 0, 2**64 - 2)
    if kind == b"vectorset":
        elements = sorted(ask("VRANDMEMBER", key, ask("VCARD", key)))
        return [(name, ask("VEMB", key, name, "RAW")[:2], ask("VGETATTR", key, name)) for name in elements]
    assert kind == b"hash", kind
    pairs = sorted(client.hgetall(key).items())
    try:
        times = ask("HPEXPIRETIME", key, "FIELDS", len(pairs), *(field for field, _ in pairs))
    except redis.ResponseError:
        times = [-1] * len(pairs)
    return list(zip(pairs, times, strict=True))


def data_of(client: redis.Redis) -> dict[bytes, Any]:
    """Returns all keys of the database with type, time of expiry and value."""
    keys = sorted(client.scan_iter(count=1000))
    found = {key: (client.type(key), client.execute_command("PEXPIRETIME", key)) for key in keys}
    return {key: (kind, when, value_of(client, kind, key)) for key, (kind, when) in found.items()}


def all_data(client: redis.Redis) -> tuple[Any, ...]:
    """Returns the data of both databases, and the libraries."""
    with other_database(client) as other:
        libraries = sorted(library[b"library_name"] for library in client.execute_command("FUNCTION", "LIST"))
        return data_of(client), data_of(other), libraries


# The ways


def by_replication(source: Server, start: Callable[..., Server], change: Callable[[redis.Redis], None]) -> Server:
    """A replica loads the snapshot and follows the changes."""
    replica = start("--replicaof", f"127.0.0.1 {source.port}")
    client, follower = client_of(source), client_of(replica)
    link_up(follower)
    change(client)
    in_step(client, follower)
    return replica


def by_file(source: Server, start: Callable[..., Server], change: Callable[[redis.Redis], None]) -> Server:
    """The other server starts with the snapshot."""
    client = client_of(source)
    change(client)
    client.save()
    return start(files=[source.folder / "dump.rdb"])


def by_log(source: Server, start: Callable[..., Server], change: Callable[[redis.Redis], None]) -> Server:
    """The other server starts with the append-only files: a base, and the changes behind it."""
    client = client_of(source)
    client.config_set("appendfsync", "always")
    client.config_set("appendonly", "yes")
    until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the base is written")
    change(client)
    return start("--appendonly", "yes", files=(source.folder / "appendonlydir",))


def by_dump(source: Server, start: Callable[..., Server], change: Callable[[redis.Redis], None]) -> Server:
    """The payloads of DUMP are restored, and those of the libraries."""
    client = client_of(source)
    change(client)
    target = start()
    with other_database(client) as other, other_database(client_of(target)) as other_target:
        for here, there in ((client, client_of(target)), (other, other_target)):
            for key in here.scan_iter(count=1000):
                when = max(0, here.execute_command("PEXPIRETIME", key))
                there.execute_command("RESTORE", key, when, here.dump(key), "ABSTTL")
    client_of(target).execute_command("FUNCTION", "RESTORE", client.execute_command("FUNCTION", "DUMP"))
    return target


WAYS = {"replication": by_replication, "file": by_file, "log": by_log, "dump": by_dump}
DATA = {
    "types": (fill_types, change_types),
    "fields": (fill_fields, change_fields),
    "newer": (fill_newer, change_newer),
    "vectors": (fill_vectors, change_vectors),
}


def crosses(neighbour: str, direction: str, data: str, way: str) -> bool | None:
    """Returns whether the data arrive. None: one of the servers cannot hold them."""
    if data == "newer" and neighbour != "redis-8.8":
        return None
    if neighbour != "valkey-9.1":
        return True
    if data == "vectors":
        return None
    if data == "fields":
        return direction == "from" or way == "replication"
    return True


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("direction", ["from", "to"])
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_data_that_move(tmp_path: Path, neighbour: str, direction: str, data: str, way: str) -> None:
    expected = crosses(neighbour, direction, data, way)
    if expected is None:
        pytest.skip(f"{neighbour} has no such data")
    commands = [(program_of(neighbour),), SERVER]
    if direction == "to":
        commands.reverse()
    fill, change = DATA[data]
    with ExitStack() as stack:

        def begin(*options: str, files: tuple[Path, ...] = (), command: tuple[str, ...] = commands[1]) -> Server:
            folder = tmp_path / f"server-{command is commands[0]}"
            folder.mkdir()
            for file in files:
                if file.is_dir():
                    shutil.copytree(file, folder / file.name)
                else:
                    shutil.copy(file, folder)
            options = ("--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", *options)
            server = start_server(*options, folder=folder, command=command)
            stack.callback(end, server)
            return server

        source = begin(command=commands[0])
        fill(client_of(source))
        if not expected:
            with pytest.raises((redis.RedisError, AssertionError)):
                WAYS[way](source, begin, change)
            return
        target = WAYS[way](source, begin, change)
        assert all_data(client_of(target)) == all_data(client_of(source))
