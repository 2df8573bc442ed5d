"""redis-py's ``ts()`` over a real connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from twisted_redis import running_server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with (
        running_server() as server,
        redis.Redis.from_url(server.url, protocol=request.param, decode_responses=True) as made,
    ):
        yield made


def test_redis_py(client: Any) -> None:
    ts = client.ts()
    assert ts.create("temperature", retention_msecs=0, labels={"room": "hall"}, duplicate_policy="last")
    assert ts.create("hourly", labels={"room": "hall", "kind": "mean"})
    assert ts.createrule("temperature", "hourly", "avg", bucket_size_msec=3600)
    assert ts.add("temperature", 1000, 20.5) == 1000
    assert ts.madd([("temperature", 2000, 21.5), ("temperature", 5000, 25)]) == [2000, 5000]
    assert ts.incrby("temperature", 0.5, timestamp=6000) == 6000
    assert ts.decrby("temperature", 1, timestamp=7000) == 7000
    assert [tuple(row) for row in ts.range("temperature", "-", "+", count=2)] == [(1000, 20.5), (2000, 21.5)]
    assert [
        tuple(row) for row in ts.revrange("temperature", "-", "+", aggregation_type="max", bucket_size_msec=5000)
    ] == [
        (5000, 25.5),
        (0, 21.5),
    ]
    assert tuple(ts.get("hourly")) == (0, 21.0)
    assert next(iter(ts.get("hourly", latest=True))) == 3600
    assert ts.queryindex(["room=hall"]) == ["hourly", "temperature"]
    assert ts.alter("temperature", retention_msecs=10**6)
    info = ts.info("temperature")
    assert info["rules"] if isinstance(info, dict) else info.rules
    assert ts.delete("temperature", 2000, 2000) == 1
    assert tuple(ts.get("hourly")) == (0, 20.5)
    assert len(ts.mget(["room=hall"], with_labels=True)) == 2
    assert len(ts.mrange("-", "+", ["room=hall"], groupby="room", reduce="max")) == 1
    assert len(ts.mrevrange("-", "+", ["room=hall"])) == 2
    assert ts.deleterule("temperature", "hourly")
    with pytest.raises(redis.ResponseError, match="does not exist"):
        ts.get("missing")


def test_a_pipeline(client: Any) -> None:
    with client.pipeline() as pipe:
        for number in range(500):
            pipe.ts().add("series", number, number)
        assert pipe.execute() == list(range(500))
    assert len(client.ts().range("series", "-", "+")) == 500
