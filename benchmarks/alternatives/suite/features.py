"""The 22 tests: what programs that use Redis do with it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import redis
from redis.commands.core import Script
from subjects.base import Subject

Client = redis.Redis


def test_strings(client: Client) -> None:
    assert client.set("lock", "a", nx=True, px=60_000) is True
    assert client.set("lock", "b", nx=True) is None
    assert client.set("lock", "b", xx=True, get=True, keepttl=True) == b"a"
    assert 0 < client.pttl("lock") <= 60_000
    assert client.getex("lock", persist=True) == b"b"
    assert client.ttl("lock") == -1
    assert client.incrby("n", 5) == 5
    assert client.incrbyfloat("n", 0.5) == 5.5
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("n")
    assert client.mset({"a": 1, "b": 2})
    assert client.mget("a", "none", "b") == [b"1", None, b"2"]
    assert client.setrange("a", 3, "x") == 4
    assert client.getdel("a") == b"1\0\0x"
    assert client.exists("a", "b") == 1


def test_hashes(client: Client) -> None:
    assert client.hset("user:1", mapping={"name": "Ada", "born": 1815}) == 2
    assert client.hincrby("user:1", "visits", 2) == 2
    assert client.hgetall("user:1") == {b"name": b"Ada", b"born": b"1815", b"visits": b"2"}
    assert client.hsetnx("user:1", "name", "Bob") == 0
    assert client.hmget("user:1", ["name", "none"]) == [b"Ada", None]
    assert {field for field, _ in client.hscan_iter("user:1", match="[nb]*")} == {b"name", b"born"}
    assert client.hrandfield("user:1", -5) and client.hdel("user:1", "born", "none") == 1
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.lpush("user:1", "x")


def test_lists(client: Client) -> None:
    assert client.rpush("queue", "a", "b", "c", "b") == 4
    assert client.lpos("queue", "b", rank=-1) == 3
    assert client.lmove("queue", "working", "LEFT", "RIGHT") == b"a"
    assert client.linsert("queue", "BEFORE", "c", "x") == 4
    assert client.lrange("queue", 0, -1) == [b"b", b"x", b"c", b"b"]
    assert client.lrem("queue", -1, "b") == 1
    assert client.lpop("queue", 2) == [b"b", b"x"]
    assert client.ltrim("queue", 5, 9) and not client.exists("queue")


def test_sets_and_sorted_sets(client: Client) -> None:
    client.sadd("a", 1, 2, 3)
    client.sadd("b", 2, 3, 4)
    assert client.sinterstore("both", "a", "b") == 2
    assert client.smismember("both", [2, 9]) == [1, 0]
    assert client.zadd("board", {"ada": 3, "bob": 2, "eve": 2}) == 3
    assert client.zadd("board", {"bob": 1, "eve": 5}, gt=True, ch=True) == 1
    assert client.zrange("board", 0, -1, withscores=True) == [(b"bob", 2.0), (b"ada", 3.0), (b"eve", 5.0)]
    assert client.zrange("board", "(2", "+inf", byscore=True, offset=0, num=1) == [b"ada"]
    assert client.zrevrank("board", "bob") == 2
    assert client.zunion({"board": 2, "none": 1}, withscores=True)[0] == (b"bob", 4.0)
    assert client.zrangestore("top", "board", 0, 0, desc=True) == 1
    assert client.zpopmax("top") == [(b"eve", 5.0)]
    client.zadd("names", {"b": 0, "a": 0, "c": 0})
    assert client.zrangebylex("names", "[a", "(c") == [b"a", b"b"]


def test_geo_and_bits(client: Client) -> None:
    client.geoadd("cities", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
    assert client.geodist("cities", "Palermo", "Catania", unit="km") == pytest.approx(166.274, rel=1e-3)
    assert client.geosearch("cities", longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == [
        b"Catania",
        b"Palermo",
    ]
    client.setbit("bits", 7, 1)
    client.set("mask", b"\xff")
    assert client.bitop("AND", "out", "bits", "mask") == 1
    assert client.bitcount("out") == 1
    assert client.bitfield("field").set("u8", 0, 200).incrby("u8", 0, 100, "SAT").execute() == [0, 255]
    client.pfadd("visitors", *range(1000))
    assert client.pfcount("visitors") == pytest.approx(1000, rel=0.05)


def test_expiry_by_the_clock(subject: Subject, client: Client) -> None:
    client.set("session", "ada", ex=3600)
    subject.advance(3590)
    assert client.get("session") == b"ada"
    assert client.ttl("session") <= 10
    subject.advance(11)
    assert client.get("session") is None


def test_ttl_of_hash_fields(client: Client) -> None:
    client.hset("user:1", mapping={"name": "Ada", "token": "x", "code": "y"})
    assert client.hexpire("user:1", 60, "token", "none") == [1, -2]
    assert client.httl("user:1", "token", "name") == [60, -1]
    assert client.hpersist("user:1", "token") == [1]
    assert client.hpexpire("user:1", 1, "code") == [1]
    deadline = time.monotonic() + 30
    while client.hexists("user:1", "code"):
        assert time.monotonic() < deadline
    assert client.hget("user:1", "token") == b"x"


def test_blocking_pop(subject: Subject, client: Client) -> None:
    found: list[Any] = []
    with subject.client() as waiting:
        threads = [
            threading.Thread(target=lambda: found.append(waiting.blpop(["none", "jobs"], timeout=30))),
            threading.Thread(target=lambda: found.append(waiting.bzpopmin("board", timeout=30))),
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        client.rpush("jobs", "job")
        client.zadd("board", {"ada": 1})
        for thread in threads:
            thread.join()
        assert sorted(found) == [(b"board", b"ada", 1.0), (b"jobs", b"job")]
        assert client.llen("jobs") == 0
        assert waiting.blpop("jobs", timeout=0.05) is None


def message(pubsub: Any) -> Any:
    """Returns the next message, within 5 s."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = pubsub.get_message(timeout=1)
        if found is not None:
            return found
    raise AssertionError("no message")


def test_pubsub(subject: Subject, client: Client) -> None:
    with subject.client() as other, other.pubsub() as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("n*s")
        assert [message(pubsub)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
        assert client.publish("news", "hello") == 2
        assert [(got["type"], got["data"]) for got in (message(pubsub), message(pubsub))] == [
            ("message", b"hello"),
            ("pmessage", b"hello"),
        ]
        assert client.pubsub_numsub("news") == [(b"news", 1)]
        pubsub.unsubscribe("news")
        assert message(pubsub)["type"] == "unsubscribe"
        assert client.publish("news", "again") == 1


def test_keyspace_notifications(subject: Subject, client: Client) -> None:
    client.config_set("notify-keyspace-events", "KEA")
    with subject.client() as other, other.pubsub() as pubsub:
        pubsub.psubscribe("__keyevent@0__:*")
        message(pubsub)
        client.set("k", "v", px=20)
        seen = [message(pubsub) for _ in range(2)]
        assert [(got["channel"], got["data"]) for got in seen] == [
            (b"__keyevent@0__:set", b"k"),
            (b"__keyevent@0__:expire", b"k"),
        ]
        time.sleep(0.05)
        assert client.get("k") is None
        assert message(pubsub)["channel"] == b"__keyevent@0__:expired"


def test_transactions(subject: Subject, client: Client) -> None:
    client.set("balance", 10)
    with subject.client() as other, client.pipeline() as pipe:
        pipe.watch("balance")
        other.set("balance", 5)
        pipe.multi()
        pipe.set("balance", 11)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("balance") == b"5"
    assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("balance"), "balance") == [6]
    with client.pipeline() as pipe:
        results = pipe.set("a", "x").incr("a").set("b", 1).execute(raise_on_error=False)
    assert results[0] is True and results[2] is True
    assert isinstance(results[1], redis.ResponseError)


def test_pipelines(client: Client) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"key:{number}", number)
        pipe.lpush("key:1", "x")
        pipe.get("key:999")
        results = pipe.execute(raise_on_error=False)
    assert results[:1000] == [True] * 1000
    assert isinstance(results[1000], redis.ResponseError)
    assert results[1001] == b"999"
    assert client.dbsize() == 1000
    assert len(set(client.scan_iter(match="key:9?", count=100))) == 10


def test_scripts(client: Client) -> None:
    limit = client.register_script(
        "local n = redis.call('INCR', KEYS[1])"
        " if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end"
        " return cjson.encode({n = n, limited = n > 2})"
    )
    assert isinstance(limit, Script)
    assert [limit(keys=["ip"], args=[60]) for _ in range(3)][2] in (
        b'{"n":3,"limited":true}',
        b'{"limited":true,"n":3}',
    )
    assert client.ttl("ip") == 60
    assert client.eval("return {1, 'two', {3}, false}", 0) == [1, b"two", [3], None]
    with pytest.raises(redis.ResponseError, match="MY error"):
        client.eval("return redis.error_reply('MY error')", 0)
    with pytest.raises(redis.exceptions.NoScriptError):
        client.evalsha("0" * 40, 0)
    assert client.eval("local r = redis.pcall('INCR', KEYS[1], 'too many') return r['err'] ~= nil", 1, "k") == 1


def test_functions(client: Client) -> None:
    code = """#!lua name=shop
    redis.register_function('reserve', function(keys, args)
        if tonumber(redis.call('GET', keys[1]) or '0') < tonumber(args[1]) then return 0 end
        redis.call('DECRBY', keys[1], args[1])
        return 1
    end)
    redis.register_function{function_name='stock', callback=function(keys) return redis.call('GET', keys[1]) end,
                            flags={'no-writes'}}
    """
    assert client.function_load(code, replace=True) == b"shop"
    client.set("lamp", 5)
    assert client.fcall("reserve", 1, "lamp", 3) == 1
    assert client.fcall("reserve", 1, "lamp", 3) == 0
    assert client.fcall_ro("stock", 1, "lamp") == b"2"
    assert client.function_delete("shop")


def test_streams_with_groups(client: Client) -> None:
    first, second = client.xadd("log", {"n": 1}), client.xadd("log", {"n": 2})
    client.xgroup_create("log", "workers", id="0")
    assert client.xreadgroup("workers", "ada", {"log": ">"}, count=1) == [[b"log", [(first, {b"n": b"1"})]]]
    assert client.xreadgroup("workers", "bob", {"log": ">"}) == [[b"log", [(second, {b"n": b"2"})]]]
    assert client.xack("log", "workers", first) == 1
    waiting = client.xpending_range("log", "workers", "-", "+", 10)
    assert [(entry["message_id"], entry["consumer"]) for entry in waiting] == [(second, b"bob")]
    assert client.xautoclaim("log", "workers", "ada", 0)[1] == [(second, {b"n": b"2"})]
    assert client.xinfo_groups("log")[0]["pending"] == 1
    assert {consumer["name"] for consumer in client.xinfo_consumers("log", "workers")} == {b"ada", b"bob"}
    assert client.xtrim("log", maxlen=1, approximate=False) == 1
    assert client.xrevrange("log", count=1) == [(second, {b"n": b"2"})]


def test_resp3(subject: Subject) -> None:
    with subject.client(protocol=3, decode_responses=True) as client:
        assert client.execute_command("HELLO", "3")["proto"] == 3
        client.hset("h", mapping={"a": "1"})
        assert client.execute_command("HGETALL", "h") == {"a": "1"}
        client.sadd("s", "x")
        assert client.smembers("s") == {"x"}
        client.zadd("z", {"a": 1.5})
        assert client.zscore("z", "a") == 1.5
        assert client.execute_command("ZRANGE", "z", 0, -1, "WITHSCORES") == [["a", 1.5]]
        with client.pubsub() as pubsub:
            pubsub.subscribe("news")
            assert message(pubsub)["type"] == "subscribe"
            client.publish("news", "hello")
            assert message(pubsub)["data"] == "hello"


def test_info_and_config(client: Client) -> None:
    client.set("k", "v", ex=100)
    client.rpush("list", 1, 2, 3)
    info = client.info()
    assert info["redis_version"][0].isdigit()
    assert info["db0"]["keys"] == 2 and info["db0"]["expires"] == 1
    assert info["connected_clients"] >= 1 and info["used_memory"] > 0
    assert client.info("replication")["role"] == "master"
    assert client.config_set("maxmemory-policy", "allkeys-lru")
    assert client.config_get("maxmemory-*")["maxmemory-policy"] == "allkeys-lru"
    assert client.config_set("maxmemory-policy", "noeviction")
    assert client.object("ENCODING", "k") == b"embstr"
    assert client.memory_usage("k") > 0
    assert client.client_setname("tester") and "tester" in {each["name"] for each in client.client_list()}
    assert client.command()["get"]["arity"] == 2


def test_acl(subject: Subject, client: Client) -> None:
    client.acl_setuser(
        "ada", enabled=True, passwords=["+secret"], keys=["ada:*"], categories=["+@read", "+@connection"]
    )
    try:
        client.set("ada:1", "x")
        with subject.client(username="ada", password="secret") as limited:
            assert limited.get("ada:1") == b"x"
            with pytest.raises(redis.exceptions.NoPermissionError):
                limited.set("ada:1", "y")
            with pytest.raises(redis.exceptions.NoPermissionError):
                limited.get("bob:1")
        with subject.client(username="ada", password="wrong") as wrong, pytest.raises(redis.AuthenticationError):
            wrong.ping()
    finally:
        client.acl_deluser("ada")


def test_dump_and_restore(client: Client) -> None:
    client.zadd("board", {"ada": 3, "bob": 2.5})
    dumped = client.dump("board")
    client.restore("copy", 60_000, dumped)
    assert client.zrange("copy", 0, -1, withscores=True) == [(b"bob", 2.5), (b"ada", 3.0)]
    assert 0 < client.pttl("copy") <= 60_000
    with pytest.raises(redis.ResponseError, match="BUSYKEY"):
        client.restore("copy", 0, dumped)
    with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum"):
        client.restore("wrong", 0, dumped[:-1] + b"?")
    assert client.copy("board", "other") and client.type("other") == b"zset"
    assert client.save()


def test_vector_sets(client: Client) -> None:
    for name, vector in {"red": [1, 0, 0], "orange": [0.9, 0.3, 0], "blue": [0, 0, 1]}.items():
        client.execute_command(
            "VADD", "colours", "VALUES", 3, *vector, name, "SETATTR", f'{{"warm": {int(name != "blue")}}}'
        )
    assert client.execute_command("VCARD", "colours") == 3
    found = client.execute_command("VSIM", "colours", "VALUES", 3, 1, 0.1, 0, "COUNT", 2)
    assert set(found) == {b"red", b"orange"}
    assert client.execute_command("VSIM", "colours", "ELE", "red", "FILTER", ".warm == 0") == [b"blue"]
    assert client.execute_command("VREM", "colours", "red") == 1


def test_cluster(subject: Subject) -> None:
    with subject.cluster() as cluster:
        for number in range(100):
            cluster.set(f"key:{number}", number)
        assert len(cluster.get_primaries()) >= 3
        assert sorted(cluster.dbsize(target_nodes=[node]) > 0 for node in cluster.get_primaries()) == [True] * 3
        assert cluster.mget_nonatomic("key:1", "key:2", "key:3") == [b"1", b"2", b"3"]
        with cluster.pipeline() as pipe:
            assert pipe.incr("key:5").incr("key:6").execute() == [6, 7]
        with pytest.raises(redis.exceptions.RedisClusterException):
            cluster.mget("key:1", "key:2", "key:3")
        assert cluster.mset({"{user}:1": 1, "{user}:2": 2})
        assert cluster.keyslot("key:1") == cluster.cluster_keyslot("key:1")


def test_connection_error(subject: Subject, client: Client) -> None:
    client.set("k", "v")
    with subject.outage(), subject.client(retry=None) as cut_off, pytest.raises(redis.ConnectionError):
        cut_off.ping()
    with subject.client() as again:
        assert again.ping()
