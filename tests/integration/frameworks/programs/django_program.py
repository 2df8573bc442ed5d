"""Django's cache backend for Redis, and sessions in that cache."""

from __future__ import annotations

import asyncio
from typing import Any

import django
from checks import check, report
from django.conf import settings
from place import arguments, client, raises, url

CACHE = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url(1), "OPTIONS": arguments()}
settings.configure(
    CACHES={
        "default": {**CACHE, "KEY_PREFIX": "site"},
        "replicated": {**CACHE, "LOCATION": [url(2), url(2)]},
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="a key for tests",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
)
django.setup()

from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponse
from django.test import Client as Browser
from django.urls import path
from django.views.decorators.cache import cache_page

counted: list[int] = []


def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@cache_page(60)
def costly(request: HttpRequest) -> HttpResponse:
    counted.append(1)
    return HttpResponse(f"computed {len(counted)}")


urlpatterns = [path("visits", visits), path("costly", costly)]


@check
def values() -> None:
    cache.set("object", {"a": [1, 2.5, None], "b": {"c"}}, 100)
    assert cache.get("object") == {"a": [1, 2.5, None], "b": {"c"}}
    assert cache.get("missing", "default") == "default"
    assert cache.add("object", 1) is False and cache.add("new", 1) is True
    assert cache.get_or_set("made", lambda: "once") == "once"
    assert cache.get_or_set("made", lambda: "twice") == "once"
    assert cache.has_key("made") and "absent" not in cache
    assert cache.delete("made") is True and cache.delete("made") is False
    assert client(1).exists("site:1:object") == 1


@check
def counters() -> None:
    cache.set("n", 5)
    assert cache.incr("n", 10) == 15 and cache.decr("n") == 14
    assert cache.get("n") == 14
    with raises(ValueError, "not found"):
        cache.incr("absent")


@check
def many_values() -> None:
    assert cache.set_many({f"k{number}": number for number in range(100)}, timeout=50) == []
    assert cache.get_many(["k1", "k99", "k100"]) == {"k1": 1, "k99": 99}
    cache.delete_many(["k1", "k2"])
    assert cache.get_many(["k1", "k2", "k3"]) == {"k3": 3}
    assert cache.get("k1", version=2) is None
    cache.set("k3", "second", version=2)
    assert cache.incr_version("k3", version=2) == 3 and cache.get("k3", version=3) == "second"


@check
def timeouts() -> None:
    raw = client(1)
    cache.set("short", 1, 100)
    assert 90_000 < raw.pttl("site:1:short") <= 100_000
    assert cache.touch("short", 1000) is True and 990 < raw.ttl("site:1:short") <= 1000
    assert cache.touch("short", None) is True and raw.ttl("site:1:short") == -1
    cache.set("short", 1, 0)
    assert cache.get("short") is None
    assert cache.touch("short") is False
    cache.set("default", 1)
    assert 290 < raw.ttl("site:1:default") <= 300


@check
def replicas() -> None:
    replicated = caches["replicated"]
    replicated.set("k", "v")
    assert replicated.get("k") == "v"
    replicated.clear()
    assert replicated.get("k") is None and client(2).dbsize() == 0


@check
def asynchronous() -> None:
    async def main() -> None:
        await cache.aset("a", 1)
        assert await cache.aget("a") == 1 and await cache.aincr("a") == 2
        assert await cache.aget_many(["a", "b"]) == {"a": 2}

    asyncio.run(main())


@check
def sessions() -> None:
    session = SessionStore()
    session["user"] = {"name": "ada", "roles": ["admin"]}
    session.set_expiry(200)
    session.create()
    raw = client(1)
    (key,) = raw.keys("*cache" + str(session.session_key))
    assert 190 < raw.ttl(key) <= 200
    assert SessionStore(session.session_key)["user"]["roles"] == ["admin"]
    old = session.session_key
    session.cycle_key()
    assert SessionStore(session.session_key)["user"]["name"] == "ada"
    assert not SessionStore(old).exists(old) and SessionStore(session.session_key).exists(session.session_key)
    session.flush()
    assert raw.keys("*cache" + str(session.session_key)) == []


@check
def sessions_of_browsers() -> None:
    first, second = Browser(), Browser()
    found: list[Any] = [browser.get("/visits").content for browser in (first, first, second, first)]
    assert found == [b"1", b"2", b"1", b"3"]


@check
def pages() -> None:
    found = [Browser().get("/costly").content for _ in range(3)]
    assert found == [b"computed 1"] * 3


@check
def clear() -> None:
    cache.clear()
    assert client(1).dbsize() == 0


if __name__ == "__main__":
    report("Django")
