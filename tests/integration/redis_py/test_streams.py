"""The commands and options of streams since Redis 8.2."""

from __future__ import annotations

import pytest
import redis


def pending(client: redis.Redis) -> list[tuple[str, str, int]]:
    """The IDs of the pending entries of the group, with their consumers and counts of deliveries."""
    found = client.xpending_range("s", "g", "-", "+", 100)
    return [(entry["message_id"], entry["consumer"], entry["times_delivered"]) for entry in found]


@pytest.fixture
def group(client: redis.Redis) -> redis.Redis:
    """A client of a server with a stream of four entries; two groups exist, and one consumer has read the entries."""
    for number in range(1, 5):
        client.xadd("s", {"n": number}, id=f"{number}-0")
    client.xgroup_create("s", "g", 0)
    client.xgroup_create("s", "other", 0)
    client.xreadgroup("g", "alice", {"s": ">"})
    return client


def test_xdelex(group: redis.Redis) -> None:
    assert group.xdelex("s", "1-0", "9-0") == [1, -1]
    assert [entry[0] for entry in pending(group)] == ["1-0", "2-0", "3-0", "4-0"]
    assert group.xdelex("s", "2-0", ref_policy="DELREF") == [1]
    assert [entry[0] for entry in pending(group)] == ["1-0", "3-0", "4-0"]
    assert group.xdelex("s", "3-0", ref_policy="ACKED") == [2]
    assert group.xlen("s") == 2
    assert group.xdelex("none", "1-0") == [-1]


def test_xackdel(group: redis.Redis) -> None:
    assert group.xackdel("s", "g", "1-0", "9-0") == [1, -1]
    assert group.xackdel("s", "g", "2-0", ref_policy="ACKED") == [2]
    assert group.xackdel("s", "g", "3-0", ref_policy="DELREF") == [1]
    assert [entry[0] for entry in pending(group)] == ["4-0"]
    assert [entry[0] for entry in group.xrange("s")] == ["2-0", "4-0"]


def test_trimming(group: redis.Redis) -> None:
    assert group.xtrim("s", maxlen=3, approximate=False, ref_policy="DELREF") == 1
    assert [entry[0] for entry in pending(group)] == ["2-0", "3-0", "4-0"]
    assert group.xtrim("s", maxlen=0, approximate=False, ref_policy="ACKED") == 0
    assert group.xtrim("s", minid="3-0", approximate=False, ref_policy="KEEPREF") == 1
    assert [entry[0] for entry in pending(group)] == ["2-0", "3-0", "4-0"]
    group.xadd("s", {"n": 5}, id="5-0", maxlen=1, approximate=False, ref_policy="DELREF")
    assert [entry[0] for entry in pending(group)] == ["2-0"]
    assert group.xlen("s") == 1


def test_idempotent_entries(client: redis.Redis) -> None:
    first = client.xadd("s", {"a": 1}, idmp=("producer", b"one"))
    assert client.xadd("s", {"a": 2}, idmp=("producer", b"one")) == first
    assert client.xadd("s", {"a": 2}, idmp=("other", b"one")) != first
    automatic = client.xadd("s", {"a": 3}, idmpauto="producer")
    assert client.xadd("s", {"a": 3}, idmpauto="producer") == automatic
    assert client.xlen("s") == 3
    assert client.xcfgset("s", idmp_duration=10, idmp_maxsize=5) in ("OK", True)
    info = client.xinfo_stream("s")
    assert (info["idmp-duration"], info["idmp-maxsize"]) == (10, 5)
    assert info["pids-tracked"] == info["iids-tracked"] == 0
    assert (info["iids-added"], info["iids-duplicates"]) == (3, 2)
    assert client.xadd("s", {"a": 2}, idmp=("producer", b"one")) != first
    with pytest.raises(redis.ResponseError):
        client.xcfgset("none", idmp_duration=10)


def test_claiming_while_reading(group: redis.Redis) -> None:
    group.xadd("s", {"n": 5}, id="5-0")
    found = group.xreadgroup("g", "bob", {"s": ">"}, count=2, claim_min_idle_time=0)
    entries = found["s"][0] if isinstance(found, dict) else found[0][1]
    assert [(entry[0], entry[1]) for entry in entries] == [("1-0", {"n": "1"}), ("2-0", {"n": "2"})]
    # An entry that has been delivered before comes with its idle time, and the number of its deliveries.
    assert all(int(entry[2]) >= 0 and int(entry[3]) == 1 for entry in entries)
    assert [entry[1] for entry in pending(group)] == ["bob", "bob", "alice", "alice"]
    found = group.xreadgroup("g", "bob", {"s": ">"}, claim_min_idle_time=3_600_000)
    entries = found["s"][0] if isinstance(found, dict) else found[0][1]
    assert [(entry[0], *map(int, entry[2:])) for entry in entries] == [("5-0", 0, 0)]


def test_xnack(group: redis.Redis) -> None:
    assert group.xnack("s", "g", "SILENT", "1-0") == 1
    assert group.xnack("s", "g", "FAIL", "2-0", "9-0") == 1
    assert group.xnack("s", "g", "FATAL", "3-0") == 1
    assert group.xnack("s", "g", "FAIL", "4-0", retrycount=7) == 1
    assert pending(group) == [("1-0", "", 0), ("2-0", "", 1), ("3-0", "", 2**63 - 1), ("4-0", "", 7)]
    assert group.xnack("s", "other", "FAIL", "1-0") == 0
    assert group.xnack("s", "other", "FAIL", "1-0", force=True) == 1
    # Refused entries are claimed at once, whatever the idle time.
    found = group.xreadgroup("g", "bob", {"s": ">"}, count=1, claim_min_idle_time=3_600_000)
    entries = found["s"][0] if isinstance(found, dict) else found[0][1]
    assert entries[0][0] in {"1-0", "2-0", "3-0", "4-0"}
