"""Real client libraries: each subscribes, pipelines, uses TLS and logs in as an ACL user."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.integration.packages import NODE_CLIENTS, node_with
from tests.integration.process import PATIENCE

pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)

from tests.integration.secure import TlsServer
from tests.support.tools import needs_cli_with_tls

USER = {"username": "alice", "password": "wonder land"}
#: How a client connects: with or without TLS and a certificate, as the default user or as an ACL user.
WAYS = pytest.mark.parametrize(
    ("tls", "user"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["plain", "tls", "acl", "tls-acl"],
)
PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    found = TlsServer(tmp_path_factory.mktemp("server"))
    found.plain.execute_command("ACL", "SETUSER", USER["username"], "on", f">{USER['password']}", "~*", "&*", "+@all")
    yield found
    found.end()


@pytest.fixture(autouse=True)
def _empty(server: TlsServer) -> None:
    server.plain.flushall()


def options(server: TlsServer, tls: bool, user: bool, protocol: int) -> dict[str, Any]:
    """Returns the arguments for redis-py."""
    given: dict[str, Any] = {"protocol": protocol, "decode_responses": True}
    given |= {"port": server.port, **server.trust} if tls else {"port": server.server.port}
    return given | USER if user else given


# redis-py


@WAYS
@PROTOCOLS
def test_redis_py(server: TlsServer, tls: bool, user: bool, protocol: int) -> None:
    with redis.Redis(**options(server, tls, user, protocol)) as client:
        assert client.acl_whoami() == (USER["username"] if user else "default")
        with client.pipeline(transaction=False) as pipe:
            for number in range(1000):
                pipe.set(f"k:{number}", number)
            assert pipe.execute() == [True] * 1000
        with client.pipeline() as pipe:
            assert pipe.incr("n").hset("h", mapping={"a": 1}).hgetall("h").execute() == [1, 1, {"a": "1"}]
        with client.pubsub() as pubsub:
            pubsub.subscribe("news")
            pubsub.psubscribe("w*")
            assert [pubsub.get_message(timeout=PATIENCE)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
            assert client.publish("news", "hello") == 1
            assert client.publish("weather", "rain") == 1
            assert pubsub.get_message(timeout=PATIENCE)["data"] == "hello"
            heard = pubsub.get_message(timeout=PATIENCE)
            assert (heard["pattern"], heard["channel"], heard["data"]) == ("w*", "weather", "rain")


@asynccontextmanager
async def connected(given: dict[str, Any]) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis(**given)
    try:
        yield client
    finally:
        await client.aclose()


@WAYS
@PROTOCOLS
def test_redis_py_asyncio(server: TlsServer, tls: bool, user: bool, protocol: int) -> None:
    async def main() -> None:
        async with connected(options(server, tls, user, protocol)) as client:
            assert await client.acl_whoami() == (USER["username"] if user else "default")
            async with client.pipeline(transaction=False) as pipe:
                for number in range(1000):
                    pipe.set(f"k:{number}", number)
                assert await pipe.execute() == [True] * 1000
            assert sorted(await asyncio.gather(*(client.incr("n") for _ in range(20)))) == list(range(1, 21))
            popped = asyncio.create_task(client.blpop(["queue"], timeout=PATIENCE))
            await client.rpush("queue", "job")
            assert list(await popped) == ["queue", "job"]
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("news")
                assert (await pubsub.get_message(timeout=PATIENCE))["type"] == "subscribe"
                assert await client.publish("news", "hello") == 1
                assert (await pubsub.get_message(timeout=PATIENCE))["data"] == "hello"

    asyncio.run(main())


def test_redis_py_caches_on_its_side(server: TlsServer) -> None:
    from redis.cache import CacheConfig

    given = options(server, tls=True, user=True, protocol=3)
    with redis.Redis(**given, cache_config=CacheConfig()) as client:
        server.plain.set("k", "old")
        assert client.get("k") == "old"
        before = server.plain.info("commandstats")["cmdstat_get"]["calls"]
        assert client.get("k") == "old"
        assert server.plain.info("commandstats")["cmdstat_get"]["calls"] == before, "the second came from the cache"
        server.plain.set("k", "new")
        deadline = time.monotonic() + PATIENCE
        while client.get("k") != "new" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.get("k") == "new"


def test_a_wrong_password(server: TlsServer) -> None:
    given = options(server, tls=False, user=True, protocol=3) | {"password": "wrong", "retry": Retry(NoBackoff(), 0)}
    with redis.Redis(**given) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


# Node libraries


def run_node(script: str, server: TlsServer, tls: bool, user: bool, protocol: int = 2) -> dict[str, Any]:
    modules = node_with(*NODE_CLIENTS, name="clients")
    given: dict[str, Any] = {"port": server.server.port, "protocol": protocol}
    if tls:
        trust = {"ca": server.authority.cert, "cert": server.pair.cert, "key": server.pair.key}
        given |= {"port": server.port, "tls": trust}
    if user:
        given |= USER
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "node" / script), json.dumps(given)],
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@WAYS
def test_ioredis(server: TlsServer, tls: bool, user: bool) -> None:
    found = run_node("ioredis.cjs", server, tls, user)
    assert found == {
        "who": USER["username"] if user else "default",
        "set": "OK",
        "get": "v",
        "missing": None,
        "hash": {"a": "1", "b": "2"},
        "binary": True,
        "pipeline": [2000, 2000],
        "transaction": [[None, "OK"], [None, 2]],
        "subscribed": [1, 2],
        "published": [1, 1],
        "heard": [["message", "node:news", "hello"], ["pmessage", "node:w*", "node:weather", "rain"]],
        "unsubscribed": 1,
        "popped": ["node:queue", "job"],
        "error": WRONG_TYPE,
        "scanned": server.plain.dbsize(),
    }


@WAYS
@PROTOCOLS
def test_node_redis(server: TlsServer, tls: bool, user: bool, protocol: int) -> None:
    found = run_node("node_redis.cjs", server, tls, user, protocol)
    assert found == {
        "who": USER["username"] if user else "default",
        "set": "OK",
        "get": "v",
        "missing": None,
        "hash": {"a": "1", "b": "2"},
        "score": 1.5,
        "pipeline": [2000, 2000],
        "transaction": ["OK", 2],
        "published": [1, 1],
        "heard": [["node:news", "hello"], ["node:weather", "rain"]],
        "popped": {"key": "node:queue", "element": "job"},
        "error": WRONG_TYPE,
        "scanned": server.plain.dbsize(),
    }


# redis-cli

needs_cli = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs redis-tools")


def cli_options(server: TlsServer, tls: bool, user: bool) -> list[str]:
    if tls:
        needs_cli_with_tls()
    found = ["-p", str(server.port), *server.cli] if tls else ["-p", str(server.server.port)]
    return [*found, "--user", USER["username"], "--pass", USER["password"], "--no-auth-warning"] if user else found


@needs_cli
@WAYS
def test_redis_cli(server: TlsServer, tls: bool, user: bool) -> None:
    def cli(*arguments: str, stdin: bytes = b"") -> str:
        command = ["redis-cli", *cli_options(server, tls, user), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""
        return done.stdout.decode()

    assert cli("ACL", "WHOAMI").strip() == (USER["username"] if user else "default")
    assert cli("SET", "k", "v") == "OK\n"
    assert cli("-3", "GET", "k") == "v\n"
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$5\r\n%05d\r\n$1\r\nx\r\n" % i for i in range(5000))
    assert "errors: 0, replies: 5000" in cli("--pipe", stdin=commands)
    assert cli("DBSIZE") == "5001\n"


@needs_cli
@WAYS
@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_redis_cli_subscribes(server: TlsServer, tls: bool, user: bool, protocol: str) -> None:
    command = ["redis-cli", *cli_options(server, tls, user), protocol, "SUBSCRIBE", "news"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listener:
        try:
            assert listener.stdout is not None
            assert [listener.stdout.readline().strip() for _ in range(3)] == ["subscribe", "news", "1"]
            assert server.plain.publish("news", "hello") == 1
            assert [listener.stdout.readline().strip() for _ in range(3)] == ["message", "news", "hello"]
        finally:
            listener.kill()
