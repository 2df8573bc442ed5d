"""Commands for strings that Redis has got since 8.2."""

from __future__ import annotations

import time

import pytest
import redis
from redis.commands.core import DataPersistOptions

pytestmark = pytest.mark.filterwarnings("ignore:Call to .*experimental:UserWarning")


def test_digest(client: redis.Redis) -> None:
    client.set("k", "abc")
    assert client.digest("k") == "78af5f94892f3950"
    assert client.digest("none") is None
    client.lpush("list", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.digest("list")


def test_delex(client: redis.Redis) -> None:
    client.mset({"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"})
    digest = client.digest("c")
    assert client.delex("a", ifeq="2") == 0
    assert client.delex("a", ifeq="1") == 1
    assert client.delex("b", ifne="2") == 0
    assert client.delex("b", ifne="3") == 1
    assert client.delex("c", ifdeq="0" * 16) == 0
    assert client.delex("c", ifdeq=digest) == 1
    assert client.delex("d", ifdne=client.digest("d")) == 0
    assert client.delex("d", ifdne=digest) == 1
    assert client.delex("e") == 1
    assert client.delex("e") == 0
    assert client.dbsize() == 0


def test_set_if(client: redis.Redis) -> None:
    assert client.set("k", "1", ifeq="0") is None
    assert client.set("k", "1", ifne="0") is True
    assert client.set("k", "2", ifeq="1", ex=100) is True
    assert 0 < client.ttl("k") <= 100
    assert client.set("k", "3", ifeq="1", get=True) == "2"
    assert client.set("k", "3", ifeq="2", get=True) == "2"
    digest = client.digest("k")
    assert client.set("k", "4", ifdne=digest) is None
    assert client.set("k", "4", ifdeq=digest) is True
    assert client.set("k", "5", ifdeq=digest) is None
    assert client.set("k", "5", ifdne=digest) is True
    assert client.get("k") == "5"


def test_msetex(client: redis.Redis) -> None:
    assert client.msetex({"a": 1, "b": 2}, ex=100) == 1
    assert client.mget("a", "b") == ["1", "2"]
    assert 0 < client.ttl("b") <= 100
    assert client.msetex({"b": 3, "c": 4}, data_persist_option=DataPersistOptions.NX) == 0
    assert client.exists("c") == 0
    assert client.msetex({"a": 5, "b": 6}, data_persist_option=DataPersistOptions.XX, keepttl=True) == 1
    assert client.ttl("a") > 0
    assert client.msetex({"a": 7}) == 1
    assert client.ttl("a") == -1
    until = int(time.time()) + 1000
    assert client.msetex({"a": 8}, exat=until) == 1
    assert client.expiretime("a") == until
    assert client.msetex({"a": 9}, pxat=until * 1000 + 500) == 1
    assert client.pexpiretime("a") == until * 1000 + 500
    assert client.msetex({"a": 9}, px=90_000) == 1
    assert 0 < client.pttl("a") <= 90_000


def test_increx(client: redis.Redis) -> None:
    assert client.increx("n") == [1, 1]
    assert client.increx("n", byint=10, ex=100) == [11, 10]
    assert 0 < client.ttl("n") <= 100
    assert client.increx("n", byint=-1, ex=1000, enx=True) == [10, -1]
    assert client.ttl("n") <= 100
    assert client.increx("n", byint=10, ubound=15) == [10, 0]
    assert client.increx("n", byint=10, ubound=15, saturate=True) == [15, 5]
    assert client.increx("n", byint=-100, lbound=0, saturate=True, persist=True) == [0, -15]
    assert client.ttl("n") == -1
    assert client.get("n") == "0"
    value, difference = client.increx("f", byfloat=1.5)
    assert (float(value), float(difference)) == (1.5, 1.5)
    value, difference = client.increx("f", byfloat=10, ubound=2.25, saturate=True, px=50_000)
    assert (float(value), float(difference)) == (2.25, 0.75)
    assert 0 < client.pttl("f") <= 50_000
    with pytest.raises(redis.ResponseError):
        client.increx("f", byint=1)


def test_bitop(client: redis.Redis) -> None:
    for key, value in {"a": b"\xf0\x0f", "b": b"\x3c", "c": b"\x18\xff"}.items():
        client.set(key, value)
    for operation, result in {
        "DIFF": ["11000000", "00000000"],
        "DIFF1": ["00001100", "11110000"],
        "ANDOR": ["00110000", "00001111"],
        "ONE": ["11000100", "11110000"],
    }.items():
        assert client.bitop(operation, "result", "a", "b", "c") == 2
        assert [f"{client.bitfield('result').get('u8', at).execute()[0]:08b}" for at in (0, 8)] == result
