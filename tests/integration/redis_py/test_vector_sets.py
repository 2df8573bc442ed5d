"""Vector sets, through ``client.vset()``."""

from __future__ import annotations

import struct

import pytest
import redis
from redis.commands.vectorset.commands import QuantizationOptions


def packed(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@pytest.fixture
def points(client: redis.Redis) -> redis.Redis:
    """A client of a server with a set of four vectors of two dimensions, two of which have attributes."""
    vectors = client.vset()
    vectors.vadd("points", [1.0, 0.0], "east", quantization=QuantizationOptions.NOQUANT)
    vectors.vadd("points", [0.0, 1.0], "north", quantization=QuantizationOptions.NOQUANT, attributes={"cold": True})
    vectors.vadd("points", [3.0, 4.0], "steep", quantization=QuantizationOptions.NOQUANT, attributes='{"n":5}')
    vectors.vadd("points", packed(-1.0, 0.0), "west", quantization=QuantizationOptions.NOQUANT)
    return client


def test_adding_and_removing(client: redis.Redis) -> None:
    vectors = client.vset()
    assert vectors.vadd("v", [1.0, 2.0, 3.0], "a") == 1
    assert vectors.vadd("v", [1.0, 2.0, 4.0], "a") == 0
    assert vectors.vadd("v", packed(1, 2, 3), "b", ef=100, numlinks=16, cas=True) == 1
    assert (vectors.vcard("v"), vectors.vdim("v"), vectors.vcard("none")) == (2, 3, 0)
    assert vectors.vrem("v", "a") == 1
    assert vectors.vrem("v", "a") == 0
    assert vectors.vrem("v", "b") == 1
    assert client.exists("v") == 0
    assert vectors.vadd("v", [1.0, 2.0, 3.0, 4.0], "a", reduce_dim=2) == 1
    assert vectors.vdim("v") == 2
    assert vectors.vinfo("v")["projection-input-dim"] == 4
    with pytest.raises(redis.ResponseError, match="dimension mismatch"):
        vectors.vadd("v", [1.0, 2.0], "b", reduce_dim=2)
    with pytest.raises(redis.ResponseError, match="key does not exist"):
        vectors.vdim("none")


def test_similarity(points: redis.Redis) -> None:
    vectors = points.vset()
    assert vectors.vsim("points", [1.0, 0.1]) == ["east", "steep", "north", "west"]
    assert vectors.vsim("points", packed(1.0, 0.1), count=1, truth=True, no_thread=True) == ["east"]
    scores = vectors.vsim("points", "east", with_scores=True)
    assert list(scores) == ["east", "steep", "north", "west"]
    assert scores == pytest.approx({"east": 1, "steep": 0.8, "north": 0.5, "west": 0}, abs=1e-6)
    assert list(vectors.vsim("points", "east", with_scores=True, epsilon=0.3)) == ["east", "steep"]
    with_attributes = vectors.vsim("points", "east", with_attribs=True)
    assert with_attributes == {"east": None, "steep": {"n": 5}, "north": {"cold": True}, "west": None}
    both = vectors.vsim("points", "east", with_scores=True, with_attribs=True, count=2)
    assert both == {
        "east": {"score": pytest.approx(1), "attributes": None},
        "steep": {"score": pytest.approx(0.8), "attributes": {"n": 5}},
    }
    assert vectors.vsim("none", [1.0]) == []
    with pytest.raises(redis.ResponseError, match="element not found in set"):
        vectors.vsim("points", "south")


def test_filter(points: redis.Redis) -> None:
    vectors = points.vset()
    assert vectors.vsim("points", "east", filter=".cold or .n == 5") == []
    assert vectors.vsim("points", "east", filter=".n == 5", filter_ef=100) == ["steep"]
    assert vectors.vsim("points", "east", filter=".cold") == ["north"]
    with pytest.raises(redis.ResponseError, match=r"^syntax error in FILTER expression near: @ 5$"):
        vectors.vsim("points", "east", filter=".n == @ 5")


def test_attributes(points: redis.Redis) -> None:
    vectors = points.vset()
    assert vectors.vgetattr("points", "north") == {"cold": True}
    assert vectors.vgetattr("points", "east") is None
    assert vectors.vsetattr("points", "east", {"warm": 1}) == 1
    assert vectors.vgetattr("points", "east") == {"warm": 1}
    assert vectors.vsetattr("points", "east", "") == 1
    assert vectors.vgetattr("points", "east") is None
    assert vectors.vsetattr("points", "south", "{}") == 0
    assert vectors.vinfo("points")["attributes-count"] == 2


def test_vectors(client: redis.Redis) -> None:
    vectors = client.vset()
    names = {"n": QuantizationOptions.NOQUANT, "q": QuantizationOptions.Q8, "b": QuantizationOptions.BIN}
    for key, quantization in names.items():
        vectors.vadd(key, [3.0, -4.0], "a", quantization=quantization)
    assert vectors.vemb("n", "a") == pytest.approx([3, -4])
    assert vectors.vemb("q", "a") == pytest.approx([3, -4], abs=0.02)
    assert vectors.vemb("b", "a") == [1, -1]
    assert vectors.vemb("n", "b") is None
    raw = vectors.vemb("n", "a", raw=True)
    assert (raw["quantization"], raw["l2"]) == ("f32", 5)
    assert struct.unpack("<2f", raw["raw"]) == pytest.approx((0.6, -0.8))
    raw = vectors.vemb("q", "a", raw=True)
    assert (raw["quantization"], raw["raw"], raw["l2"]) == ("int8", b"\x5f\x81", 5)
    assert raw["range"] == pytest.approx(0.8)
    raw = vectors.vemb("b", "a", raw=True)
    assert (raw["quantization"], raw["raw"]) == ("bin", b"\x01" + b"\0" * 7)


def test_links_and_info(points: redis.Redis) -> None:
    vectors = points.vset()
    links = vectors.vlinks("points", "east")
    assert set(links[-1]) == {"north", "steep", "west"}
    scored = vectors.vlinks("points", "east", with_scores=True)
    assert scored[-1] == pytest.approx({"north": 0.5, "steep": 0.8, "west": 0}, abs=1e-6)
    assert vectors.vlinks("points", "south") is None
    info = vectors.vinfo("points")
    assert {name: info[name] for name in ("quant-type", "hnsw-m", "vector-dim", "size", "attributes-count")} == {
        "quant-type": "f32",
        "hnsw-m": 16,
        "vector-dim": 2,
        "size": 4,
        "attributes-count": 2,
    }
    assert vectors.vinfo("none") is None


def test_number_of_links(client: redis.Redis) -> None:
    vectors = client.vset()
    for number in range(60):
        vectors.vadd("v", [1.0, number / 10], str(number), numlinks=4)
    assert all(1 <= len(layer) <= 4 for layer in vectors.vlinks("v", "59")[-1:])


def test_members(points: redis.Redis) -> None:
    vectors = points.vset()
    names = ["east", "north", "steep", "west"]
    assert vectors.vrandmember("points") in names
    assert sorted(vectors.vrandmember("points", 10)) == names
    assert len(set(vectors.vrandmember("points", 2))) == 2
    assert len(vectors.vrandmember("points", -10)) == 10
    assert vectors.vrandmember("none") is None
    assert vectors.vrange("points", "-", "+") == names
    assert vectors.vrange("points", "(east", "[steep") == ["north", "steep"]
    assert vectors.vrange("points", "-", "+", count=2) == ["east", "north"]
    assert points.execute_command("VISMEMBER", "points", "east") == 1
    assert points.execute_command("VISMEMBER", "points", "south") == 0
