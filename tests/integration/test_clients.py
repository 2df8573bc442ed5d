"""A real client over a real socket: redis-py with default options, and several clients at once."""

from __future__ import annotations

import select
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.integration.process import PATIENCE, Server


def test_defaults_of_redis_py(client: redis.Redis) -> None:
    assert client.ping() is True
    assert client.set("greeting", "hello") is True
    assert client.get("greeting") == b"hello"
    assert client.incr("n", 5) == 5
    assert client.expire("n", 100) is True
    assert 0 < client.ttl("n") <= 100
    assert client.rpush("l", 1, 2, 3) == 3
    assert client.lrange("l", 0, -1) == [b"1", b"2", b"3"]
    assert client.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert client.hgetall("h") == {b"a": b"1", b"b": b"2"}
    assert client.sadd("s", "x", "y") == 2
    assert client.smembers("s") == {b"x", b"y"}
    assert client.zadd("z", {"one": 1, "two": 2.5}) == 2
    assert client.zscore("z", "two") == 2.5
    assert sorted(client.scan_iter()) == [b"greeting", b"h", b"l", b"n", b"s", b"z"]
    assert client.dbsize() == 6
    assert client.delete("l", "missing") == 1
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("h")


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_protocols(shared_server: Server, protocol: int) -> None:
    with redis.Redis(port=shared_server.port, protocol=protocol, decode_responses=True) as client:
        client.flushall()
        client.hset("h", "f", "v")
        assert client.hgetall("h") == {"f": "v"}
        assert client.config_get("port") == {"port": str(shared_server.port)}
        assert client.info("server")["tcp_port"] == shared_server.port


def test_long_pipeline(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipe:
        for i in range(10_000):
            pipe.set(f"key:{i}", i)
        assert pipe.execute() == [True] * 10_000
        for i in range(10_000):
            pipe.get(f"key:{i}")
        assert pipe.execute() == [b"%d" % i for i in range(10_000)]
    assert client.dbsize() == 10_000


def test_pipeline_that_is_read_late(shared_server: Server, client: redis.Redis) -> None:
    """The client sends all requests before it reads the first reply. They are far larger than the socket buffers."""
    client.set("big", b"x" * 100_000)
    count = 300
    with shared_server.connect() as connection:
        connection.sendall(b"GET big\r\n" * count)
        time.sleep(0.2)
        wanted = count * len(b"$100000\r\n" + b"x" * 100_000 + b"\r\n")
        got = 0
        while got < wanted:
            data = connection.recv(1 << 20)
            assert data
            got += len(data)
        assert got == wanted


def test_value_of_many_megabytes(client: redis.Redis) -> None:
    value = bytes(range(256)) * (4096 * 20)
    client.set("big", value)
    assert client.strlen("big") == len(value)
    assert client.get("big") == value


def test_blocked_client_in_another_process(shared_server: Server, client: redis.Redis) -> None:
    code = """
import redis, sys
client = redis.Redis(port=int(sys.argv[1]), decode_responses=True)
print(client.blpop(["one", "two"], timeout=300), flush=True)
print(client.blpop("one", timeout=0.05), flush=True)
"""
    command = [sys.executable, "-c", code, str(shared_server.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiter:
        try:
            deadline = time.monotonic() + PATIENCE
            while client.info("clients")["blocked_clients"] != 1 and time.monotonic() < deadline:
                time.sleep(0.01)
            client.rpush("two", "value")
            output, _ = waiter.communicate(timeout=PATIENCE)
        finally:
            waiter.kill()
    assert output.splitlines() == ["('two', 'value')", "None"] or output.splitlines() == [
        "['two', 'value']",
        "None",
    ]
    assert client.exists("two") == 0


def test_dead_waiter_eats_nothing(shared_server: Server, client: redis.Redis) -> None:
    with shared_server.connect() as waiter:
        waiter.sendall(b"BLPOP queue 0\r\n")
        deadline = time.monotonic() + PATIENCE
        while client.info("clients")["blocked_clients"] != 1 and time.monotonic() < deadline:
            time.sleep(0.01)
    deadline = time.monotonic() + PATIENCE
    while client.info("clients")["blocked_clients"] and time.monotonic() < deadline:
        time.sleep(0.01)
    client.rpush("queue", "kept")
    assert client.lrange("queue", 0, -1) == [b"kept"]


def test_optimistic_locking_under_contention(client: redis.Redis, shared_server: Server) -> None:
    client.set("counter", 0)
    collisions = []

    def add(times: int) -> None:
        with redis.Redis(port=shared_server.port) as mine, mine.pipeline() as pipe:
            for _ in range(times):
                while True:
                    try:
                        pipe.watch("counter")
                        value = int(pipe.get("counter"))
                        pipe.multi()
                        pipe.set("counter", value + 1)
                        pipe.execute()
                        break
                    except redis.WatchError:
                        collisions.append(1)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(add, 50) for _ in range(4)]:
            done.result(PATIENCE)
    assert client.get("counter") == b"200"
    assert collisions


def test_many_clients_at_once(shared_server: Server, client: redis.Redis) -> None:
    connections = [shared_server.connect() for _ in range(200)]
    try:
        for connection in connections:
            connection.sendall(b"INCR together\r\n")
        answers = {int(connection.recv(100)[1:]) for connection in connections}
    finally:
        for connection in connections:
            connection.close()
    assert answers == set(range(1, 201))


def test_published_message_reaches_the_subscriber(client: redis.Redis) -> None:
    if "subscribe" not in client.command():
        pytest.skip("SUBSCRIBE is not there yet")
    received: list[dict[str, object]] = []
    subscriber = client.pubsub()
    subscriber.subscribe("news")
    assert subscriber.get_message(timeout=PATIENCE)["type"] == "subscribe"
    listener = threading.Thread(target=lambda: received.append(subscriber.get_message(timeout=PATIENCE)))
    listener.start()
    assert client.publish("news", "hello") == 1
    listener.join(PATIENCE)
    subscriber.close()
    assert received[0]["data"] == b"hello"


@pytest.mark.parametrize("request_bytes", [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nva", b"SET k ", b"*1000000\r\n"])
def test_peer_that_leaves_in_the_middle(shared_server: Server, client: redis.Redis, request_bytes: bytes) -> None:
    with shared_server.connect() as connection:
        connection.sendall(request_bytes)
    assert client.ping()
    assert client.exists("k") == 0


def test_a_killed_client_gets_the_replies_before(shared_server: Server, client: redis.Redis) -> None:
    client.set("key", b"x" * 100_000)
    with shared_server.connect() as victim:
        victim.sendall(b"CLIENT ID\r\n")
        number = int(victim.recv(100)[1:])
        victim.sendall(b"GET key\r\n")
        while client.client_list(client_id=[number])[0]["cmd"] != "get":
            time.sleep(0.01)
        assert client.client_kill_filter(_id=number) == 1
        read = b""
        while piece := victim.recv(1 << 16):
            read += piece
        assert len(read) == 100_000 + len(b"$100000\r\n\r\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems send the end in a packet of its own")
@pytest.mark.parametrize("request_", [b"QUIT\r\n", b"*x\r\n"])
def test_a_pool_sees_the_end_with_the_last_reply(shared_server: Server, request_: bytes) -> None:
    """A pool checks whether a connection is readable before it hands it out again. What is sent later is lost."""
    for _ in range(50):
        with shared_server.connect() as connection:
            connection.sendall(request_)
            last = connection.recv(1000)
            assert last.endswith(b"\r\n")
            readable, _, _ = select.select([connection], [], [], 0)
            assert readable
            assert connection.recv(1000) == b""
