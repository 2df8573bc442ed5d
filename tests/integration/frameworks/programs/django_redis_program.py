"""django-redis: its cache, with patterns, locks, hashes, sets, compression and other clients."""

from __future__ import annotations

import threading

import django
from checks import PATIENCE, check, report
from django.conf import settings
from place import arguments, client, url

OPTIONS = {"CLIENT_CLASS": "django_redis.client.DefaultClient", "CONNECTION_POOL_KWARGS": arguments()}


def cache_with(location: object, **options: str) -> dict[str, object]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": {**OPTIONS, **options}}


settings.configure(
    CACHES={
        "default": cache_with(url(1)),
        "json": cache_with(
            url(2),
            SERIALIZER="django_redis.serializers.json.JSONSerializer",
            COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor",
        ),
        "replicated": cache_with([url(3), url(3)]),
        "sharded": cache_with([url(4), url(5)], CLIENT_CLASS="django_redis.client.ShardClient"),
        "herd": cache_with(url(6), CLIENT_CLASS="django_redis.client.HerdClient"),
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    DJANGO_REDIS_SCAN_ITERSIZE=10,
)
django.setup()

from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import cache, caches
from django_redis import get_redis_connection


@check
def values() -> None:
    assert cache.set("object", {"a": [1, None]}, timeout=100) is True
    assert cache.get("object") == {"a": [1, None]}
    assert cache.set("object", "other", nx=True) is False
    assert cache.set("absent", "other", xx=True) is False
    assert cache.get_many(["object", "absent"]) == {"object": {"a": [1, None]}}
    cache.set_many({f"k{number}": number for number in range(100)})
    assert cache.get("k99") == 99 and cache.incr("k99", 5) == 104 and cache.decr("k99") == 103
    assert cache.delete_many(["k1", "k2", "none"]) == 2
    assert cache.add("k3", 0) is False and cache.has_key("k3")


@check
def patterns() -> None:
    cache.clear()
    cache.set_many({f"user:{number}": number for number in range(50)} | {"other": 1})
    assert len(list(cache.iter_keys("user:*"))) == 50
    assert sorted(cache.keys("user:4?")) == [f"user:4{number}" for number in range(10)]
    assert cache.delete_pattern("user:*") == 50
    assert cache.keys("*") == ["other"]


@check
def timeouts() -> None:
    cache.set("short", 1, timeout=100)
    assert 90 < cache.ttl("short") <= 100 and 90_000 < cache.pttl("short") <= 100_000
    assert cache.persist("short") is True and cache.ttl("short") is None
    assert cache.expire("short", timeout=50) is True and 40 < cache.ttl("short") <= 50
    assert cache.pexpire("short", timeout=5000) is True and 0 < cache.pttl("short") <= 5000
    assert cache.touch("short", 500) is True and cache.ttl("short") > 400
    assert cache.ttl("absent") == 0
    cache.set("short", 1, timeout=0)
    assert cache.get("short") is None


@check
def locks() -> None:
    order = []

    def hold() -> None:
        with cache.lock("door", timeout=PATIENCE, sleep=0.005):
            order.append("second")

    with cache.lock("door", timeout=PATIENCE):
        thread = threading.Thread(target=hold)
        thread.start()
        order.append("first")
    thread.join(PATIENCE)
    assert order == ["first", "second"]
    assert not cache.lock("door").locked()


@check
def sets_and_hashes() -> None:
    assert cache.sadd("set", "a", "b", 3) == 3
    assert cache.smembers("set") == {"a", "b", 3} and cache.scard("set") == 3
    assert cache.sismember("set", "a") and cache.srem("set", "a") == 1
    assert cache.hset("hash", "field", {"deep": 1}) == 1
    assert cache.hget("hash", "field") == {"deep": 1} if hasattr(cache, "hget") else cache.hexists("hash", "field")
    assert cache.hlen("hash") == 1 and cache.hdel("hash", "field") == 1


@check
def serializers_and_compressors() -> None:
    other = caches["json"]
    other.set("text", "long " * 1000)
    assert other.get("text") == "long " * 1000
    assert client(2).strlen(":1:text") < 200
    other.set("list", [1, 2, {"a": None}])
    assert other.get("list") == [1, 2, {"a": None}]


@check
def other_clients() -> None:
    for name in ("replicated", "sharded", "herd"):
        other = caches[name]
        other.set_many({f"k{number}": number for number in range(40)})
        assert other.get("k7") == 7, name
        assert other.get_many(["k1", "k39", "none"]) == {"k1": 1, "k39": 39}, name
        other.delete("k7")
        assert other.get("k7") is None, name
    assert client(4).dbsize() and client(5).dbsize() and client(4).dbsize() + client(5).dbsize() == 39


@check
def raw_connection() -> None:
    with get_redis_connection("default") as raw:
        raw.flushdb()
        assert raw.zadd("board", {"ada": 1}) == 1
        with raw.pipeline() as pipe:
            assert pipe.incr("n").incr("n").execute() == [1, 2]


@check
def sessions() -> None:
    session = SessionStore()
    session["user"] = "ada"
    session.create()
    assert SessionStore(session.session_key)["user"] == "ada"
    assert cache.ttl(session.cache_key) > 1000
    session.flush()
    assert cache.keys("*sessions*") == []


if __name__ == "__main__":
    report("django-redis")
