"""The sketches through redis-py and a real connection, in both protocols."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from twisted_redis import RunningServer, running_server
from twisted_redis.modules.probabilistic import module


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server(modules=[module]) as server:
        yield server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(running: RunningServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    with redis.Redis(port=running.port, protocol=request.param, decode_responses=True) as made:
        made.flushall()
        yield made


def fact(info: Any, attribute: str, name: str) -> Any:
    """A field of the information about a sketch: redis-py has an object for it in RESP2, and a dict in RESP3."""
    return info[name] if isinstance(info, dict) else getattr(info, attribute)


def test_bloom_filters(client: Any) -> None:
    bf = client.bf()
    assert bf.create("bf", 0.01, 1000)
    assert bf.add("bf", "a") == 1
    assert bf.add("bf", "a") == 0
    assert bf.madd("bf", "a", "b", "c") == [0, 1, 1]
    assert bf.insert("other", ["x", "y"], capacity=10, error=0.1) == [1, 1]
    assert bf.exists("bf", "a") == 1
    assert bf.mexists("bf", "a", "z") == [1, 0]
    assert bf.card("bf") == 3
    info = bf.info("bf")
    assert fact(info, "capacity", "Capacity") == 1000
    assert fact(info, "insertedNum", "Number of items inserted") == 3
    with pytest.raises(redis.ResponseError, match="item exists"):
        bf.create("bf", 0.01, 1000)
    bf.create("fixed", 0.01, 1, noScale=True)
    bf.add("fixed", "a")
    with pytest.raises(redis.ResponseError, match="non scaling filter is full"):
        bf.add("fixed", "b")


def test_cuckoo_filters(client: Any) -> None:
    cf = client.cf()
    assert cf.create("cf", 1000, expansion=2, bucket_size=4, max_iterations=10)
    assert cf.add("cf", "a") == 1
    assert cf.addnx("cf", "a") == 0
    assert cf.insert("cf", ["a", "b"]) == [1, 1]
    assert cf.insertnx("cf", ["a", "c"]) == [0, 1]
    assert cf.exists("cf", "a") == 1
    assert cf.mexists("cf", "a", "z") == [1, 0]
    assert cf.count("cf", "a") == 2
    assert cf.delete("cf", "a") == 1
    assert cf.delete("cf", "z") == 0
    info = cf.info("cf")
    assert fact(info, "insertedNum", "Number of items inserted") == 3
    assert fact(info, "bucketSize", "Bucket size") == 4


def test_dumps_in_chunks(running: RunningServer) -> None:
    with redis.Redis(port=running.port) as client:
        client.flushall()
        for commands, key in ((client.bf(), "bf"), (client.cf(), "cf")):
            for number in range(500):
                commands.add(key, number)
            position = 0
            while True:
                position, data = commands.scandump(key, position)
                if not position:
                    break
                commands.loadchunk(f"copy of {key}", position, data)
            assert client.dump(f"copy of {key}") == client.dump(key)


def test_count_min_sketches(client: Any) -> None:
    cms = client.cms()
    assert cms.initbydim("cms", 1000, 5)
    assert cms.initbyprob("other", 0.01, 0.01)
    assert cms.incrby("cms", ["a", "b"], [3, 4]) == [3, 4]
    assert cms.query("cms", "a", "b", "c") == [3, 4, 0]
    assert cms.initbydim("sum", 1000, 5)
    assert cms.merge("sum", 2, ["cms", "cms"], weights=[1, 10])
    assert cms.query("sum", "a") == [33]
    assert fact(cms.info("sum"), "count", "count") == 77


def test_top_k(client: Any) -> None:
    topk = client.topk()
    assert topk.reserve("topk", 2, 100, 5, 0.9)
    assert topk.add("topk", "a", "b") == [None, None]
    assert topk.incrby("topk", ["c", "b"], [10, 20]) == ["a", None]
    assert topk.query("topk", "a", "b") == [0, 1]
    assert topk.list("topk") == ["b", "c"]
    assert topk.list("topk", withcount=True) == ["b", 21, "c", 10]
    info = topk.info("topk")
    assert float(fact(info, "decay", "decay")) == 0.9


def test_digests(client: Any) -> None:
    tdigest = client.tdigest()
    assert tdigest.create("td", 100)
    assert tdigest.add("td", list(range(1, 101)))
    assert tdigest.min("td") == 1
    assert tdigest.max("td") == 100
    assert tdigest.quantile("td", 0.5) == [50.5]
    assert tdigest.cdf("td", 50.5)[0] == pytest.approx(0.5, abs=0.01)
    assert tdigest.rank("td", 10) == [9]
    assert tdigest.revrank("td", 10) == [90]
    assert tdigest.byrank("td", 0, 1000) == [1, math.inf]
    assert tdigest.byrevrank("td", 0) == [100]
    assert tdigest.trimmed_mean("td", 0.1, 0.9) == pytest.approx(50.5, abs=1)
    assert tdigest.create("other")
    assert tdigest.merge("other", 1, "td")
    info = tdigest.info("other")
    assert fact(info, "compression", "Compression") == 100
    assert tdigest.reset("td")
    assert math.isnan(float(tdigest.min("td")))


def test_a_pipeline(client: Any) -> None:
    pipe = client.pipeline()
    pipe.execute_command("BF.ADD", "bf", "a")
    pipe.execute_command("CF.ADD", "cf", "a")
    pipe.execute_command("TOPK.RESERVE", "topk", 1)
    pipe.execute_command("TOPK.ADD", "topk", "a")
    assert pipe.execute() == [1, 1, "OK", [None]]
