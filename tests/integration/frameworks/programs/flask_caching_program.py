"""Flask-Caching with its cache in the server: views, functions, templates, and many values."""

from __future__ import annotations

from checks import check, report
from flask import Flask, request
from flask_caching import Cache
from place import FAKE, client, url

raw = client(1)
config = {"CACHE_TYPE": "RedisCache", "CACHE_DEFAULT_TIMEOUT": 100, "CACHE_KEY_PREFIX": "site:"}
config |= {"CACHE_REDIS_HOST": raw} if FAKE else {"CACHE_REDIS_URL": url(1)}
app = Flask(__name__)
app.config |= config
cache = Cache(app)
calls: list[object] = []


@app.route("/page")
@cache.cached(timeout=50)
def page() -> str:
    calls.append("page")
    return f"page {calls.count('page')}"


@app.route("/search")
@cache.cached(query_string=True)
def search() -> str:
    calls.append("search")
    return f"{request.args['q']} {calls.count('search')}"


@cache.memoize(timeout=60)
def squared(number: int) -> int:
    calls.append(number)
    return number * number


@check
def values() -> None:
    with app.app_context():
        assert cache.set("k", {"a": [1, None]}) is True
        assert cache.get("k") == {"a": [1, None]}
        assert cache.get("absent") is None
        assert cache.add("k", 1) is False and cache.add("new", 1) is True
        assert cache.has("k") and not cache.has("absent")
        assert cache.delete("k") is True and cache.get("k") is None
        assert 90 < raw.ttl("site:new") <= 100
        cache.set("for ever", 1, timeout=0)
        assert raw.ttl("site:for ever") == -1


@check
def many_values() -> None:
    with app.app_context():
        assert sorted(cache.set_many({f"k{number}": number for number in range(50)})) == sorted(
            f"k{number}" for number in range(50)
        )
        assert cache.get_many("k0", "none", "k49") == [0, None, 49]
        assert cache.get_dict("k1", "none") == {"k1": 1, "none": None}
        cache.delete_many("k0", "k1")
        assert cache.get_many("k0", "k2") == [None, 2]


@check
def views() -> None:
    browser = app.test_client()
    assert [browser.get("/page").text for _ in range(3)] == ["page 1"] * 3
    assert [browser.get(f"/search?q={word}").text for word in "aba"] == ["a 1", "b 2", "a 1"]
    assert 40 < raw.ttl("site:view//page") <= 50


@check
def functions() -> None:
    with app.app_context():
        assert [squared(3), squared(4), squared(3)] == [9, 16, 9]
        assert calls[-2:] == [3, 4]
        cache.delete_memoized(squared, 3)
        assert [squared(3), squared(4)] == [9, 16]
        assert calls[-3:] == [3, 4, 3]
        cache.delete_memoized(squared)
        assert squared(4) == 16 and calls[-1] == 4


@check
def clear() -> None:
    with app.app_context():
        raw.set("other", 1)
        assert cache.clear()
        assert raw.keys("site:*") == []


if __name__ == "__main__":
    report("Flask-Caching")
