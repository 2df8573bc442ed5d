"""The clients: which server they talk to, and what happens when it cannot be reached."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest
import redis

from tests.packaging.environments import ROOT
from twisted_redis.fake import FakeConnection, FakeRedis, FakeServer, FakeStrictRedis


def test_a_client_has_a_server_of_its_own() -> None:
    one, two = FakeRedis(), FakeRedis()
    one.set("a", 1)
    assert two.get("a") is None


def test_clients_of_one_server_share_it() -> None:
    server = FakeServer()
    FakeRedis(server=server).set("a", 1)
    assert FakeStrictRedis(server=server, decode_responses=True).get("a") == "1"
    assert FakeRedis(server=server, db=1).get("a") is None


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"host": "shared"}, {"host": "shared", "port": 6379}),
        ({"host": "shared", "port": 7000}, {"host": "shared", "port": "7000"}),
        ({"unix_socket_path": "/run/shared"}, {"unix_socket_path": "/run/shared"}),
    ],
)
def test_clients_of_one_address_share_a_server(one: dict[str, Any], two: dict[str, Any]) -> None:
    FakeRedis(**one).set("a", 1)
    assert FakeRedis(**two).get("a") == b"1"
    assert FakeRedis(host="another").get("a") is None


def test_the_address_may_be_positional() -> None:
    FakeRedis("positional", 7001).set("a", 1)
    assert FakeRedis(host="positional", port=7001).get("a") == b"1"


@pytest.mark.parametrize(
    "url", ["redis://by-url:7002/3", "rediss://by-url:7003/3?ssl_cert_reqs=none", "unix:///run/by-url?db=3"]
)
def test_clients_of_one_url_share_a_server(url: str) -> None:
    client = FakeRedis.from_url(url, decode_responses=True)
    client.set("a", "é")
    assert FakeRedis.from_url(url).get("a") == "é".encode()
    assert client.client_info()["db"] == 3


def test_a_url_and_a_host_name_the_same_server() -> None:
    FakeRedis.from_url("redis://both:7004").set("a", 1)
    assert FakeRedis(host="both", port=7004).get("a") == b"1"


def test_a_pool_of_ones_own() -> None:
    server = FakeServer()
    pool = redis.BlockingConnectionPool(connection_class=FakeConnection, server=server, max_connections=2, timeout=1)
    redis.Redis(connection_pool=pool).set("a", 1)
    assert FakeRedis(connection_pool=pool).get("a") == b"1"
    assert FakeRedis(server=server).get("a") == b"1"
    by_url = redis.ConnectionPool.from_url("redis://pool:7005/1", connection_class=FakeConnection)
    redis.Redis(connection_pool=by_url).set("a", 2)
    assert FakeRedis(host="pool", port=7005, db=1).get("a") == b"2"


def test_a_pool_of_another_class() -> None:
    client = FakeRedis(connection_pool_class=redis.BlockingConnectionPool, max_connections=3, decode_responses=True)
    client.set("a", 1)
    assert client.get("a") == "1"
    assert type(client.connection_pool) is redis.BlockingConnectionPool
    assert client.connection_pool.max_connections == 3


def test_a_single_connection() -> None:
    client = FakeRedis(single_connection_client=True, decode_responses=True, db=2)
    client.set("a", "b")
    assert client.get("a") == "b"
    assert client.client_id() == client.client_id()
    assert FakeRedis.from_url("redis://single", single_connection_client=True).ping()


def test_a_server_that_is_not_connected() -> None:
    server = FakeServer()
    client, idle = FakeRedis(server=server), FakeRedis(server=server)
    client.set("a", 1)
    server.connected = False
    for each in (client, idle):
        with pytest.raises(redis.ConnectionError, match="FakeRedis is emulating a connection error"):
            each.get("a")
    server.connected = True
    assert client.get("a") == b"1"


def test_a_client_that_is_not_connected() -> None:
    with pytest.raises(redis.ConnectionError):
        FakeRedis(connected=False).ping()


def test_a_password() -> None:
    server = FakeServer(config={b"requirepass": b"secret"})
    assert FakeRedis(server=server, password="secret").ping()
    with pytest.raises(redis.AuthenticationError):
        FakeRedis(server=server, protocol=2).ping()
    with pytest.raises(redis.AuthenticationError):
        FakeRedis(server=server, password="wrong").ping()


def test_directives_of_the_server() -> None:
    assert FakeRedis(server=FakeServer(databases=2)).config_get("databases") == {"databases": "2"}
    with pytest.raises(TypeError, match="no directive"):
        FakeServer(databasses=2)


def test_faults() -> None:
    server = FakeServer()
    client = FakeRedis(server=server)
    server.fail_next("GET", "ERR injected")
    with pytest.raises(redis.ResponseError, match="injected"):
        client.get("a")
    server.drop_next("GET")
    with pytest.raises(redis.ConnectionError, match="closed by server"):
        client.get("a")
    assert client.get("a") is None
    with server.refuse_connections(), pytest.raises(redis.ConnectionError):
        FakeRedis(server=server).ping()
    with server.command_log as log:
        client.get("a")
    assert log.calls == [(b"GET", b"a")]


def test_data_and_calls_of_the_server() -> None:
    server = FakeServer()
    server.seed({"a": ["x", "y"]})
    client = FakeRedis(server=server)
    assert client.lrange("a", 0, -1) == [b"x", b"y"]
    assert server.execute("LLEN", "a") == 2
    before = server.snapshot()
    client.flushall()
    server.restore(before)
    assert server.dump() == {b"a": [b"x", b"y"]}
    server.reset()
    assert client.dbsize() == 0


def test_a_client_that_is_killed_connects_again() -> None:
    server = FakeServer()
    one, two = FakeRedis(server=server), FakeRedis(server=server)
    two.client_kill_filter(_id=one.client_id())
    assert one.ping()
    assert len(two.client_list()) == 2


def test_a_closed_client_leaves() -> None:
    server = FakeServer()
    client, other = FakeRedis(server=server), FakeRedis(server=server)
    client.ping()
    assert len(other.client_list()) == 2
    client.close()
    assert len(other.client_list()) == 1


def test_a_forgotten_server_is_collected() -> None:
    client = FakeRedis()
    client.set("a", 1)
    server = weakref.ref(client.connection_pool.connection_kwargs["server"])
    del client
    gc.collect()
    assert server() is None


def test_the_name_of_the_library() -> None:
    driver = pytest.importorskip("redis.driver_info")
    one, two = (FakeRedis().connection_pool.make_connection() for _ in range(2))
    assert one.driver_info == two.driver_info
    assert one.driver_info is not two.driver_info
    info = FakeRedis(driver_info=driver.DriverInfo("my-lib", "1.2")).client_info()
    assert (info["lib-name"], info["lib-ver"]) == ("my-lib", "1.2")
    assert FakeRedis().client_info()["lib-ver"] == redis.__version__


def test_wrong_options() -> None:
    with pytest.raises(TypeError, match="FakeServer"):
        FakeRedis(server="localhost")
    with pytest.raises(ValueError, match="Lua modules socket"):
        FakeRedis(lua_modules={"cjson", "socket"})
    with pytest.raises(TypeError):
        FakeRedis(no_such_option=1)


def test_replies_that_are_not_read_do_not_grow_without_bounds() -> None:
    server = FakeServer(client_output_buffer_limit="pubsub 1mb 0 0")
    client = FakeRedis(server=server)
    with client.pubsub() as listener:
        listener.subscribe("news")
        for _ in range(30):
            client.publish("news", "x" * 100_000)
        assert client.pubsub_numsub("news") == [(b"news", 0)]


def test_a_pipeline_larger_than_any_buffer() -> None:
    client = FakeRedis()
    client.set("a", "x" * 1_000_000)
    with client.pipeline(transaction=False) as pipe:
        for _ in range(60):
            pipe.get("a")
        assert [len(value) for value in pipe.execute()] == [1_000_000] * 60


def test_the_pure_parser_of_redis_py() -> None:
    from redis._parsers import _RESP3Parser

    client = FakeRedis(protocol=3)
    client.connection_pool.connection_kwargs["parser_class"] = _RESP3Parser
    client.hset("h", mapping={"a": 1, "b": "x" * 100_000})
    assert client.hgetall("h") == {b"a": b"1", b"b": b"x" * 100_000}
    with client.pubsub() as listener:
        listener.subscribe("news")
        assert listener.get_message(timeout=30) is not None
        assert listener.get_message(timeout=0.01) is None
        client.publish("news", 1)
        assert listener.get_message(timeout=30)["data"] == b"1"


def test_a_cache_of_redis_py() -> None:
    from redis.cache import CacheConfig

    server = FakeServer()
    client = FakeRedis(server=server, protocol=3, cache_config=CacheConfig())
    client.set("a", 1)
    with server.command_log as log:
        assert client.get("a") == client.get("a") == b"1"
        FakeRedis(server=server).set("a", 2)
        assert client.get("a") == b"2"
    assert log.names.count("GET") == 2


def test_without_redis_py() -> None:
    code = "import sys; sys.modules['redis'] = None; import twisted_redis.fake"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ImportError: twisted_redis.fake needs redis-py (pip install redis)" in done.stderr
