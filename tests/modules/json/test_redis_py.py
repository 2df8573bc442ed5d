"""Documents through redis-py, and through models of redis-om, over a real connection."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from twisted_redis import RunningServer, running_server

PERSON = """
import sys

from redis_om import EmbeddedJsonModel, JsonModel, NotFoundError


class Address(EmbeddedJsonModel):
    street: str
    city: str


class Person(JsonModel, index=True):
    name: str
    age: int
    tags: list[str] = []
    address: Address


ann = Person(name="Ann", age=30, tags=["a", "b"], address=Address(street="High Street 1", city="York"))
ann.save()
assert Person.get(ann.pk) == ann
ann.update(age=31)
assert Person.get(ann.pk).age == 31
assert list(Person.all_pks()) == [ann.pk]
ann.expire(100)
assert 0 < Person.db().ttl(ann.key()) <= 100
assert Person.delete(ann.pk) == 1
try:
    Person.get(ann.pk)
except NotFoundError:
    sys.stdout.write("done")
"""


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(running: RunningServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    with redis.Redis(port=running.port, protocol=request.param, decode_responses=True) as made:
        made.flushall()
        yield made


def test_values(client: Any) -> None:
    value = {"name": "café", "list": [1, 2.5, None, True, {"a": "b"}], "empty": {}}
    assert client.json().set("k", "$", value)
    assert client.json().get("k") == value
    assert client.json().get("k", "$.list[*].a") == ["b"]
    assert client.json().get("k", "$.name", "$.empty") == {"$.name": ["café"], "$.empty": [{}]}
    assert client.json().set("k", "$.new", 1, nx=True)
    assert client.json().set("k", "$.new", 2, nx=True) is None
    assert client.json().set("k", "$.missing", 2, xx=True) is None
    assert client.type("k") == "ReJSON-RL"
    assert client.json().mset([("a", "$", {"x": 1}), ("b", "$", {"x": 2})])
    assert client.json().mget(["a", "b", "c"], "$.x") == [[1], [2], None]
    assert client.json().delete("k", "$.list[0]") == 1
    assert client.json().forget("k") == 1
    assert client.json().get("k") is None


def test_changes(client: Any) -> None:
    json = client.json()
    json.set("k", "$", {"n": 1, "s": "x", "b": True, "a": [3, 4], "o": {"x": 1, "y": 2}})
    assert json.numincrby("k", "$.n", 1.5) == [2.5]
    with pytest.warns(DeprecationWarning, match="nummultby"):
        assert json.nummultby("k", "$.n", 2) == [5.0]
    assert json.strappend("k", "yz", "$.s") == [3]
    assert json.strlen("k", "$.s") == [3]
    assert json.toggle("k", "$.b") == [0]
    assert json.arrappend("k", "$.a", 5, {"z": 1}) == [4]
    assert json.arrindex("k", "$.a", 5) == [2]
    assert json.arrinsert("k", "$.a", 0, 1, 2) == [6]
    assert json.arrlen("k", "$.a") == [6]
    json.arrpop("k", "$.a")
    assert json.arrtrim("k", "$.a", 1, 2) == [2]
    assert json.objkeys("k", "$.o") == [["x", "y"]]
    assert json.objlen("k", "$.o") == [2]
    assert json.merge("k", "$", {"o": {"x": None, "w": 0}})
    assert json.get("k", "$.o") == [{"y": 2, "w": 0}]
    assert json.clear("k", "$.o") == 1
    assert json.get("k") == {"n": 5.0, "s": "xyz", "b": False, "a": [2, 3], "o": {}}
    assert json.resp("k", "$.a")[0][0] == "["
    assert json.debug("MEMORY", "k") > 0


def test_types_differ_in_resp3(client: Any) -> None:
    client.json().set("k", "$", [1, 1.5, "x", None])
    kinds = client.json().type("k", "$[*]")
    assert kinds in (["integer", "number", "string", "null"], [["integer", "number", "string", "null"]])


def test_errors(client: Any) -> None:
    client.set("s", "x")
    with pytest.raises(redis.ResponseError, match="Existing key has wrong Redis type"):
        client.json().get("s")
    with pytest.raises(redis.ResponseError, match="new objects must be created at the root"):
        client.json().set("k", "$.a", 1)
    client.json().set("k", "$", 1)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.lpush("k", "x")


def test_a_key_is_found_by_its_type(client: Any) -> None:
    client.json().set("k", "$", 1)
    client.set("s", "x")
    assert list(client.scan_iter(_type="ReJSON-RL")) == ["k"]


def test_documents_in_a_transaction_and_a_script(client: Any) -> None:
    with client.pipeline() as pipe:
        pipe.json().set("k", "$", {"n": 1})
        pipe.json().numincrby("k", "$.n", 2)
        assert pipe.execute()[1] == [3]
    assert client.eval("return redis.call('JSON.GET', KEYS[1], '$.n')", 1, "k") == "[3]"


def test_a_model_of_redis_om(running: RunningServer) -> None:
    pytest.importorskip("redis_om")
    environment = os.environ | {"REDIS_OM_URL": f"redis://127.0.0.1:{running.port}"}
    done = subprocess.run([sys.executable, "-c", PERSON], env=environment, capture_output=True, text=True)
    assert done.stdout == "done", done.stderr
