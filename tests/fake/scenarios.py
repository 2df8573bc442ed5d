"""Calls of redis-py that must have the same results with a fake server, an embedded one and real Redis.

Each scenario takes a client of an empty server, and returns what it has seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

SCENARIOS: list[Callable[[Any], Any]] = []


def scenario(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENARIOS.append(function)
    return function


def error_of(call: Callable[[], Any]) -> str:
    """Returns the class and text of the error that a call raises."""
    try:
        return f"no error, but {call()!r}"
    except redis.RedisError as error:
        return f"{type(error).__name__}: {error}"


@scenario
def strings(r: Any) -> Any:
    return [
        r.set("a", "1"),
        r.set("a", "2", nx=True),
        r.set("a", "3", get=True),
        r.incrbyfloat("a", 0.5),
        r.append("a", "x"),
        r.getrange("a", 0, 1),
        r.mset({"b": "\u00e9", "c": ""}),
        r.mget("a", "b", "c", "d"),
        r.get("d"),
        error_of(lambda: r.incr("a")),
        error_of(lambda: r.lpush("a", 1)),
    ]


@scenario
def large_values(r: Any) -> Any:
    value = "0123456789" * 20_000
    return [
        r.set("large", value),
        r.strlen("large"),
        r.get("large") == r.getrange("large", 0, -1),
        r.append("large", "x"),
    ]


@scenario
def hashes(r: Any) -> Any:
    return [
        r.hset("h", mapping={"a": 1, "b": 2}),
        r.hgetall("h"),
        r.hget("h", "none"),
        r.hmget("h", "a", "none"),
        r.hincrby("h", "a", 5),
        r.hdel("h", "a", "b"),
        r.exists("h"),
    ]


@scenario
def lists_sets_and_sorted_sets(r: Any) -> Any:
    return [
        r.rpush("l", "a", "b", "c"),
        r.lrange("l", 0, -1),
        r.lpop("l", 2),
        r.lpop("none"),
        r.sadd("s", "a", "b"),
        r.smembers("s"),
        r.sismember("s", "a"),
        r.zadd("z", {"a": 1, "b": 2.5}),
        r.zrange("z", 0, -1, withscores=True),
        r.zscore("z", "b"),
        r.zpopmin("z"),
    ]


@scenario
def pipelines(r: Any) -> Any:
    with r.pipeline(transaction=False) as pipe:
        for number in range(100):
            pipe.incrby("n", number)
        plain = pipe.execute()
    with r.pipeline() as pipe:
        pipe.set("a", 1)
        pipe.incr("a")
        queued = pipe.execute()
    with r.pipeline() as pipe:
        pipe.set("a", "text")
        pipe.incr("a")
        failed = pipe.execute(raise_on_error=False)
    return plain[-1], queued, failed[0], str(failed[1])


@scenario
def watched_keys(r: Any) -> Any:
    with r.pipeline() as pipe:
        pipe.watch("a")
        r.set("a", 1)
        pipe.multi()
        pipe.set("a", 2)
        error = error_of(pipe.execute)
    return error, r.get("a"), r.transaction(lambda pipe: pipe.set("b", 1), "a")


@scenario
def messages(r: Any) -> Any:
    with r.pubsub() as listener:
        listener.subscribe("news")
        listener.psubscribe("n*")
        seen = [listener.get_message(timeout=30), listener.get_message(timeout=30)]
        count = r.publish("news", "hello")
        seen += [listener.get_message(timeout=30), listener.get_message(timeout=30), listener.get_message()]
        listener.unsubscribe("news")
        return count, seen, listener.get_message(timeout=30), r.pubsub_numsub("news"), r.pubsub_numpat()


@scenario
def blocking_calls_that_need_not_wait(r: Any) -> Any:
    r.rpush("l", "a", "b")
    return r.blpop("l", 30), r.blmove("l", "m", 30), r.blpop("none", 0.01), r.bzpopmin("z", 0.01), r.wait(0, 10)


@scenario
def streams(r: Any) -> Any:
    return [
        r.xadd("x", {"a": 1}, id="1-1"),
        r.xadd("x", {"b": 2}, id="1-2"),
        r.xrange("x"),
        r.xgroup_create("x", "g", id="0"),
        r.xreadgroup("g", "me", {"x": ">"}, count=1),
        r.xpending("x", "g"),
        r.xack("x", "g", "1-1"),
        r.xread({"x": "$"}, block=10),
        error_of(lambda: r.xadd("x", {"c": 3}, id="1-2")),
    ]


@scenario
def scripts(r: Any) -> Any:
    script = r.register_script("redis.call('set', KEYS[1], ARGV[1]); return {1, redis.call('get', KEYS[1])}")
    return [
        script(keys=["k"], args=["v"]),
        r.eval("return cjson.encode({1, 2})", 0),
        error_of(lambda: r.eval("return redis.call('incr', KEYS[1])", 1, "k")),
        error_of(lambda: r.evalsha("0" * 40, 0)),
        r.function_load("#!lua name=lib\nredis.register_function('double', function(k, a) return a[1] * 2 end)"),
        r.fcall("double", 0, 21),
    ]


@scenario
def expiry(r: Any) -> Any:
    r.set("a", 1, px=1)
    while r.exists("a"):
        pass
    return r.ttl("a"), r.set("b", 1, ex=100), r.ttl("b") > 90, r.persist("b"), r.ttl("b")


@scenario
def monitor(r: Any) -> Any:
    with r.monitor() as seen:
        r.set("a", "b")
        line = seen.next_command()
        return line["command"], line["db"], line["client_type"]


@scenario
def databases(r: Any) -> Any:
    r.set("a", 1)
    return r.move("a", 1), r.dbsize(), r.swapdb(0, 1), r.get("a"), error_of(lambda: r.execute_command("SELECT", 99))


@scenario
def iteration(r: Any) -> Any:
    r.mset({f"key:{number}": number for number in range(300)})
    return len(set(r.scan_iter("key:*"))), sorted(r.keys("key:1?")), r.type("key:1"), r.dbsize()


@scenario
def users_and_errors(r: Any) -> Any:
    r.acl_setuser("ada", enabled=True, passwords=["+secret"], keys=["a*"], commands=["+get"])
    return [
        r.acl_whoami(),
        error_of(lambda: r.execute_command("AUTH", "ada", "wrong")),
        error_of(lambda: r.execute_command("NOSUCH", "a")),
        error_of(lambda: r.execute_command("GET")),
        error_of(lambda: r.config_set("maxmemory", "much")),
        r.acl_deluser("ada"),
    ]


@scenario
def lock(r: Any) -> Any:
    with r.lock("name", timeout=10):
        taken = r.lock("name", timeout=10).acquire(blocking=False)
    return taken, r.exists("name")


@scenario
def hash_fields_that_expire(r: Any) -> Any:
    r.hset("h", mapping={"a": 1, "b": 2})
    return r.hexpire("h", 100, "a", "none"), r.hpersist("h", "a"), r.httl("h", "a", "b")


@scenario
def geo_bits_and_logs(r: Any) -> Any:
    return [
        r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")),
        r.geodist("g", "Palermo", "Catania", unit="km"),
        r.setbit("bits", 7, 1),
        r.bitcount("bits"),
        r.pfadd("hll", "a", "b"),
        r.pfcount("hll"),
        r.dump("none"),
        r.object("encoding", "bits"),
    ]
