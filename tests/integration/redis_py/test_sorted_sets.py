"""AGGREGATE COUNT."""

from __future__ import annotations

import redis


def test_count(client: redis.Redis) -> None:
    client.zadd("a", {"x": 10, "y": 20})
    client.zadd("b", {"y": 5, "z": 7})
    client.sadd("c", "y", "z")

    def pairs(found: list[object]) -> list[tuple[object, ...]]:
        return [tuple(pair) for pair in found]  # redis-py has tuples in RESP2, and lists in RESP3

    assert pairs(client.zunion(["a", "b", "c"], aggregate="COUNT", withscores=True)) == [("x", 1), ("z", 2), ("y", 3)]
    assert pairs(client.zinter(["a", "b", "c"], aggregate="COUNT", withscores=True)) == [("y", 3)]
    assert pairs(client.zunion({"a": 2, "b": 3}, aggregate="COUNT", withscores=True)) == [
        ("x", 2),
        ("z", 3),
        ("y", 5),
    ]
    assert client.zunionstore("result", ["a", "b"], aggregate="COUNT") == 3
    assert pairs(client.zrange("result", 0, -1, withscores=True)) == [("x", 1), ("z", 1), ("y", 2)]
    assert client.zinterstore("result", {"a": 0.5, "b": 4}, aggregate="COUNT") == 1
    assert client.zscore("result", "y") == 4.5
