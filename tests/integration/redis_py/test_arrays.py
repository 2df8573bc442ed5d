"""Arrays."""

from __future__ import annotations

import pytest
import redis
from redis.commands.core import ArrayAggregateOperations, ArrayPredicateCombinator, ArrayPredicateType


def test_set_and_get(client: redis.Redis) -> None:
    assert client.arset("a", 0, "x", "y", "z") == 3
    assert client.arset("a", 2, "Z", "w") == 1
    assert client.armset("a", {10: "ten", 1_000_000_000: "far"}) == 2
    assert client.arget("a", 2) == "Z"
    assert client.arget("a", 5) is None
    assert client.arget("none", 0) is None
    assert client.armget("a", 10, 4, 0) == ["ten", None, "x"]
    assert client.argetrange("a", 2, 5) == ["Z", "w", None, None]
    assert client.argetrange("a", 3, 1) == ["w", "Z", "y"]
    assert client.arcount("a") == 6
    assert client.arlen("a") == 1_000_000_001
    assert client.arcount("none") == client.arlen("none") == 0
    assert client.type("a") == "array"


def test_delete(client: redis.Redis) -> None:
    client.arset("a", 0, *range(100))
    assert client.ardel("a", 1, 2, 500) == 2
    assert client.ardelrange("a", (0, 9), (20, 15), (5, 12)) == 17
    assert client.arcount("a") == 81
    assert client.ardelrange("a", (0, 1000)) == 81
    assert client.exists("a") == 0


def test_insert(client: redis.Redis) -> None:
    assert client.arnext("a") == 0
    assert client.arseek("a", 5) == 0
    assert client.arinsert("a", "x", "y") == 1
    assert client.arnext("a") == 2
    assert client.arseek("a", 10) == 1
    assert client.arinsert("a", "z") == 10
    assert client.arlastitems("a", 2) == [None, "z"]
    assert client.arlastitems("a", 2, rev=True) == ["z", None]
    assert client.arring("ring", 3, "a", "b", "c", "d") == 0
    assert client.argetrange("ring", 0, 2) == ["d", "b", "c"]
    assert client.arlastitems("ring", 3) == ["b", "c", "d"]


def test_scan(client: redis.Redis) -> None:
    client.armset("a", {0: "x", 7: "y", 5000: "z"})
    assert client.arscan("a", 0, 6000) == [[0, "x"], [7, "y"], [5000, "z"]]
    assert client.arscan("a", 6000, 1) == [[5000, "z"], [7, "y"]]
    assert client.arscan("a", 0, 6000, limit=1) == [[0, "x"]]
    assert client.arscan("none", 0, 10) == []


def test_grep(client: redis.Redis) -> None:
    client.arset("a", 0, "apple", "Banana", "cherry", "apricot")
    exact, match, glob, regex = (
        (kind, text)
        for kind, text in zip(
            [ArrayPredicateType.EXACT, ArrayPredicateType.MATCH, ArrayPredicateType.GLOB, ArrayPredicateType.RE],
            ["cherry", "an", "ap*", "^a.*t$"],
            strict=True,
        )
    )
    assert client.argrep("a", 0, 3, [exact]) == [2]
    assert client.argrep("a", 0, 3, [match]) == [1]
    assert client.argrep("a", 3, 0, [glob]) == [3, 0]
    assert client.argrep("a", 0, 3, [regex, exact]) == [2, 3]
    assert client.argrep("a", 0, 3, [glob, regex], combinator=ArrayPredicateCombinator.AND) == [3]
    assert client.argrep("a", 0, 3, [glob], limit=1, withvalues=True) == [[0, "apple"]]
    assert client.argrep("a", 0, 3, [(ArrayPredicateType.EXACT, "BANANA")], nocase=True) == [1]


def test_operations(client: redis.Redis) -> None:
    client.arset("a", 0, 5, 3, "text", "5", 12)
    operations = ArrayAggregateOperations
    assert [client.arop("a", 0, 10, operation) for operation in (operations.SUM, operations.MIN, operations.MAX)] == [
        "25",
        "3",
        "12",
    ]
    assert [client.arop("a", 0, 1, operation) for operation in (operations.AND, operations.OR, operations.XOR)] == [
        1,
        7,
        6,
    ]
    assert client.arop("a", 10, 0, operations.USED) == 5
    assert client.arop("a", 0, 10, operations.MATCH, "5") == 2
    assert client.arop("a", 20, 30, operations.SUM) is None


def test_info(client: redis.Redis) -> None:
    client.armset("a", {0: "x", 1_000_000: "y"})
    info = client.arinfo("a")
    assert (info["count"], info["len"], info["slices"]) == (2, 1_000_001, 2)
    assert "sparse-slices" not in info
    full = client.arinfo("a", full=True)
    assert full["sparse-slices"] == 2
    with pytest.raises(redis.ResponseError, match="no such key"):
        client.arinfo("none")
